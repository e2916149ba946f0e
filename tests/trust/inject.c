/* Preloaded under the command: lets one of its calls of the system fail, fall short, or end the process.
 *
 *   ZIPNN_INJECT_LOG=FILE   writes a line "NAME PATH" for each call; line n is call n
 *   ZIPNN_INJECT=N:WHAT     does WHAT at call N; "N+:WHAT" at that and all later calls of the same name
 *   ZIPNN_INJECT_NAMED=1    no file without a name can be had, as on file systems that lack them
 *
 * WHAT is the number of an error; "short", one byte of a transfer; "flip", one bit of it is another; "kill", SIGKILL
 * before the call; "tear", half of a transfer and then SIGKILL. Calls that the C library makes by itself, such as those
 * behind stdio, are not seen. */
#undef _FORTIFY_SOURCE /* it makes inline functions of those that are defined here */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The visible ones replace the C library's. */
#define SHOWN __attribute__((visibility("default")))

enum what { FAIL, SHORT, FLIP, KILL, TEAR };

static struct {
    unsigned long call; /* 0: none */
    bool sticky;
    enum what what;
    int error;
    const char *name; /* of the call that was hit first */
    atomic_ulong calls;
    int log;
    bool named;
} plan = {.log = -1};

__attribute__((constructor)) static void read_plan(void) {
    const char *log = getenv("ZIPNN_INJECT_LOG"), *text = getenv("ZIPNN_INJECT");
    if (log) plan.log = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    plan.named = getenv("ZIPNN_INJECT_NAMED") != NULL;
    if (!text) return;
    char *end;
    plan.call = strtoul(text, &end, 10);
    plan.sticky = *end == '+';
    text = end + (plan.sticky ? 2 : 1);
    plan.what = !strcmp(text, "flip")    ? FLIP
                : !strcmp(text, "short") ? SHORT
                : !strcmp(text, "kill")  ? KILL
                : !strcmp(text, "tear")  ? TEAR
                                         : FAIL;
    plan.error = plan.what == FAIL ? atoi(text) : 0;
}

static void die(void) {
    (void)syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void note(const char *name, const char *path) {
    char line[PATH_MAX + 64];
    int n = snprintf(line, sizeof line, "%s %s\n", name, path);
    if (n > 0 && (size_t)n < sizeof line) (void)!syscall(SYS_write, plan.log, line, (size_t)n);
}

/* Whether the call at hand is the one meant. */
static bool is_hit(const char *name, const char *path) {
    const unsigned long call = atomic_fetch_add(&plan.calls, 1) + 1;
    if (plan.log >= 0) note(name, path);
    if (call == plan.call) {
        plan.name = name;
        return true;
    }
    return plan.sticky && call > plan.call && plan.name && !strcmp(plan.name, name);
}

/* Whether the call is to fail instead, errno being set. */
static bool fails(const char *name, const char *path) {
    if (!is_hit(name, path)) return false;
    if (plan.what == KILL || plan.what == TEAR) die();
    errno = plan.error;
    return plan.what == FAIL;
}

static void *next(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) abort();
    return function;
}

/* `real` is the function of that name further on. */
#define REAL(name)          \
    __typeof__(name) *real; \
    *(void **)&real = next(#name)

/* ---- transfers */

static size_t less(size_t len) {
    return plan.what == FLIP ? len : plan.what == TEAR ? len / 2 : len > 0;
}

/* What was read, with a bit of it flipped. */
static ssize_t flipped(bool hit, void *buf, ssize_t n) {
    if (hit && plan.what == FLIP && n > 0) ((unsigned char *)buf)[n / 3] ^= 4;
    return n;
}

/* What is to be written, likewise; to be freed. */
static void *flipped_copy(bool hit, const void *buf, size_t len) {
    unsigned char *copy = hit && plan.what == FLIP && len ? malloc(len) : NULL;
    if (!copy) return NULL;
    memcpy(copy, buf, len);
    copy[len / 3] ^= 4;
    return copy;
}

SHOWN ssize_t read(int fd, void *buf, size_t len) {
    REAL(read);
    const bool hit = is_hit("read", "");
    if (hit && plan.what == KILL) die();
    if (!hit || plan.what != FAIL) return flipped(hit, buf, real(fd, buf, hit ? less(len) : len));
    errno = plan.error;
    return -1;
}

SHOWN ssize_t write(int fd, const void *buf, size_t len) {
    REAL(write);
    const bool hit = is_hit("write", "");
    if (hit && plan.what == KILL) die();
    if (hit && plan.what == FAIL) {
        errno = plan.error;
        return -1;
    }
    void *copy = flipped_copy(hit, buf, len);
    const ssize_t n = real(fd, copy ? copy : buf, hit ? less(len) : len);
    free(copy);
    if (hit && plan.what == TEAR) die();
    return n;
}

SHOWN ssize_t pread64(int fd, void *buf, size_t len, off64_t off) {
    REAL(pread64);
    const bool hit = is_hit("pread", "");
    if (hit && plan.what == KILL) die();
    if (!hit || plan.what != FAIL) return flipped(hit, buf, real(fd, buf, hit ? less(len) : len, off));
    errno = plan.error;
    return -1;
}

SHOWN ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t off) {
    REAL(pwrite64);
    const bool hit = is_hit("pwrite", "");
    if (hit && plan.what == KILL) die();
    if (hit && plan.what == FAIL) {
        errno = plan.error;
        return -1;
    }
    void *copy = flipped_copy(hit, buf, len);
    const ssize_t n = real(fd, copy ? copy : buf, hit ? less(len) : len, off);
    free(copy);
    if (hit && plan.what == TEAR) die();
    return n;
}

