/* A disk that fails: preloaded with LD_PRELOAD, it counts the file operations beneath one folder and spoils one of them.

   The operations are open (for writing), write, fsync, rename, unlink, mkdir, truncate and close. Reading never fails.
   failing_disk.py says what each action does; the numbers must be the same there. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FAIL, FULL, HALF, KILL_BEFORE, KILL_HALF, KILL_AFTER };
enum { PROCEED, SPOIL, HALVE, DIE_HALFWAY, DIE_AFTER };

static char folder[PATH_MAX];
static size_t length;
static long at, seen;
static int action, number;

void failing_disk_arm(const char *where, long operation, int what, int error) {
    strncpy(folder, where, sizeof folder - 1);
    length = strlen(folder), at = operation, seen = 0, action = what, number = error;
}

long failing_disk_disarm(void) {
    length = 0;
    return seen;
}

static int within(const char *path) { return length && path && strncmp(path, folder, length) == 0; }

static int file_within(int fd) {
    char link[64], path[PATH_MAX];
    if (!length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return within(path);
}

/* What is to happen to the next operation. `grows`: whether it needs room on the disk. */
static int fate(int grows) {
    long now = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    if (action == FULL && now >= at && grows) { errno = ENOSPC; return SPOIL; }
    if (now != at) return PROCEED;
    switch (action) {
    case FAIL: errno = number; return SPOIL;
    case HALF: return HALVE;
    case KILL_BEFORE: kill(getpid(), SIGKILL); return PROCEED;
    case KILL_HALF: return DIE_HALFWAY;
    case KILL_AFTER: return DIE_AFTER;
    }
    return PROCEED;
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define GUARDED(inside, grows, call) \
    int what = (inside) ? fate(grows) : PROCEED; \
    if (what == SPOIL) return -1; \
    int result = call; \
    if (what == DIE_AFTER || what == DIE_HALFWAY) kill(getpid(), SIGKILL); \
    return result

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, #name, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        GUARDED((flags & O_ACCMODE) != O_RDONLY && within(path), flags & O_CREAT, real(path, flags, mode)); \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(ssize_t, "write", int, const void *, size_t);
    int what = file_within(fd) ? fate(1) : PROCEED;
    if (what == SPOIL) return -1;
    if ((what == HALVE || what == DIE_HALFWAY) && count > 1) count /= 2;
    ssize_t result = real(fd, bytes, count);
    if (what == DIE_AFTER || what == DIE_HALFWAY) kill(getpid(), SIGKILL);
    return result;
}

int close(int fd) {
    REAL(int, "close", int);
    int writable = length && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY && file_within(fd);
    int what = writable ? fate(0) : PROCEED, error = errno;
    int result = real(fd);
    if (what == DIE_AFTER || what == DIE_HALFWAY) kill(getpid(), SIGKILL);
    if (what == SPOIL) { errno = error; return -1; }
    return result;
}

int fsync(int fd) { REAL(int, "fsync", int); GUARDED(file_within(fd), 1, real(fd)); }
int fdatasync(int fd) { REAL(int, "fdatasync", int); GUARDED(file_within(fd), 1, real(fd)); }
int ftruncate(int fd, off_t size) { REAL(int, "ftruncate", int, off_t); GUARDED(file_within(fd), 0, real(fd, size)); }
int ftruncate64(int fd, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    GUARDED(file_within(fd), 0, real(fd, size));
}
int rename(const char *old, const char *new) {
    REAL(int, "rename", const char *, const char *);
    GUARDED(within(new), 0, real(old, new));
}
int unlink(const char *path) { REAL(int, "unlink", const char *); GUARDED(within(path), 0, real(path)); }
int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    GUARDED(within(path), 1, real(path, mode));
}
