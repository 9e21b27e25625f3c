/*
 * An aggregation library for tests. Its proofs prove nothing: they are a hash of what they claim, which anybody can make,
 * but message, slot and every key have to be the right ones.
 *
 *   single = 'S' | body          body = message (32) | slot (8) | keys (4) | hash of the sorted keys (32)
 *   multi  = 'M' | count (1) | body per component
 *
 * It misbehaves on demand: a file beside it with ".behaviour" at the end of its name may hold one line,
 * "<function> <behaviour> [once]". With "once" the first process that gets there removes the file, and is the only one
 * to misbehave. A file that ends in ".costs" may hold four numbers of milliseconds: what an aggregate takes, and each of
 * its signatures; what a merge takes, and each of its components. "look" takes the path of a file in place of "once", and says what the process can see.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lathe_aggregation.h"

#ifndef TEST_ABI_VERSION
#define TEST_ABI_VERSION LATHE_AGGREGATION_ABI_VERSION
#endif
#ifndef TEST_PROVERS
#define TEST_PROVERS 1
#endif
#ifndef TEST_NAME
#define TEST_NAME "test"
#endif

enum { BODY = 32 + 8 + 4 + 32, MAX_COMPONENTS = 16, LEAK = 16 << 20, DESCRIPTORS = 64 };

/* ---- Results ---- */

static int32_t give(lathe_buffer *out, int32_t status, const void *bytes, size_t length) {
  out->data = malloc(length ? length : 1);
  if (!out->data) return LATHE_FAILED;
  memcpy(out->data, bytes, length);
  out->length = length;
  return status;
}

static int32_t say(lathe_buffer *out, int32_t status, const char *why) { return give(out, status, why, strlen(why)); }

/* ---- Misbehaving ---- */

static void sleep_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static void leak(void) {
  for (;;) {
    volatile char *lost = malloc(LEAK);
    if (!lost) abort();
    *lost = 1;
  }
}

/* Answers the node by itself, one byte at a time, for as long as anybody reads. */
static void trickle(void) {
  const uint8_t length[4] = {0, 0, 4, 0};
  for (int fd = 3; fd < DESCRIPTORS; fd++) {
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISSOCK(about.st_mode)) continue;
    if (write(fd, length, sizeof length) != sizeof length) exit(1);
    while (write(fd, "", 1) == 1) sleep_ms(5);
  }
  for (;;) sleep_ms(1000);
}

/* Says what of the node can be seen from here. */
static int32_t look(lathe_buffer *out, const char *path) {
  char text[256], byte;
  int descriptors = 0, file = open(path, O_RDONLY);
  const char *access = file < 0 ? "out of reach" : "readable";
  if (file >= 0) close(file);
  for (int fd = 3; fd < DESCRIPTORS; fd++) descriptors += fcntl(fd, F_GETFD) != -1;
  snprintf(text, sizeof text, "stdin %zd, descriptors %d, session %s, privileges %s, environment %s, file %s",
           read(STDIN_FILENO, &byte, 1), descriptors, getsid(0) == getpid() ? "own" : "shared",
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? "fixed" : "open", getenv("PATH") ? "passed on" : "cleared",
           access);
  return say(out, LATHE_FAILED, text);
}

/* Takes as long as the file says: `base` and `each` are the places of its numbers. */
static void take_time(int base, int each, size_t count) {
  Dl_info self;
  char path[4096];
  long costs[4] = {0};
  if (!dladdr((void *)lathe_aggregation_init, &self)) return;
  snprintf(path, sizeof path, "%s.costs", self.dli_fname);
  FILE *file = fopen(path, "r");
  if (!file) return;
  if (fscanf(file, "%ld %ld %ld %ld", &costs[0], &costs[1], &costs[2], &costs[3]) == 4)
    sleep_ms(costs[base] + costs[each] * (long)count);
  fclose(file);
}