/* ---- opening and closing */

static mode_t mode_of(int flags, va_list args) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

SHOWN int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list args;
    va_start(args, flags);
    const mode_t mode = mode_of(flags, args);
    va_end(args);
    return fails("open", path) ? -1 : real(path, flags, mode);
}

SHOWN int open(const char *path, int flags, ...) {
    REAL(open);
    va_list args;
    va_start(args, flags);
    const mode_t mode = mode_of(flags, args);
    va_end(args);
    return fails("open", path) ? -1 : real(path, flags, mode);
}

SHOWN int openat64(int folder, const char *path, int flags, ...) {
    REAL(openat64);
    va_list args;
    va_start(args, flags);
    const mode_t mode = mode_of(flags, args);
    va_end(args);
    const bool nameless = (flags & O_TMPFILE) == O_TMPFILE;
    if (nameless && plan.named) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return fails(nameless ? "tmpfile" : "openat", path) ? -1 : real(folder, path, flags, mode);
}

SHOWN DIR *opendir(const char *path) {
    REAL(opendir);
    return fails("opendir", path) ? NULL : real(path);
}

/* As the system does it: closed in any case. */
SHOWN int close(int fd) {
    REAL(close);
    const bool failed = fails("close", "");
    const int error = errno, result = real(fd);
    if (!failed) return result;
    errno = error;
    return -1;
}

SHOWN void *mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t off) {
    REAL(mmap64);
    return fails("mmap", "") ? MAP_FAILED : real(at, len, prot, flags, fd, off);
}

/* ---- what is known of files */

SHOWN int fstat64(int fd, struct stat64 *st) {
    REAL(fstat64);
    return fails("fstat", "") ? -1 : real(fd, st);
}

SHOWN int stat64(const char *path, struct stat64 *st) {
    REAL(stat64);
    return fails("stat", path) ? -1 : real(path, st);
}

SHOWN int fstat(int fd, struct stat *st) {
    REAL(fstat);
    return fails("fstat", "") ? -1 : real(fd, st);
}

SHOWN int stat(const char *path, struct stat *st) {
    REAL(stat);
    return fails("stat", path) ? -1 : real(path, st);
}

SHOWN int fstatat64(int folder, const char *path, struct stat64 *st, int flags) {
    REAL(fstatat64);
    return fails("fstatat", path) ? -1 : real(folder, path, st, flags);
}

SHOWN int fchmod(int fd, mode_t mode) {
    REAL(fchmod);
    return fails("fchmod", "") ? -1 : real(fd, mode);
}

SHOWN int fchown(int fd, uid_t user, gid_t group) {
    REAL(fchown);
    return fails("fchown", "") ? -1 : real(fd, user, group);
}

SHOWN int futimens(int fd, const struct timespec times[2]) {
    REAL(futimens);
    return fails("futimens", "") ? -1 : real(fd, times);
}

/* ---- room, the device, names */

SHOWN int fallocate64(int fd, int mode, off64_t off, off64_t len) {
    REAL(fallocate64);
    return fails("fallocate", "") ? -1 : real(fd, mode, off, len);
}

SHOWN int ftruncate64(int fd, off64_t len) {
    REAL(ftruncate64);
    return fails("ftruncate", "") ? -1 : real(fd, len);
}

SHOWN int fsync(int fd) {
    struct stat64 st;
    REAL(fsync);
    const bool folder = syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0 && S_ISDIR(st.st_mode);
    return fails("fsync", folder ? "folder" : "file") ? -1 : real(fd);
}

SHOWN int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    REAL(renameat);
    return fails("rename", to) ? -1 : real(from_folder, from, to_folder, to);
}

SHOWN int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    REAL(renameat2);
    return fails("rename2", to) ? -1 : real(from_folder, from, to_folder, to, flags);
}

SHOWN int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    REAL(linkat);
    return fails("linkat", to) ? -1 : real(from_folder, from, to_folder, to, flags);
}

SHOWN int unlink(const char *path) {
    REAL(unlink);
    return fails("unlink", path) ? -1 : real(path);
}

SHOWN int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat);
    return fails("unlink", path) ? -1 : real(folder, path, flags);
}

SHOWN int flock(int fd, int operation) {
    REAL(flock);
    return fails("flock", "") ? -1 : real(fd, operation);
}

SHOWN int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg) {
    REAL(pthread_create);
    return fails("pthread_create", "") ? EAGAIN : real(thread, attributes, start, arg);
}
