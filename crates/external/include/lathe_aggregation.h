/*
 * Lathe's interface to an aggregation library: a proof system for XMSS signatures that is built by somebody else.
 *
 * Lathe loads the library into processes of its own, one that verifies and one that proves, and calls it from one
 * thread at a time. The bytes of proofs pass through untouched. docs/external_backend.md is the guide.
 *
 * Memory. What Lathe passes in belongs to Lathe and is valid until the call returns. A library puts its results into a
 * lathe_buffer that it allocates; Lathe copies them and calls lathe_aggregation_free once for every call that had a
 * buffer, whatever the call returned.
 *
 * Errors. A call that does not return LATHE_OK may leave UTF-8 text in the buffer that says why: at most 1024 bytes,
 * not terminated, an empty buffer is fine. No call may unwind, throw or exit: catch panics and return LATHE_FAILED.
 *
 * Trust. Proofs come from anybody on the network. Check every length inside them before allocating by it. Everything
 * else was checked: keys and signatures have their exact lengths, lists are not empty where it says so.
 */
#ifndef LATHE_AGGREGATION_H
#define LATHE_AGGREGATION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this interface. Another version is another interface: Lathe loads exactly this one. */
#define LATHE_AGGREGATION_ABI_VERSION 1u

/* Length of a public key in its SSZ encoding: root (32), then parameter (20). */
#define LATHE_PUBLIC_KEY_LENGTH 52u
/* Length of a signature of the production scheme in its SSZ encoding. */
#define LATHE_SIGNATURE_LENGTH 2536u
/* Most bytes of a proof. */
#define LATHE_MAX_PROOF_LENGTH 524288u

/* What a call returns. Anything else counts as garbage. */
enum {
  /* Done: the buffer holds the result. Or verified: the buffer is not looked at. */
  LATHE_OK = 0,
  /* The proof or the signatures are malformed, or do not show the statement. Blames whoever sent them. */
  LATHE_INVALID = 1,
  /* The library cannot do that. */
  LATHE_UNSUPPORTED = 2,
  /* The library failed, for reasons of its own. Blames nobody. */
  LATHE_FAILED = 3
};

/* What a process is going to call: the argument of lathe_aggregation_init. */
enum {
  /* verify_single and verify_multi. */
  LATHE_PURPOSE_VERIFY = 1,
  /* aggregate, merge and split. */
  LATHE_PURPOSE_PROVE = 2
};

/* Bytes of Lathe's. The pointer is not null, even when the length is 0. */
typedef struct lathe_bytes {
  const uint8_t *data;
  size_t length;
} lathe_bytes;

/* Bytes of the library's. Zeroed by Lathe before each call. */
typedef struct lathe_buffer {
  uint8_t *data;
  size_t length;
} lathe_buffer;

/* That the holders of these keys signed this message at this slot. */
typedef struct lathe_statement {
  /* Root of the vote's data or of the block. */
  uint8_t message[32];
  /* Any 64-bit number: a slot that the scheme does not have is LATHE_INVALID, never cut off. */
  uint64_t slot;
  /* Keys one after another, LATHE_PUBLIC_KEY_LENGTH bytes each, in the order of the validators' indices. */
  lathe_bytes public_keys;
} lathe_statement;

/* A statement with what shows it. */
typedef struct lathe_evidence {
  lathe_statement statement;
  /* A single-message proof; or, where it says so, one signature per key, one after another. */
  lathe_bytes bytes;
} lathe_evidence;

/* What the library is and can do. */
typedef struct lathe_capabilities {
  /* Name and version of the proof format, terminated; letters, digits, '.', '_' and '-'. They are part of the identity of
     a network: change the version whenever proofs of one cannot be read by the other. */
  char name[32];
  char version[32];
  /* Most signers of a single-message proof. */
  uint32_t max_signers;
  /* Most children that one call of aggregate takes. */
  uint32_t max_children;
  /* Most components that one call of merge takes. A block has up to 8 votes and the proposer. */
  uint32_t max_components;
  /* Proofs that can be made at a time, each in a process of its own, without one delaying the other much; 0 stands for
     1. A library that uses all cores for one proof has one. */
  uint32_t provers;
  /* Address space that the library needs at most, in bytes, beside what Lathe's process has. An allocation beyond it
     fails. 0 stands for 16 GiB. */
  uint64_t memory_bytes;
} lathe_capabilities;

/* LATHE_AGGREGATION_ABI_VERSION as the library was built. Called first. */
uint32_t lathe_aggregation_abi_version(void);

/* Fills in the capabilities. Called second, at once after loading: it must not take long. */
void lathe_aggregation_capabilities(lathe_capabilities *capabilities);

/* Sets up whatever would delay the first call. Called once, with one of LATHE_PURPOSE_*; it has two minutes. */
int32_t lathe_aggregation_init(uint32_t purpose, lathe_buffer *out);

/*
 * Folds signatures and proofs over one message into one single-message proof, over the union of all their keys.
 * `raw` has one signature per key as its bytes, and may have no keys; its message and slot are those of every child.
 * A key may be in several children, but no key of `raw` is in a child. All of it was verified before, or made here.
 */
int32_t lathe_aggregation_aggregate(const lathe_evidence *raw, const lathe_evidence *children, size_t child_count,
                                    lathe_buffer *out);

/* Merges single-message proofs, at least one, into one multi-message proof, in this order. */
int32_t lathe_aggregation_merge(const lathe_evidence *components, size_t count, lathe_buffer *out);

/* Whether a single-message proof shows its statement: exactly these keys, this message, this slot. */
int32_t lathe_aggregation_verify_single(const lathe_evidence *claim, lathe_buffer *out);

/* Whether a multi-message proof shows exactly these statements, in this order. */
int32_t lathe_aggregation_verify_multi(const lathe_statement *statements, size_t count, const lathe_bytes *proof,
                                       lathe_buffer *out);

/* Takes the component at `index` out of a multi-message proof that shows these statements. */
int32_t lathe_aggregation_split(const lathe_statement *statements, size_t count, const lathe_bytes *proof, size_t index,
                                lathe_buffer *out);

/* Frees what a call put into a buffer; does nothing to an empty one. */
void lathe_aggregation_free(lathe_buffer *buffer);

#ifdef __cplusplus
}
#endif

#endif