/* Whether the call is over; if so, `status` is what it returns. */
static bool misbehave(const char *function, lathe_buffer *out, int32_t *status) {
  Dl_info self;
  char path[4096], who[32] = "", how[32] = "", once[4096] = "";
  if (!dladdr((void *)lathe_aggregation_init, &self)) return false;
  snprintf(path, sizeof path, "%s.behaviour", self.dli_fname);
  FILE *file = fopen(path, "r");
  int fields = file ? fscanf(file, "%31s %31s %4095s", who, how, once) : 0;
  if (file) fclose(file);
  if (fields < 2 || strcmp(who, function) != 0) return false;
  if (strcmp(once, "once") == 0 && unlink(path) != 0) return false;

  *status = LATHE_OK;
  if (strcmp(how, "crash") == 0) abort();
  if (strcmp(how, "exit") == 0) exit(0);
  if (strcmp(how, "leak") == 0) leak();
  if (strcmp(how, "trickle") == 0) trickle();
  if (strcmp(how, "look") == 0) {
    *status = look(out, once);
    return true;
  }
  if (strcmp(how, "hang") == 0) {
    for (;;) sleep_ms(1000);
  }
  if (strncmp(how, "slow", 4) == 0) {
    sleep_ms(atol(how + 4));
    return false;
  }
  if (strcmp(how, "print") == 0) {
    puts("this is not an answer");
    fflush(stdout);
    return false;
  }
  if (strcmp(how, "random") == 0) {
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)rand();
    *status = give(out, LATHE_OK, bytes, sizeof bytes);
  } else if (strcmp(how, "long") == 0) {
    out->length = LATHE_MAX_PROOF_LENGTH + 1;
    out->data = calloc(1, out->length);
  } else if (strcmp(how, "lie") == 0) {
    out->length = SIZE_MAX;
    out->data = calloc(1, 1);
  } else if (strcmp(how, "null") == 0) {
    out->length = 100;
  } else if (strcmp(how, "status") == 0) {
    *status = 77;
  } else if (strcmp(how, "fail") == 0) {
    *status = say(out, LATHE_FAILED, "out of\norder");
  } else if (strcmp(how, "refuse") == 0) {
    *status = say(out, LATHE_UNSUPPORTED, "not today");
  } else if (strcmp(how, "deny") == 0) {
    *status = say(out, LATHE_INVALID, "no");
  } else if (strcmp(how, "empty") != 0) {
    return false;
  }
  return true;
}

/* ---- Proofs ---- */

static int compare_keys(const void *a, const void *b) { return memcmp(a, b, LATHE_PUBLIC_KEY_LENGTH); }

static void hash(const uint8_t *bytes, size_t length, uint8_t digest[32]) {
  for (uint64_t lane = 0; lane < 4; lane++) {
    uint64_t state = 0xcbf29ce484222325u ^ lane;
    for (size_t i = 0; i < length; i++) state = (state ^ bytes[i]) * 0x100000001b3u;
    memcpy(digest + 8 * lane, &state, 8);
  }
}

/* The body for a message, a slot and keys, which are sorted in place and counted once each. */
static void write_body(const lathe_statement *statement, uint8_t *keys, size_t length, uint8_t body[BODY]) {
  const size_t size = LATHE_PUBLIC_KEY_LENGTH;
  uint32_t count = 0;
  qsort(keys, length / size, size, compare_keys);
  for (size_t i = 0; i < length / size; i++) {
    if (count && memcmp(keys + (count - 1) * size, keys + i * size, size) == 0) continue;
    memmove(keys + count++ * size, keys + i * size, size);
  }
  memcpy(body, statement->message, 32);
  memcpy(body + 32, &statement->slot, 8);
  memcpy(body + 40, &count, 4);
  hash(keys, count * size, body + 44);
}

static bool body_of(const lathe_statement *statement, uint8_t body[BODY]) {
  const size_t length = statement->public_keys.length;
  uint8_t *keys = malloc(length);
  if (!keys || !length || length % LATHE_PUBLIC_KEY_LENGTH) return free(keys), false;
  memcpy(keys, statement->public_keys.data, length);
  write_body(statement, keys, length, body);
  free(keys);
  return true;
}

static bool shows_single(const lathe_evidence *claim) {
  uint8_t body[BODY];
  return body_of(&claim->statement, body) && claim->bytes.length == 1 + BODY && claim->bytes.data[0] == 'S' &&
         memcmp(claim->bytes.data + 1, body, BODY) == 0;
}

static bool shows_multi(const lathe_statement *statements, size_t count, const lathe_bytes *proof) {
  if (proof->length != 2 + count * BODY || proof->data[0] != 'M' || proof->data[1] != count) return false;
  for (size_t i = 0; i < count; i++) {
    uint8_t body[BODY];
    if (!body_of(&statements[i], body) || memcmp(proof->data + 2 + i * BODY, body, BODY) != 0) return false;
  }
  return true;
}

/* ---- The interface ---- */

uint32_t lathe_aggregation_abi_version(void) { return TEST_ABI_VERSION; }

