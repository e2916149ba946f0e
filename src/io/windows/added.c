/* What the C library of POSIX adds to that of Windows. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/windows/system.h"

FILE *zn_win32_fopen(const char *path, const char *mode) {
    static const struct {
        const char *mode;
        int flags;
        const char *stream;
    } known[] = {{"r", O_RDONLY, "rb"},
                 {"rb", O_RDONLY, "rb"},
                 {"w", O_WRONLY | O_CREAT | O_TRUNC, "wb"},
                 {"wb", O_WRONLY | O_CREAT | O_TRUNC, "wb"}};
    char plain[4] = "";
    const size_t len = strcspn(mode, "e");
    memcpy(plain, mode, len < sizeof plain ? len : sizeof plain - 1);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(plain, known[i].mode) != 0) continue;
        const int fd = open(path, known[i].flags, 0666);
        FILE *stream = fd < 0 ? NULL : _fdopen(fd, known[i].stream);
        if (fd >= 0 && !stream) close(fd);
        return stream;
    }
    errno = EINVAL;
    return NULL;
}

/* Streams to memory are temporary files until they are closed. */
static struct memory_stream {
    FILE *stream;
    char **text;
    size_t *len;
} memory_streams[4];
static SRWLOCK memory_lock = SRWLOCK_INIT;

/* Returns the entry of a stream, NULL for a free one. */
static struct memory_stream *find_memory_stream(FILE *stream) {
    for (size_t i = 0; i < sizeof memory_streams / sizeof memory_streams[0]; i++)
        if (memory_streams[i].stream == stream) return &memory_streams[i];
    return NULL;
}

FILE *open_memstream(char **text, size_t *len) {
    FILE *stream = tmpfile();
    if (!stream) return NULL;
    AcquireSRWLockExclusive(&memory_lock);
    struct memory_stream *m = find_memory_stream(NULL);
    if (m) *m = (struct memory_stream){stream, text, len};
    ReleaseSRWLockExclusive(&memory_lock);
    if (m) return stream;
    (void)(fclose)(stream);
    errno = EMFILE;
    return NULL;
}

/* Stores what a stream holds. Returns false if memory or the file fails. */
static bool take_text(const struct memory_stream *m) {
    const long len = fflush(m->stream) == 0 && fseek(m->stream, 0, SEEK_END) == 0 ? ftell(m->stream) : -1;
    *m->text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (!*m->text) return false;
    rewind(m->stream);
    *m->len = fread(*m->text, 1, (size_t)len, m->stream);
    (*m->text)[*m->len] = '\0';
    return *m->len == (size_t)len;
}

int zn_win32_fclose(FILE *stream) {
    AcquireSRWLockExclusive(&memory_lock);
    struct memory_stream *slot = find_memory_stream(stream), m = {.stream = NULL};
    if (slot) {
        m = *slot;
        *slot = (struct memory_stream){.stream = NULL};
    }
    ReleaseSRWLockExclusive(&memory_lock);
    const bool taken = !m.stream || take_text(&m);
    return (fclose)(stream) == 0 && taken ? 0 : EOF;
}

/* Lines end at `end` only; the \r before it is what the text holds. */
ssize_t getdelim(char **line, size_t *cap, int end, FILE *in) {
    size_t n = 0;
    int c = 0;
    while (c != end && (c = getc(in)) != EOF) {
        if (n + 2 > *cap || !*line) {
            const size_t more = *line && *cap ? 2 * *cap : 128;
            char *grown = realloc(*line, more);
            if (!grown) return zn_win32_fail_with(ENOMEM);
            *line = grown;
            *cap = more;
        }
        (*line)[n++] = (char)c;
    }
    if (n == 0) return -1;
    (*line)[n] = '\0';
    return (ssize_t)n;
}

char *realpath(const char *path, char *to) {
    (void)to;
    const int fd = open(path, O_RDONLY);
    const HANDLE h = zn_win32_handle(fd);
    const DWORD n = h == INVALID_HANDLE_VALUE ? 0 : GetFinalPathNameByHandleW(h, NULL, 0, 0);
    wchar_t *name = n ? malloc((n + 1) * sizeof *name) : NULL;
    const bool known = name && GetFinalPathNameByHandleW(h, name, n + 1, 0) <= n;
    if (h != INVALID_HANDLE_VALUE && !known) zn_win32_fail();
    char *text = known ? zn_win32_text(name + (wcsncmp(name, L"\\\\?\\UNC\\", 8) == 0 ? 6 : 4)) : NULL;
    if (text && name[5] == L'N') text[0] = '/'; /* "C/server" of \\?\UNC\server: //server */
    const int error = errno;
    free(name);
    if (fd >= 0) close(fd);
    errno = error;
    return text;
}

/* Draws the six X at the end of a name anew until `make` takes it. */
static int draw(char *path, int (*make)(const char *path)) {
    enum { TRIES = 100, DRAWN = 6 };
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    const size_t len = strlen(path);
    for (int i = 0; i < TRIES && len >= DRAWN; i++) {
        unsigned char random[DRAWN];
        if (getentropy(random, sizeof random) != 0) return -1;
        for (size_t k = 0; k < DRAWN; k++) path[len - DRAWN + k] = digits[random[k] & 31];
        const int made = make(path);
        if (made >= 0 || errno != EEXIST) return made;
    }
    return zn_win32_fail_with(EEXIST);
}

static int make_file(const char *path) {
    return open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
}

static int make_folder(const char *path) {
    return mkdir(path, 0700);
}

int mkstemp(char *path) {
    return draw(path, make_file);
}

char *mkdtemp(char *path) {
    return draw(path, make_folder) < 0 ? NULL : path;
}
