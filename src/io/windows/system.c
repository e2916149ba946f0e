/* Names and errors between UTF-8 with errno, and UTF-16 with error codes; descriptors and what they stand for. */
#include "io/windows/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

int zn_win32_fail_with(int error) {
    errno = error;
    return -1;
}

static int errno_of(DWORD code) {
    static const struct {
        DWORD code;
        int error;
    } known[] = {
        {ERROR_FILE_NOT_FOUND, ENOENT},
        {ERROR_PATH_NOT_FOUND, ENOENT},
        {ERROR_BAD_NETPATH, ENOENT},
        {ERROR_BAD_NET_NAME, ENOENT},
        {ERROR_INVALID_DRIVE, ENOENT},
        {ERROR_INVALID_NAME, ENOENT},
        {ERROR_BAD_PATHNAME, ENOENT},
        {ERROR_DIRECTORY, ENOTDIR},
        {ERROR_ACCESS_DENIED, EACCES},
        {ERROR_SHARING_VIOLATION, EACCES},
        {ERROR_LOCK_VIOLATION, EACCES},
        {ERROR_DELETE_PENDING, EACCES},
        {ERROR_USER_MAPPED_FILE, EACCES},
        {ERROR_PRIVILEGE_NOT_HELD, EPERM},
        {ERROR_FILE_EXISTS, EEXIST},
        {ERROR_ALREADY_EXISTS, EEXIST},
        {ERROR_DIR_NOT_EMPTY, ENOTEMPTY},
        {ERROR_DISK_FULL, ENOSPC},
        {ERROR_HANDLE_DISK_FULL, ENOSPC},
        {ERROR_FILE_TOO_LARGE, EFBIG},
        {ERROR_BROKEN_PIPE, EPIPE},
        {ERROR_NO_DATA, EPIPE},
        {ERROR_PIPE_NOT_CONNECTED, EPIPE},
        {ERROR_INVALID_HANDLE, EBADF},
        {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
        {ERROR_OUTOFMEMORY, ENOMEM},
        {ERROR_COMMITMENT_LIMIT, ENOMEM},
        {ERROR_TOO_MANY_OPEN_FILES, EMFILE},
        {ERROR_NOT_SUPPORTED, ENOTSUP},
        {ERROR_INVALID_FUNCTION, ENOTSUP},
        {ERROR_CALL_NOT_IMPLEMENTED, ENOTSUP},
        {ERROR_WRITE_PROTECT, EROFS},
        {ERROR_NOT_SAME_DEVICE, EXDEV},
        {ERROR_INVALID_PARAMETER, EINVAL},
        {ERROR_NEGATIVE_SEEK, EINVAL},
        {ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG},
        {ERROR_CANT_RESOLVE_FILENAME, ELOOP},
        {ERROR_NO_UNICODE_TRANSLATION, EILSEQ},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].code == code) return known[i].error;
    return EIO;
}

int zn_win32_fail(void) {
    return zn_win32_fail_with(errno_of(GetLastError()));
}

HANDLE zn_win32_handle(int fd) {
    const intptr_t known = fd >= 0 ? _get_osfhandle(fd) : -1;
    if (known != -1 && known != -2) return (HANDLE)known; /* -2: a standard stream that nobody opened */
    errno = EBADF;
    return INVALID_HANDLE_VALUE;
}

int zn_win32_fd(HANDLE handle, bool write_only) {
    const int fd = _open_osfhandle((intptr_t)handle, _O_BINARY | _O_NOINHERIT | (write_only ? _O_WRONLY : 0));
    if (fd < 0) CloseHandle(handle);
    return fd;
}

HANDLE zn_win32_reach(const wchar_t *name, DWORD rights, DWORD how, DWORD flags) {
    return CreateFileW(name, rights, ZN_WIN32_SHARE_ALL, NULL, how,
                       FILE_ATTRIBUTE_NORMAL | FILE_FLAG_BACKUP_SEMANTICS | flags, NULL);
}

int fcntl(int fd, int operation, ...) {
    const HANDLE h = zn_win32_handle(fd), self = GetCurrentProcess();
    HANDLE again;
    if (h == INVALID_HANDLE_VALUE) return -1;
    if (operation == F_GETFD) return 0;
    if (operation != F_DUPFD_CLOEXEC) return zn_win32_fail_with(EINVAL);
    if (!DuplicateHandle(self, h, self, &again, 0, FALSE, DUPLICATE_SAME_ACCESS)) return zn_win32_fail();
    return zn_win32_fd(again, false);
}

wchar_t *zn_win32_wide(const char *text) {
    const int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide = n > 0 ? malloc((size_t)n * sizeof *wide) : NULL;
    if (n <= 0) zn_win32_fail_with(EILSEQ);
    if (wide) (void)MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, n);
    return wide;
}

