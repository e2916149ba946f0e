#include "shared/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/cli_fail.h"
#include "shared/text.h"

/* ---- a line ------------------------------------------------------------------------------------------------------ */

/* A member of the object: its value as text, without quotes and escapes. */
struct member {
    char *name, *value;
};

static char *skip_space(char *c) {
    while (*c == ' ' || *c == '\t') c++;
    return c;
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Writes the character that "\uXXXX" stands for. We write only control characters and U+FFFD like that. */
static char *put_escaped(const char *hex, char *to) {
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = digit_of(hex[i]);
        if (digit < 0) return NULL;
        code = code << 4 | (unsigned)digit;
    }
    if (code == 0) return NULL;
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code >= 0x800) *to++ = (char)(0xe0 | code >> 12);
    *to++ = (char)(code >= 0x800 ? 0x80 | (code >> 6 & 63) : 0xc0 | code >> 6);
    *to++ = (char)(0x80 | (code & 63));
    return to;
}

/* Takes a string, in its place. Returns what follows it, NULL if it does not end. */
static char *take_string(char *c, char **value) {
    char *to = *value = ++c;
    while (*c && *c != '"') {
        if (*c != '\\') {
            *to++ = *c++;
            continue;
        }
        const char kind = c[1];
        if (kind == 'u') {
            if (strlen(c) < 6 || !(to = put_escaped(c + 2, to))) return NULL;
            c += 6;
            continue;
        }
        if (!kind) return NULL;
        *to++ = kind == 'n' ? '\n' : kind == 't' ? '\t' : kind == 'r' ? '\r' : kind;
        c += 2;
    }
    if (!*c) return NULL;
    *to = '\0';
    return c + 1;
}

/* Takes the next member. Returns what follows it, NULL if the line is no object of plain members. */
static char *take_member(char *c, struct member *m) {
    c = skip_space(c);
    if (*c != '"' || !(c = take_string(c, &m->name))) return NULL;
    c = skip_space(c);
    if (*c++ != ':') return NULL;
    c = skip_space(c);
    if (*c == '"') {
        if (!(c = take_string(c, &m->value))) return NULL;
        return skip_space(c);
    }
    m->value = c;
    c += strcspn(c, ",}{[\"");
    return *c == ',' || *c == '}' ? c : NULL;
}

/* Replaces text by the bytes that hexadecimal digits stand for. */
static bool take_bytes(const char *hex, char **text) {
    const size_t n = strlen(hex) / 2;
    char *bytes = text_realloc(NULL, n + 1);
    for (size_t i = 0; i < n; i++) {
        const int high = digit_of(hex[2 * i]), low = digit_of(hex[2 * i + 1]);
        bytes[i] = (char)(high < 0 || low < 0 ? 0 : high * 16 + low);
    }
    bytes[n] = '\0';
    const bool whole = strlen(bytes) == n;
    free(*text);
    *text = bytes;
    return whole;
}

