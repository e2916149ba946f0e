/* Entries of folders: their status, removing, renaming, listing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io/windows/system.h"

enum { TICKS = 10000000 }; /* of 100 ns in a second */
static const LONGLONG UNIX_START = 11644473600LL * TICKS;

struct timespec zn_win32_moment(LONGLONG count) {
    const LONGLONG since = count - UNIX_START;
    LONGLONG seconds = since / TICKS, rest = since % TICKS;
    if (rest < 0) rest += TICKS, seconds--;
    return (struct timespec){.tv_sec = seconds, .tv_nsec = (long)rest * 100};
}

LONGLONG zn_win32_count(const struct timespec *moment) {
    return moment->tv_sec * (LONGLONG)TICKS + moment->tv_nsec / 100 + UNIX_START;
}

static mode_t mode_of(HANDLE h, DWORD attributes) {
    FILE_ATTRIBUTE_TAG_INFO tag;
    const mode_t mode = attributes & FILE_ATTRIBUTE_READONLY && !(attributes & FILE_ATTRIBUTE_DIRECTORY) ? 0444 : 0666;
    const bool is_link = attributes & FILE_ATTRIBUTE_REPARSE_POINT &&
                         GetFileInformationByHandleEx(h, FileAttributeTagInfo, &tag, sizeof tag) &&
                         (tag.ReparseTag == IO_REPARSE_TAG_SYMLINK || tag.ReparseTag == IO_REPARSE_TAG_MOUNT_POINT);
    if (is_link) return S_IFLNK | 0777;
    return attributes & FILE_ATTRIBUTE_DIRECTORY ? S_IFDIR | 0777 : S_IFREG | mode;
}

/* Some volumes number files with 128 bits, of which NTFS uses 64; older systems tell 64 only. */
static bool identify(HANDLE h, struct stat *st) {
    FILE_ID_INFO id;
    BY_HANDLE_FILE_INFORMATION is;
    ULONGLONG half[2];
    if (GetFileInformationByHandleEx(h, FileIdInfo, &id, sizeof id)) {
        memcpy(half, &id.FileId, sizeof half);
        st->st_dev = id.VolumeSerialNumber;
        st->st_ino = half[0] ^ half[1];
        return true;
    }
    if (!GetFileInformationByHandle(h, &is)) return false;
    st->st_dev = is.dwVolumeSerialNumber;
    st->st_ino = (ULONGLONG)is.nFileIndexHigh << 32 | is.nFileIndexLow;
    return true;
}

static int status(HANDLE h, struct stat *st) {
    FILE_BASIC_INFO basic;
    FILE_STANDARD_INFO is;
    *st = (struct stat){.st_nlink = 1};
    const DWORD type = GetFileType(h);
    if (type == FILE_TYPE_CHAR || type == FILE_TYPE_PIPE) {
        st->st_mode = (type == FILE_TYPE_CHAR ? S_IFCHR : S_IFIFO) | 0666;
        return 0;
    }
    if (!GetFileInformationByHandleEx(h, FileBasicInfo, &basic, sizeof basic) ||
        !GetFileInformationByHandleEx(h, FileStandardInfo, &is, sizeof is) || !identify(h, st))
        return zn_win32_fail();
    st->st_mode = mode_of(h, basic.FileAttributes);
    st->st_nlink = is.NumberOfLinks;
    st->st_size = is.EndOfFile.QuadPart;
    st->st_atim = zn_win32_moment(basic.LastAccessTime.QuadPart);
    st->st_mtim = zn_win32_moment(basic.LastWriteTime.QuadPart);
    st->st_ctim = zn_win32_moment(basic.ChangeTime.QuadPart);
    return 0;
}

static int status_and_close(HANDLE h, struct stat *st) {
    if (h == INVALID_HANDLE_VALUE) return -1;
    const int done = status(h, st), error = errno;
    CloseHandle(h);
    errno = error;
    return done;
}

static HANDLE reach_path(const char *path, DWORD rights, DWORD flags) {
    wchar_t *name = zn_win32_name(path);
    if (!name) return INVALID_HANDLE_VALUE;
    HANDLE h = zn_win32_reach(name, rights, OPEN_EXISTING, flags);
    if (h == INVALID_HANDLE_VALUE) zn_win32_fail();
    free(name);
    return h;
}

int fstat(int fd, struct stat *st) {
    const HANDLE h = zn_win32_handle(fd);
    return h == INVALID_HANDLE_VALUE ? -1 : status(h, st);
}

