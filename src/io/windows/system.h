/* What the files of this room share: names and errors as Windows has them. */
#ifndef ZN_IO_WINDOWS_SYSTEM_H
#define ZN_IO_WINDOWS_SYSTEM_H

#include <stdbool.h>
#include <sys/types.h>
#include <wchar.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>
/* after it */
#include <bcrypt.h>
#include <winioctl.h>
#include <winternl.h>

/* Of the C library's <io.h>, whose other names are those of POSIX with other types. */
intptr_t _get_osfhandle(int fd);
int _open_osfhandle(intptr_t handle, int flags);
int _close(int fd);
int _dup2(int from, int to);
int _setmode(int fd, int mode);
#define _O_WRONLY 0x0001
#define _O_NOINHERIT 0x0080
#define _O_BINARY 0x8000

#define ZN_WIN32_SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/* Sets errno to what GetLastError says, or to the number given. Returns -1. */
int zn_win32_fail(void);
int zn_win32_fail_with(int error);

/* Returns a name for the calls of Windows: whole, so that it may be of any length, and in UTF-16. The caller frees it.
 * NULL, with errno, if it is no name. */
wchar_t *zn_win32_name(const char *path);

/* Returns a text in UTF-8, with / for \ , which the caller frees; NULL, with errno, if memory ran out. */
char *zn_win32_text(const wchar_t *name);

/* Returns what a descriptor stands for, or INVALID_HANDLE_VALUE with errno. */
HANDLE zn_win32_handle(int fd);

/* Gives a handle a descriptor. If there is none left, the handle is closed. */
int zn_win32_fd(HANDLE handle, bool write_only);

/* Opens a file or folder. INVALID_HANDLE_VALUE: GetLastError says why not. Others may do all with it meanwhile. */
HANDLE zn_win32_reach(const wchar_t *name, DWORD rights, DWORD how, DWORD flags);

/* The same for what a folder holds, which stays that folder when it is renamed; "" or "." for the folder itself. `share`:
 * what others may do with it meanwhile. The name is one that all programs can use, else errno is EINVAL. On failure
 * errno says why. */
HANDLE zn_win32_reach_in(int folder, const char *name, DWORD rights, DWORD share, ULONG how, ULONG options);

/* Returns UTF-16, which the caller frees; NULL, with errno, if the text is no UTF-8. */
wchar_t *zn_win32_wide(const char *text);

/* Sets errno to what a status of the system's own calls says. Returns -1. */
int zn_win32_fail_status(NTSTATUS status);

/* Returns the moment in the 100 ns since 1601 that Windows counts in, and back. */
struct timespec zn_win32_moment(LONGLONG count);
LONGLONG zn_win32_count(const struct timespec *moment);

#endif
