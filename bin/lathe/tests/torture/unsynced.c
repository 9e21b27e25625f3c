/* Keeps a journal of what a process does to the files under one directory, and fails it on demand.
 *
 * Loaded before the C library (LD_PRELOAD). From the journal a test knows what the files would hold if the power had
 * failed: all that was synced, and any part of the rest. Environment:
 *
 *   UNSYNCED_DIR      the directory; what lies elsewhere is left alone
 *   UNSYNCED_JOURNAL  where the journal is appended to
 *   UNSYNCED_FAIL     N:ERRNO:COUNT, the Nth operation and COUNT - 1 after it fail with this number
 *   UNSYNCED_DEAF     set: a sync does nothing, and says that it worked
 *
 * An entry of the journal, in the machine's byte order: u8 kind, u32 length of the first path, u32 length of the second
 * path or of the data, u64 offset or length, then both.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 'C', WRITE = 'W', LENGTH = 'L', SYNC = 'S', RENAME = 'R', UNLINK = 'U', MKDIR = 'M' };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char dir[PATH_MAX];
static size_t dir_len;
static int journal = -1;
static int deaf;
static long fail_at, fail_errno, fail_count;
static long operations;

__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("UNSYNCED_DIR"), *file = getenv("UNSYNCED_JOURNAL"), *fail = getenv("UNSYNCED_FAIL");
  if (!name || !file || strlen(name) >= sizeof dir) return;
  strcpy(dir, name);
  dir_len = strlen(dir);
  deaf = getenv("UNSYNCED_DEAF") != NULL;
  if (fail) sscanf(fail, "%ld:%ld:%ld", &fail_at, &fail_errno, &fail_count);
  journal = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_ours(const char *path) {
  return journal >= 0 && dir_len > 0 && strncmp(path, dir, dir_len) == 0 && (path[dir_len] == '/' || !path[dir_len]);
}

/* The path of an open file, if it lies in the directory. */
static int path_of(int fd, char *path) {
  char link[64];
  if (journal < 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, path, PATH_MAX - 1);
  if (len <= 0) return 0;
  path[len] = 0;
  return is_ours(path);
}

/* Whether the next operation has to fail. Called with the lock. */
static int fails(void) {
  operations++;
  if (fail_at && operations >= fail_at && operations - fail_at < fail_count) {
    errno = (int)fail_errno;
    return 1;
  }
  return 0;
}

static void note(int kind, const char *path, uint64_t number, const void *data, size_t len) {
  int saved = errno;
  uint32_t lens[2] = {(uint32_t)strlen(path), (uint32_t)len};
  uint8_t head[17];
  head[0] = (uint8_t)kind;
  memcpy(head + 1, lens, 8);
  memcpy(head + 9, &number, 8);
  struct iovec parts[3] = {{head, 17}, {(void *)path, lens[0]}, {(void *)data, len}};
  if (syscall(SYS_writev, journal, parts, 3) < 0) abort();
  errno = saved;
}

static int open_at(int at, const char *path, int flags, mode_t mode) {
  int creates = (flags & (O_CREAT | O_TRUNC)) && path[0] == '/' && is_ours(path);
  if (!creates) return (int)syscall(SYS_openat, at, path, flags, mode);
  pthread_mutex_lock(&lock);
  struct stat before;
  int is_new = stat(path, &before) != 0;
  int fd = -1;
  if (!is_new || !fails()) fd = (int)syscall(SYS_openat, at, path, flags, mode);
  if (fd >= 0 && is_new) note(CREATE, path, 0, "", 0);
  if (fd >= 0 && !is_new && (flags & O_TRUNC)) note(LENGTH, path, 0, "", 0);
  pthread_mutex_unlock(&lock);
  return fd;
}

#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return open_at(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return open_at(at, path, flags | O_LARGEFILE, mode); }

ssize_t write(int fd, const void *bytes, size_t len) {
  char path[PATH_MAX];
  if (!path_of(fd, path)) return syscall(SYS_write, fd, bytes, len);
  pthread_mutex_lock(&lock);
  ssize_t written = fails() ? -1 : syscall(SYS_write, fd, bytes, len);
  if (written > 0) note(WRITE, path, (uint64_t)lseek(fd, 0, SEEK_CUR) - (uint64_t)written, bytes, (size_t)written);
  pthread_mutex_unlock(&lock);
  return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset) {
  char path[PATH_MAX];
  if (!path_of(fd, path)) return syscall(SYS_pwrite64, fd, bytes, len, offset);
  pthread_mutex_lock(&lock);
  ssize_t written = fails() ? -1 : syscall(SYS_pwrite64, fd, bytes, len, offset);
  if (written > 0) note(WRITE, path, (uint64_t)offset, bytes, (size_t)written);
  pthread_mutex_unlock(&lock);
  return written;
}
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset) { return pwrite64(fd, bytes, len, offset); }

/* One part at a time: callers go on with the rest. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
  char path[PATH_MAX];
  if (!path_of(fd, path)) return syscall(SYS_writev, fd, parts, count);
  for (int at = 0; at < count; at++)
    if (parts[at].iov_len) return write(fd, parts[at].iov_base, parts[at].iov_len);
  return 0;
}

int ftruncate64(int fd, off64_t len) {
  char path[PATH_MAX];
  if (!path_of(fd, path)) return (int)syscall(SYS_ftruncate, fd, len);
  pthread_mutex_lock(&lock);
  int result = fails() ? -1 : (int)syscall(SYS_ftruncate, fd, len);
  if (!result) note(LENGTH, path, (uint64_t)len, "", 0);
  pthread_mutex_unlock(&lock);
  return result;
}
int ftruncate(int fd, off_t len) { return ftruncate64(fd, len); }

static int sync_with(long call, int fd) {
  char path[PATH_MAX];
  if (!path_of(fd, path)) return (int)syscall(call, fd);
  pthread_mutex_lock(&lock);
  int result = fails() ? -1 : 0;
  if (!result && !deaf) {
    result = (int)syscall(call, fd);
    if (!result) note(SYNC, path, 0, "", 0);
  }
  pthread_mutex_unlock(&lock);
  return result;
}
int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

int rename(const char *from, const char *to) {
  if (!is_ours(from)) return (int)syscall(SYS_rename, from, to);
  pthread_mutex_lock(&lock);
  int result = fails() ? -1 : (int)syscall(SYS_rename, from, to);
  if (!result) note(RENAME, from, 0, to, strlen(to));
  pthread_mutex_unlock(&lock);
  return result;
}

static int remove_with(long call, const char *path) {
  if (!is_ours(path)) return (int)syscall(call, path);
  pthread_mutex_lock(&lock);
  int result = fails() ? -1 : (int)syscall(call, path);
  if (!result) note(UNLINK, path, 0, "", 0);
  pthread_mutex_unlock(&lock);
  return result;
}
int unlink(const char *path) { return remove_with(SYS_unlink, path); }
int rmdir(const char *path) { return remove_with(SYS_rmdir, path); }

int mkdir(const char *path, mode_t mode) {
  if (!is_ours(path)) return (int)syscall(SYS_mkdir, path, mode);
  pthread_mutex_lock(&lock);
  int result = fails() ? -1 : (int)syscall(SYS_mkdir, path, mode);
  if (!result) note(MKDIR, path, 0, "", 0);
  pthread_mutex_unlock(&lock);
  return result;
}