/* Of "NAME/", the folder is meant. */
static int status_at(const char *path, struct stat *st, bool follow) {
    const size_t len = strlen(path);
    const DWORD flags = follow ? 0 : FILE_FLAG_OPEN_REPARSE_POINT;
    if (status_and_close(reach_path(path, FILE_READ_ATTRIBUTES, flags), st) != 0) return -1;
    const bool slash = len && (path[len - 1] == '/' || path[len - 1] == '\\');
    return slash && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode) ? zn_win32_fail_with(ENOTDIR) : 0;
}

int stat(const char *path, struct stat *st) {
    return status_at(path, st, true);
}

int lstat(const char *path, struct stat *st) {
    return status_at(path, st, false);
}

int fstatat(int folder, const char *name, struct stat *st, int flags) {
    const ULONG options = flags & AT_SYMLINK_NOFOLLOW ? FILE_OPEN_REPARSE_POINT : 0;
    return status_and_close(zn_win32_reach_in(folder, name, 0, ZN_WIN32_SHARE_ALL, FILE_OPEN, options), st);
}

int fstatvfs(int fd, struct statvfs *fs) {
    FILE_FS_SIZE_INFORMATION is; /* as far as this user may fill it */
    IO_STATUS_BLOCK io;
    const HANDLE h = zn_win32_handle(fd);
    if (h == INVALID_HANDLE_VALUE) return -1;
    const NTSTATUS st = NtQueryVolumeInformationFile(h, &io, &is, sizeof is, FileFsSizeInformation);
    if (!NT_SUCCESS(st)) return zn_win32_fail_status(st);
    *fs = (struct statvfs){.f_frsize = is.SectorsPerAllocationUnit * is.BytesPerSector,
                           .f_bavail = (ULONGLONG)is.AvailableAllocationUnits.QuadPart};
    return 0;
}

/* Changes what is not 0 in `basic`. */
static int set_basic(int fd, FILE_BASIC_INFO *basic) {
    const HANDLE h = zn_win32_handle(fd);
    if (h == INVALID_HANDLE_VALUE) return -1;
    return SetFileInformationByHandle(h, FileBasicInfo, basic, sizeof *basic) ? 0 : zn_win32_fail();
}

int fchmod(int fd, mode_t mode) {
    FILE_BASIC_INFO basic = {.FileAttributes = mode & 0222 ? FILE_ATTRIBUTE_NORMAL : FILE_ATTRIBUTE_READONLY};
    return set_basic(fd, &basic);
}

int futimens(int fd, const struct timespec times[2]) {
    FILE_BASIC_INFO basic = {.LastAccessTime.QuadPart = zn_win32_count(&times[0]),
                             .LastWriteTime.QuadPart = zn_win32_count(&times[1])};
    return set_basic(fd, &basic);
}

int fchown(int fd, uid_t owner, gid_t group) {
    (void)fd, (void)owner, (void)group;
    return 0;
}

int access(const char *path, int how) {
    struct stat st;
    if (stat(path, &st) != 0) return -1;
    return how & W_OK && !(st.st_mode & S_IWUSR) ? zn_win32_fail_with(EACCES) : 0;
}

/* As with POSIX, the name is gone at once where the system can do that; otherwise when the last who has the file open
 * closes it. */
static int remove_and_close(HANDLE h) {
    DWORD at_once = 0x1 /* delete */ | 0x2 /* POSIX semantics */;
    FILE_DISPOSITION_INFO late = {TRUE};
    if (h == INVALID_HANDLE_VALUE) return -1;
    const bool done = SetFileInformationByHandle(h, (FILE_INFO_BY_HANDLE_CLASS)21 /* FileDispositionInfoEx */, &at_once,
                                                 sizeof at_once) ||
                      SetFileInformationByHandle(h, FileDispositionInfo, &late, sizeof late);
    if (!done) zn_win32_fail();
    const int error = errno;
    CloseHandle(h);
    errno = error;
    return done ? 0 : -1;
}

int unlink(const char *path) {
    return remove_and_close(reach_path(path, DELETE, FILE_FLAG_OPEN_REPARSE_POINT));
}

int unlinkat(int folder, const char *name, int flags) {
    (void)flags;
    return remove_and_close(zn_win32_reach_in(folder, name, DELETE, ZN_WIN32_SHARE_ALL, FILE_OPEN,
                                              FILE_OPEN_REPARSE_POINT | FILE_NON_DIRECTORY_FILE));
}

int rmdir(const char *path) {
    wchar_t *name = zn_win32_name(path);
    if (!name) return -1;
    const bool done = RemoveDirectoryW(name);
    if (!done) zn_win32_fail();
    free(name);
    return done ? 0 : -1;
}

int mkdir(const char *path, mode_t mode) {
    wchar_t *name = zn_win32_name(path);
    (void)mode;
    if (!name) return -1;
    const bool done = CreateDirectoryW(name, NULL);
    if (!done) zn_win32_fail();
    free(name);
    return done ? 0 : -1;
}

