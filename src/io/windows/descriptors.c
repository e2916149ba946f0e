/* Descriptors: opening, reading, writing. They are those of the C library, so that 0, 1 and 2 are what they are
 * elsewhere, but its translation of line ends is passed by. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "io/windows/system.h"

enum { MOST = 1 << 30 }; /* bytes of one call */

/* Zeros that are left out of a new file then take no room. Where the system refuses, they take some. */
static void leave_holes_out(HANDLE h) {
    DWORD none;
    (void)DeviceIoControl(h, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &none, NULL);
}

static DWORD attributes(HANDLE h) {
    FILE_BASIC_INFO basic;
    return GetFileInformationByHandleEx(h, FileBasicInfo, &basic, sizeof basic) ? basic.FileAttributes : 0;
}

/* Returns 0, or why the flags do not allow what was opened. */
static int refused(HANDLE h, int flags) {
    const DWORD is = flags & (O_DIRECTORY | O_NOFOLLOW) ? attributes(h) : 0;
    if (flags & O_NOFOLLOW && is & FILE_ATTRIBUTE_REPARSE_POINT) return ELOOP;
    return flags & O_DIRECTORY && !(is & FILE_ATTRIBUTE_DIRECTORY) ? ENOTDIR : 0;
}

/* Gives what was opened a descriptor, if the flags allow it. */
static int describe(HANDLE h, int flags) {
    const int error = refused(h, flags);
    if (error) {
        CloseHandle(h);
        return zn_win32_fail_with(error);
    }
    if (flags & O_EXCL) leave_holes_out(h);
    return zn_win32_fd(h, (flags & 3) == O_WRONLY);
}

/* Who may append and not write writes at the end always. */
static DWORD rights_of(int flags) {
    const DWORD writes = flags & O_APPEND ? FILE_APPEND_DATA | FILE_WRITE_ATTRIBUTES | SYNCHRONIZE : GENERIC_WRITE;
    const int how = flags & (O_WRONLY | O_RDWR);
    return (how == O_WRONLY ? 0U : GENERIC_READ) | (how ? writes : 0U);
}

int open(const char *path, int flags, ...) {
    const DWORD made = flags & O_EXCL ? CREATE_NEW : flags & O_TRUNC ? CREATE_ALWAYS : OPEN_ALWAYS;
    const DWORD found = flags & O_TRUNC ? TRUNCATE_EXISTING : OPEN_EXISTING;
    wchar_t *name = zn_win32_name(path);
    if (!name) return -1;
    HANDLE h = zn_win32_reach(name, rights_of(flags), flags & O_CREAT ? made : found,
                              flags & O_NOFOLLOW ? FILE_FLAG_OPEN_REPARSE_POINT : 0);
    if (h == INVALID_HANDLE_VALUE) zn_win32_fail();
    free(name);
    return h == INVALID_HANDLE_VALUE ? -1 : describe(h, flags);
}

int openat(int folder, const char *name, int flags, ...) {
    const ULONG made = flags & O_EXCL ? FILE_CREATE : flags & O_TRUNC ? FILE_OVERWRITE_IF : FILE_OPEN_IF;
    const ULONG found = flags & O_TRUNC ? FILE_OVERWRITE : FILE_OPEN;
    HANDLE h = zn_win32_reach_in(folder, name, rights_of(flags), ZN_WIN32_SHARE_ALL, flags & O_CREAT ? made : found,
                                 flags & O_NOFOLLOW ? FILE_OPEN_REPARSE_POINT : 0);
    return h == INVALID_HANDLE_VALUE ? -1 : describe(h, flags);
}

int close(int fd) {
    return fd < 0 ? zn_win32_fail_with(EBADF) : _close(fd);
}

static ssize_t read_from(int fd, void *to, size_t len, OVERLAPPED *place) {
    const HANDLE h = zn_win32_handle(fd);
    DWORD n = 0;
    if (h == INVALID_HANDLE_VALUE) return -1;
    if (ReadFile(h, to, (DWORD)(len < MOST ? len : MOST), &n, place)) return (ssize_t)n;
    const DWORD code = GetLastError();
    if (code == ERROR_BROKEN_PIPE || code == ERROR_HANDLE_EOF) return 0;
    if (code == ERROR_INVALID_FUNCTION) return zn_win32_fail_with(EISDIR);
    return zn_win32_fail();
}

static ssize_t write_to(int fd, const void *from, size_t len, OVERLAPPED *place) {
    const HANDLE h = zn_win32_handle(fd);
    DWORD n = 0;
    if (h == INVALID_HANDLE_VALUE) return -1;
    if (!WriteFile(h, from, (DWORD)(len < MOST ? len : MOST), &n, place)) return zn_win32_fail();
    return n || !len ? (ssize_t)n : zn_win32_fail_with(ENOSPC);
}