static bool take_digest(const char *hex, uint8_t digest[16]) {
    if (strlen(hex) != 32) return false;
    for (size_t i = 0; i < 16; i++) {
        const int high = digit_of(hex[2 * i]), low = digit_of(hex[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        digest[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static void set(char **text, const char *value) {
    free(*text);
    *text = text_join(value, "", "");
}

/* Members that are not known are for later versions, and for people. */
static bool take_value(struct entry *e, const struct member *m, bool *has_status) {
    if (strcmp(m->name, "path") == 0) set(&e->path, m->value);
    if (strcmp(m->name, "output") == 0) set(&e->output, m->value);
    if (strcmp(m->name, "base") == 0) set(&e->base, m->value);
    if (strcmp(m->name, "mtime") == 0) set(&e->mtime, m->value);
    if (strcmp(m->name, "path_bytes") == 0) return take_bytes(m->value, &e->path);
    if (strcmp(m->name, "output_bytes") == 0) return take_bytes(m->value, &e->output);
    if (strcmp(m->name, "base_bytes") == 0) return take_bytes(m->value, &e->base);
    if (strcmp(m->name, "original") == 0) e->original = strtoull(m->value, NULL, 10);
    if (strcmp(m->name, "stored") == 0) e->stored = strtoull(m->value, NULL, 10);
    if (strcmp(m->name, "retry") == 0) e->retry = strncmp(m->value, "true", 4) == 0;
    if (strcmp(m->name, "xxh3") == 0) return take_digest(m->value, e->xxh3);
    if (strcmp(m->name, "base_xxh3") == 0) return take_digest(m->value, e->base_xxh3);
    if (strcmp(m->name, "status") != 0) return true;
    *has_status = true;
    e->status = strcmp(m->value, "done") == 0 ? ENTRY_DONE : strcmp(m->value, "copy") == 0 ? ENTRY_COPY : ENTRY_FAILED;
    return true;
}

static void free_entry(struct entry *e) {
    free(e->path);
    free(e->output);
    free(e->base);
    free(e->mtime);
}

static bool parse(char *line, struct entry *e) {
    bool has_status = false;
    *e = (struct entry){
        .path = text_join("", "", ""), text_join("", "", ""), text_join("", "", ""), text_join("", "", "")};
    char *c = skip_space(line);
    if (*c != '{') return false;
    do {
        struct member m;
        if (!(c = take_member(c + 1, &m))) return false;
        if (*c != ',' && *c != '}') return false;
        const char end = *c;
        if (c[-1] != '"') *c = '\0'; /* ends a number */
        if (!take_value(e, &m, &has_status)) return false;
        *c = end;
    } while (*c == ',');
    return has_status && e->path[0] && ledger_is_below(e->path);
}

bool ledger_is_below(const char *path) {
    if (path[0] == '/' || path[0] == '\0') return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        const size_t n = strcspn(part, "/");
        if (n == 2 && part[0] == '.' && part[1] == '.') return false;
    }
    return true;
}

/* ---- all lines --------------------------------------------------------------------------------------------------- */

static void add(struct ledger *l, char *line) {
    struct entry e;
    if (!parse(line, &e)) {
        free_entry(&e);
        l->n_bad++;
        return;
    }
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        l->entry = text_realloc(l->entry, l->cap * sizeof l->entry[0]);
    }
    e.line = l->n;
    l->entry[l->n++] = e;
}

zipnn_status ledger_read(struct ledger *l, const char *path, zipnn_error *err) {
    FILE *file = fopen(path, "rbe");
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    if (!file) return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot open: %s", path, strerror(errno));
    while ((len = getline(&line, &cap, file)) >= 0) {
        const bool whole = len > 0 && line[len - 1] == '\n' && strlen(line) == (size_t)len;
        if (whole) line[len - 1] = '\0';
        if (whole && line[0] == '\0') continue;
        if (whole)
            add(l, line);
        else
            l->n_bad++; /* cut, or with zeros that a crash of the system left */
    }
    const bool failed = ferror(file);
    fclose(file);
    free(line);
    return failed ? cli_fail(err, ZIPNN_E_IO, "%.150s: cannot read: %s", path, strerror(errno)) : ZIPNN_OK;
}

static int by_path(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    const int order = strcmp(x->path, y->path);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

void ledger_settle(struct ledger *l) {
    size_t n = 0;
    if (l->n) qsort(l->entry, l->n, sizeof l->entry[0], by_path);
    for (size_t i = 0; i < l->n; i++) {
        if (i + 1 < l->n && strcmp(l->entry[i].path, l->entry[i + 1].path) == 0)
            free_entry(&l->entry[i]);
        else
            l->entry[n++] = l->entry[i];
    }
    l->n = n;
}

struct entry *ledger_find(const struct ledger *l, const char *path) {
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int order = strcmp(l->entry[mid].path, path);
        if (order == 0) return &l->entry[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

void ledger_free(struct ledger *l) {
    for (size_t i = 0; i < l->n; i++) free_entry(&l->entry[i]);
    free(l->entry);
    *l = (struct ledger){.n = 0};
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

zipnn_status ledger_append(int fd, const char *path, const char *line, size_t len, bool sync, zipnn_error *err) {
    ssize_t n;
    while ((n = write(fd, line, len)) < 0 && errno == EINTR) continue;
    if (n < 0) return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot write: %s", path, strerror(errno));
    if ((size_t)n < len)
        return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot write all of a line: is the disk full?", path);
    if (sync && fdatasync(fd) != 0) return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot sync: %s", path, strerror(errno));
    return ZIPNN_OK;
}

zipnn_status ledger_mend(int fd, const char *path, zipnn_error *err) {
    struct stat st;
    char last = '\n';
    if (fstat(fd, &st) != 0 || (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1))
        return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot read: %s", path, strerror(errno));
    return last == '\n' ? ZIPNN_OK : ledger_append(fd, path, "\n", 1, false, err);
}

zipnn_status ledger_open(const char *path, bool fresh, int *fd, zipnn_error *err) {
    struct stat st;
    *fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (*fd < 0) return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot open: %s", path, strerror(errno));
    zipnn_status status = ZIPNN_OK;
    if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode))
        status = cli_fail(err, ZIPNN_E_IO, "%.150s: a manifest is a regular file", path);
    else if (flock(*fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        status =
            cli_fail(err, ZIPNN_E_IO, "%.150s: another batch is writing it; each needs a manifest of its own", path);
    else if (fresh && st.st_size > 0)
        status = cli_fail(err, ZIPNN_E_IO, "%.150s: already exists; --resume goes on with it", path);
    if (status == ZIPNN_OK) return ZIPNN_OK;
    close(*fd);
    *fd = -1;
    return status;
}