void lathe_aggregation_capabilities(lathe_capabilities *capabilities) {
  memcpy(capabilities->name, TEST_NAME, sizeof TEST_NAME);
  memcpy(capabilities->version, "1", 2);
  capabilities->max_signers = 4096;
  capabilities->max_children = 4;
  capabilities->max_components = MAX_COMPONENTS;
  capabilities->provers = TEST_PROVERS;
  capabilities->memory_bytes = 256 << 20;
}

int32_t lathe_aggregation_init(uint32_t purpose, lathe_buffer *out) {
  int32_t status;
  if (misbehave(purpose == LATHE_PURPOSE_PROVE ? "init_prove" : "init_verify", out, &status)) return status;
  return LATHE_OK;
}

int32_t lathe_aggregation_aggregate(const lathe_evidence *raw, const lathe_evidence *children, size_t child_count,
                                    lathe_buffer *out) {
  int32_t status;
  if (misbehave("aggregate", out, &status)) return status;
  take_time(0, 1, raw->bytes.length / LATHE_SIGNATURE_LENGTH);
  size_t length = raw->statement.public_keys.length;
  if (raw->bytes.length / LATHE_SIGNATURE_LENGTH * LATHE_PUBLIC_KEY_LENGTH != length)
    return say(out, LATHE_INVALID, "keys and signatures differ in number");
  for (size_t i = 0; i < child_count; i++) {
    const lathe_statement *child = &children[i].statement;
    if (memcmp(child->message, raw->statement.message, 32) != 0 || child->slot != raw->statement.slot)
      return say(out, LATHE_INVALID, "a child is about something else");
    if (!shows_single(&children[i])) return say(out, LATHE_INVALID, "a child shows nothing");
    length += child->public_keys.length;
  }
  uint8_t *keys = malloc(length), proof[1 + BODY] = "S";
  if (!keys) return LATHE_FAILED;
  size_t at = raw->statement.public_keys.length;
  memcpy(keys, raw->statement.public_keys.data, at);
  for (size_t i = 0; i < child_count; at += children[i++].statement.public_keys.length)
    memcpy(keys + at, children[i].statement.public_keys.data, children[i].statement.public_keys.length);
  write_body(&raw->statement, keys, length, proof + 1);
  free(keys);
  return give(out, LATHE_OK, proof, sizeof proof);
}

int32_t lathe_aggregation_merge(const lathe_evidence *components, size_t count, lathe_buffer *out) {
  int32_t status;
  if (misbehave("merge", out, &status)) return status;
  take_time(2, 3, count);
  uint8_t proof[2 + MAX_COMPONENTS * BODY] = {'M', (uint8_t)count};
  if (count > MAX_COMPONENTS) return say(out, LATHE_UNSUPPORTED, "too many components");
  for (size_t i = 0; i < count; i++) {
    if (!shows_single(&components[i])) return say(out, LATHE_INVALID, "a component shows nothing");
    memcpy(proof + 2 + i * BODY, components[i].bytes.data + 1, BODY);
  }
  return give(out, LATHE_OK, proof, 2 + count * BODY);
}

int32_t lathe_aggregation_verify_single(const lathe_evidence *claim, lathe_buffer *out) {
  int32_t status;
  if (misbehave("verify_single", out, &status)) return status;
  return shows_single(claim) ? LATHE_OK : say(out, LATHE_INVALID, "another statement");
}

int32_t lathe_aggregation_verify_multi(const lathe_statement *statements, size_t count, const lathe_bytes *proof,
                                       lathe_buffer *out) {
  int32_t status;
  if (misbehave("verify_multi", out, &status)) return status;
  return shows_multi(statements, count, proof) ? LATHE_OK : say(out, LATHE_INVALID, "other statements");
}

#ifndef TEST_WITHOUT_SPLIT
int32_t lathe_aggregation_split(const lathe_statement *statements, size_t count, const lathe_bytes *proof, size_t index,
                                lathe_buffer *out) {
  int32_t status;
  if (misbehave("split", out, &status)) return status;
  if (index >= count || !shows_multi(statements, count, proof)) return say(out, LATHE_INVALID, "other statements");
  uint8_t single[1 + BODY] = "S";
  memcpy(single + 1, proof->data + 2 + index * BODY, BODY);
  return give(out, LATHE_OK, single, sizeof single);
}
#endif

void lathe_aggregation_free(lathe_buffer *buffer) {
  free(buffer->data);
  buffer->data = NULL;
  buffer->length = 0;
}