static OVERLAPPED place_at(off_t off) {
    return (OVERLAPPED){.Offset = (DWORD)off, .OffsetHigh = (DWORD)((unsigned long long)off >> 32)};
}

ssize_t read(int fd, void *to, size_t len) {
    return read_from(fd, to, len, NULL);
}

ssize_t write(int fd, const void *from, size_t len) {
    return write_to(fd, from, len, NULL);
}

ssize_t pread(int fd, void *to, size_t len, off_t off) {
    OVERLAPPED place = place_at(off);
    return read_from(fd, to, len, &place);
}

ssize_t pwrite(int fd, const void *from, size_t len, off_t off) {
    OVERLAPPED place = place_at(off);
    return write_to(fd, from, len, &place);
}

off_t lseek(int fd, off_t by, int whence) {
    const HANDLE h = zn_win32_handle(fd);
    LARGE_INTEGER at;
    if (h == INVALID_HANDLE_VALUE) return -1;
    if (GetFileType(h) != FILE_TYPE_DISK) return zn_win32_fail_with(ESPIPE);
    if (!SetFilePointerEx(h, (LARGE_INTEGER){.QuadPart = by}, &at, (DWORD)whence)) return zn_win32_fail();
    return at.QuadPart;
}

int ftruncate(int fd, off_t len) {
    const HANDLE h = zn_win32_handle(fd);
    FILE_END_OF_FILE_INFO end = {.EndOfFile.QuadPart = len};
    if (h == INVALID_HANDLE_VALUE) return -1;
    return SetFileInformationByHandle(h, FileEndOfFileInfo, &end, sizeof end) ? 0 : zn_win32_fail();
}

int fsync(int fd) {
    const HANDLE h = zn_win32_handle(fd);
    if (h == INVALID_HANDLE_VALUE) return -1;
    if (GetFileType(h) != FILE_TYPE_DISK) return zn_win32_fail_with(EINVAL);
    if (attributes(h) & FILE_ATTRIBUTE_DIRECTORY) return 0;
    if (FlushFileBuffers(h)) return 0;
    return GetLastError() == ERROR_ACCESS_DENIED ? zn_win32_fail_with(EINVAL) : zn_win32_fail(); /* opened to read */
}

int isatty(int fd) {
    DWORD mode;
    const HANDLE h = zn_win32_handle(fd);
    return h != INVALID_HANDLE_VALUE && GetConsoleMode(h, &mode);
}

/* Locks a byte that no file has, so that others read and write the file all the same. */
static bool lock_file(HANDLE h, bool alone) {
    OVERLAPPED place = {.OffsetHigh = 0x40000000};
    const DWORD how = LOCKFILE_FAIL_IMMEDIATELY | (alone ? LOCKFILE_EXCLUSIVE_LOCK : 0U);
    const bool locked = LockFileEx(h, how, 0, 1, 0, &place);
    if (!locked && GetLastError() == ERROR_LOCK_VIOLATION) SetLastError(ERROR_SHARING_VIOLATION);
    return locked;
}

/* A folder is opened once more, in a way that excludes others who open it so: to hold it alone, for adding files
 * without sharing that; to hold it with others, sharing it. Nobody else opens folders for adding files. */
static bool lock_folder(int fd, bool alone) {
    const DWORD share = FILE_SHARE_READ | FILE_SHARE_DELETE | (alone ? 0U : FILE_SHARE_WRITE);
    HANDLE h = zn_win32_reach_in(fd, "", FILE_LIST_DIRECTORY | FILE_ADD_FILE, share, FILE_OPEN, FILE_DIRECTORY_FILE);
    const int other = h == INVALID_HANDLE_VALUE ? -1 : zn_win32_fd(h, false);
    if (other < 0) return false;
    const bool done = _dup2(other, fd) == 0;
    _close(other);
    return done;
}

int flock(int fd, int operation) {
    enum { MILLISECONDS = 20 };
    const HANDLE h = zn_win32_handle(fd);
    const bool alone = operation & LOCK_EX, is_folder = attributes(h) & FILE_ATTRIBUTE_DIRECTORY;
    if (h == INVALID_HANDLE_VALUE) return -1;
    while (is_folder ? !lock_folder(fd, alone) : !lock_file(h, alone)) {
        if (GetLastError() != ERROR_SHARING_VIOLATION) return zn_win32_fail();
        if (operation & LOCK_NB) return zn_win32_fail_with(EWOULDBLOCK);
        Sleep(MILLISECONDS);
    }
    return 0;
}