/* Renames an open file. As with POSIX, a file that somebody has open is replaced, too, where the system can do that. */
static NTSTATUS rename_open(HANDLE h, HANDLE folder, const wchar_t *as, bool replace) {
    enum { RENAME = 10, RENAME_EX = 65, REPLACE = 1, POSIX_SEMANTICS = 2 };
    const size_t len = wcslen(as) * sizeof *as, room = sizeof(FILE_RENAME_INFORMATION) + len;
    FILE_RENAME_INFORMATION *how = calloc(1, room);
    if (!how) return (NTSTATUS)STATUS_NO_MEMORY;
    IO_STATUS_BLOCK io;
    const ULONG flags = replace ? REPLACE | POSIX_SEMANTICS : 0;
    memcpy(how, &flags, sizeof flags); /* where ReplaceIfExists stands otherwise */
    how->RootDirectory = folder;
    how->FileNameLength = (ULONG)len;
    memcpy(how->FileName, as, len);
    NTSTATUS st = replace ? NtSetInformationFile(h, &io, how, (ULONG)room, (FILE_INFORMATION_CLASS)RENAME_EX) : 0;
    if (!replace || !NT_SUCCESS(st)) {
        memset(how, 0, sizeof flags);
        how->ReplaceIfExists = replace;
        st = NtSetInformationFile(h, &io, how, (ULONG)room, (FILE_INFORMATION_CLASS)RENAME);
    }
    free(how);
    return st;
}

/* The new name is on the device when this returns. */
static int rename_in(int from, const char *name, int to, const char *as, bool replace) {
    const HANDLE folder = zn_win32_handle(to);
    wchar_t *wide = folder == INVALID_HANDLE_VALUE ? NULL : zn_win32_wide(as);
    if (!wide) return -1;
    HANDLE h = zn_win32_reach_in(from, name, DELETE, ZN_WIN32_SHARE_ALL, FILE_OPEN,
                                 FILE_OPEN_REPARSE_POINT | FILE_WRITE_THROUGH);
    const NTSTATUS st = h == INVALID_HANDLE_VALUE ? 0 : rename_open(h, folder, wide, replace);
    if (!NT_SUCCESS(st)) zn_win32_fail_status(st);
    const int error = errno;
    if (h != INVALID_HANDLE_VALUE) CloseHandle(h);
    free(wide);
    errno = error;
    return h != INVALID_HANDLE_VALUE && NT_SUCCESS(st) ? 0 : -1;
}

int renameat(int from, const char *name, int to, const char *as) {
    return rename_in(from, name, to, as, true);
}

int renameatx_np(int from, const char *name, int to, const char *as, unsigned flags) {
    return rename_in(from, name, to, as, !(flags & RENAME_EXCL));
}

int linkat(int from, const char *name, int to, const char *as, int flags) {
    (void)from, (void)name, (void)to, (void)as, (void)flags;
    return zn_win32_fail_with(ENOTSUP);
}

struct zn_win32_folder {
    HANDLE find;
    WIN32_FIND_DATAW next;
    bool has_next;
    int error; /* why there is no next one; 0: it was the last */
    struct dirent entry;
};

DIR *opendir(const char *path) {
    const size_t len = strlen(path);
    char *all = malloc(len + 3);
    DIR *folder = malloc(sizeof *folder);
    wchar_t *name = NULL;
    if (all && folder) {
        memcpy(all, path, len);
        memcpy(all + len, "/*", 3);
        name = zn_win32_name(all);
        folder->find = name ? FindFirstFileW(name, &folder->next) : INVALID_HANDLE_VALUE;
        folder->has_next = true;
        folder->error = 0;
        if (name && folder->find == INVALID_HANDLE_VALUE) zn_win32_fail();
    }
    const int error = errno;
    const bool opened = all && folder && folder->find != INVALID_HANDLE_VALUE;
    free(name);
    free(all);
    if (!opened) free(folder);
    errno = error;
    return opened ? folder : NULL;
}

struct dirent *readdir(DIR *folder) {
    if (!folder->has_next) {
        if (folder->error) errno = folder->error;
        return NULL;
    }
    char *name = zn_win32_text(folder->next.cFileName);
    if (!name) return NULL;
    memcpy(folder->entry.d_name, name, strlen(name) + 1); /* 260 characters of UTF-16: at most 3 bytes each */
    free(name);
    folder->has_next = FindNextFileW(folder->find, &folder->next);
    if (!folder->has_next && GetLastError() != ERROR_NO_MORE_FILES) {
        zn_win32_fail();
        folder->error = errno;
    }
    return &folder->entry;
}

int closedir(DIR *folder) {
    const bool done = FindClose(folder->find);
    free(folder);
    return done ? 0 : zn_win32_fail();
}