char *zn_win32_text(const wchar_t *name) {
    const int n = WideCharToMultiByte(CP_UTF8, 0, name, -1, NULL, 0, NULL, NULL);
    char *text = n > 0 ? malloc((size_t)n) : NULL;
    if (n <= 0) zn_win32_fail();
    if (!text) return NULL;
    (void)WideCharToMultiByte(CP_UTF8, 0, name, -1, text, n, NULL, NULL);
    for (char *at = text; *at; at++)
        if (*at == '\\') *at = '/';
    return text;
}

static bool starts_with(const wchar_t *text, const wchar_t *with) {
    return wcsncmp(text, with, wcslen(with)) == 0;
}

/* Makes a name whole and gives it the prefix by which Windows takes it as it stands, at any length: \\?\C:\..., and
 * \\?\UNC\server\... for \\server\... What starts with \\.\ or \\?\ is left alone. */
static wchar_t *whole(const wchar_t *name) {
    static const wchar_t local[] = L"\\\\?\\", remote[] = L"\\\\?\\UNC";
    const wchar_t root[] = {name[0], L':', L'\\', L'\0'};
    if (name[0] && name[1] == L':' && !name[2]) name = root; /* the folder of C:/x, whose name was cut at the / */
    const DWORD n = GetFullPathNameW(name, 0, NULL, NULL);
    const size_t room = sizeof remote / sizeof *remote;
    wchar_t *full = n ? malloc((room + n) * sizeof *full) : NULL, *at = full + room;
    if (!n) zn_win32_fail();
    if (!full) return NULL;
    if (GetFullPathNameW(name, n, at, NULL) >= n) { /* the present folder changed meanwhile */
        free(full);
        zn_win32_fail_with(ENOENT);
        return NULL;
    }
    const wchar_t *prefix = L"";
    if (starts_with(at, L"\\\\") && !starts_with(at, L"\\\\.\\") && !starts_with(at, local)) {
        prefix = remote;
        at++; /* of the two \ one is kept */
    } else if (!starts_with(at, L"\\\\")) {
        prefix = local;
    }
    const size_t len = wcslen(prefix), rest = wcslen(at) + 1;
    memmove(full + len, at, rest * sizeof *full);
    memcpy(full, prefix, len * sizeof *full);
    return full;
}

wchar_t *zn_win32_name(const char *path) {
    if (!*path) {
        zn_win32_fail_with(ENOENT);
        return NULL;
    }
    wchar_t *wide = zn_win32_wide(strcmp(path, "/dev/null") == 0 ? "NUL" : path);
    wchar_t *name = wide ? whole(wide) : NULL;
    free(wide);
    return name;
}

int zn_win32_fail_status(NTSTATUS status) {
    SetLastError(RtlNtStatusToDosError(status));
    return zn_win32_fail();
}

/* Returns whether most programs could not use a file of that name: the end would be cut off, or it is a device, or a
 * stream of another file. */
static bool is_odd(const wchar_t *name) {
    static const wchar_t *const devices[] = {L"CON", L"PRN", L"AUX", L"NUL", L"COM", L"LPT"};
    const size_t len = wcslen(name), stem = wcscspn(name, L".");
    if (wcscmp(name, L"") == 0) return false;
    if (name[len - 1] == L'.' || name[len - 1] == L' ' || wcschr(name, L':')) return true;
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
        if (stem == (i < 4 ? 3U : 4U) && _wcsnicmp(name, devices[i], 3) == 0 && (i < 4 || iswdigit(name[3])))
            return true;
    return false;
}

HANDLE zn_win32_reach_in(int folder, const char *name, DWORD rights, DWORD share, ULONG how, ULONG options) {
    const HANDLE root = zn_win32_handle(folder);
    HANDLE h = INVALID_HANDLE_VALUE;
    wchar_t *wide = root == INVALID_HANDLE_VALUE ? NULL : zn_win32_wide(strcmp(name, ".") == 0 ? "" : name);
    if (!wide) return INVALID_HANDLE_VALUE;
    UNICODE_STRING text;
    OBJECT_ATTRIBUTES what;
    IO_STATUS_BLOCK io;
    RtlInitUnicodeString(&text, wide);
    InitializeObjectAttributes(&what, &text, OBJ_CASE_INSENSITIVE, root, NULL);
    const ULONG all = options | FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_FOR_BACKUP_INTENT;
    const NTSTATUS st = is_odd(wide) ? (NTSTATUS)STATUS_INVALID_PARAMETER
                                     : NtCreateFile(&h, rights | SYNCHRONIZE | FILE_READ_ATTRIBUTES, &what, &io, NULL,
                                                    FILE_ATTRIBUTE_NORMAL, share, how, all, NULL, 0);
    free(wide);
    if (NT_SUCCESS(st)) return h;
    zn_win32_fail_status(st);
    return INVALID_HANDLE_VALUE;
}
