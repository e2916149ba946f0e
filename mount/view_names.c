#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mounted_view.h"

/* A listing looks into so many files, no more: the others are told by their names alone. */
enum { MOST_LOOKS = 1000 };

char *shown_file(const char *name, const struct shown *shown) {
    char *file = NULL;
    return asprintf(&file, "%s%s", name, shown->suffixed ? ARCHIVE_SUFFIX : "") < 0 ? NULL : file;
}

static char *without_suffix(const char *name) {
    return strndup(name, strlen(name) - (sizeof ARCHIVE_SUFFIX - 1));
}

/* Looks into the regular file folder/name. Returns false if it cannot be opened: then nothing is known of it. */
static bool look_into(struct view *view, int at, const char *folder, const char *name, struct stat *st,
                      struct facts *facts) {
    if (archives_known(&view->archives, st, facts)) return true;
    const int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char *path = path_below(folder, name);
    const bool ok = fd >= 0 && path && fstat(fd, st) == 0 && S_ISREG(st->st_mode);
    if (ok) *facts = archives_look(&view->archives, fd, st, path);
    if (fd >= 0) close(fd);
    free(path);
    return ok;
}

static void show_archive(struct shown *shown, const struct facts *facts) {
    shown->kind = NODE_ARCHIVE;
    shown->st.st_size = (off_t)facts->info.original;
    memcpy(shown->xxh3, facts->info.xxh3, sizeof shown->xxh3);
    memcpy(shown->sha256, facts->info.sha256, sizeof shown->sha256);
    shown->has_sha256 = facts->info.has_sha256;
    shown->level = facts->info.level;
}

static enum node_kind kind_of(mode_t mode) {
    return S_ISDIR(mode) ? NODE_FOLDER : S_ISREG(mode) ? NODE_PLAIN : S_ISLNK(mode) ? NODE_LINK : NODE_OTHER;
}

/* Returns whether NAME.znn, of which `st` is known, is shown as NAME if there is no NAME: an archive, or a link to one. */
static bool is_shown_short(struct view *view, int at, const char *folder, const char *name, struct stat *st,
                           struct facts *facts) {
    if (S_ISREG(st->st_mode)) return look_into(view, at, folder, name, st, facts) && facts->kind == FACTS_ARCHIVE;
    if (!S_ISLNK(st->st_mode)) return false;
    struct stat target;
    int fd;
    if (source_tree_follow(&view->tree, folder, name, &fd, &target) != 0) return false;
    char *path = path_below(folder, name);
    if (path) *facts = archives_look(&view->archives, fd, &target, path);
    close(fd);
    free(path);
    return path && facts->kind == FACTS_ARCHIVE;
}

static bool is_hidden(const struct view *view, const char *folder, const char *file) {
    if (view->write && strncmp(file, LEFTOVER_PREFIX, sizeof LEFTOVER_PREFIX - 1) == 0) return true;
    return view->tree.only && (*folder || strcmp(view->tree.only, file) != 0);
}

/* Shows the file under its own name, if that is how it is shown. */
static int find_own(struct view *view, int at, const char *folder, const char *name, struct shown *shown) {
    struct facts facts;
    struct stat other;
    shown->kind = kind_of(shown->st.st_mode);
    if (!has_archive_suffix(name)) {
        if (!S_ISREG(shown->st.st_mode) || !look_into(view, at, folder, name, &shown->st, &facts)) return 0;
        if (facts.kind == FACTS_ARCHIVE) show_archive(shown, &facts);
        shown->unreadable = facts.kind == FACTS_DAMAGED || facts.kind == FACTS_BASELESS;
        return 0;
    }
    char *shorter = without_suffix(name);
    if (!shorter) return ENOMEM;
    const bool alone = fstatat(at, shorter, &other, AT_SYMLINK_NOFOLLOW) != 0 || is_hidden(view, folder, shorter);
    free(shorter);
    return alone && is_shown_short(view, at, folder, name, &shown->st, &facts) ? ENOENT : 0;
}

static int find_suffixed(struct view *view, int at, const char *folder, const char *name, struct shown *shown) {
    struct facts facts;
    char *file = NULL;
    shown->suffixed = true;
    if (asprintf(&file, "%s%s", name, ARCHIVE_SUFFIX) < 0) return ENOMEM;
    int fault = is_hidden(view, folder, file) || fstatat(at, file, &shown->st, AT_SYMLINK_NOFOLLOW) != 0 ? ENOENT : 0;
    if (!fault && !is_shown_short(view, at, folder, file, &shown->st, &facts)) fault = ENOENT;
    free(file);
    if (fault) return fault;
    shown->kind = kind_of(shown->st.st_mode);
    if (shown->kind == NODE_PLAIN) show_archive(shown, &facts);
    return 0;
}

int view_find(struct view *view, const char *folder, const char *name, struct shown *shown) {
    *shown = (struct shown){.kind = NODE_OTHER};
    const int at = source_tree_at(&view->tree, folder, O_RDONLY | O_DIRECTORY);
    if (at < 0) return -at;
    int fault = ENOENT;
    if (!is_hidden(view, folder, name) && fstatat(at, name, &shown->st, AT_SYMLINK_NOFOLLOW) == 0)
        fault = find_own(view, at, folder, name, shown);
    else
        fault = find_suffixed(view, at, folder, name, shown);
    close(at);
    if (!view->write) shown->st.st_mode &= ~(mode_t)0222;
    return fault;
}

/* ---- listings */

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static bool has_name(const struct entry *entries, size_t n, char *name) {
    const struct entry key = {.name = name};
    return n && bsearch(&key, entries, n, sizeof key, by_name);
}

static int read_folder(struct view *view, const char *folder, DIR *dir, struct entry **entries, size_t *n) {
    const struct dirent *d;
    size_t cap = 0;
    while ((errno = 0, d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 || is_hidden(view, folder, d->d_name)) continue;
        if (*n == cap) {
            cap = cap ? 2 * cap : 64;
            struct entry *more = realloc(*entries, cap * sizeof *more);
            if (!more) return ENOMEM;
            *entries = more;
        }
        struct entry *e = &(*entries)[*n];
        *e = (struct entry){strdup(d->d_name), d->d_ino, d->d_type};
        if (!e->name) return ENOMEM;
        ++*n;
    }
    return errno;
}

/* Whether a file called *.znn is shown by its shorter name, as find_suffixed has it: what is listed must be there. What is no
 * archive by its first and last bytes is not opened. While `looks` lasts; then the names tell. */
static bool is_listed_short(struct view *view, int at, const char *folder, const struct entry *e, unsigned *looks) {
    struct facts facts;
    struct stat st;
    bool needs_bases;
    if (e->type == DT_DIR || (e->type != DT_REG && e->type != DT_LNK && e->type != DT_UNKNOWN)) return false;
    if (*looks == 0) return e->type != DT_UNKNOWN;
    --*looks;
    if (fstatat(at, e->name, &st, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (!S_ISREG(st.st_mode)) return is_shown_short(view, at, folder, e->name, &st, &facts);
    if (archives_known(&view->archives, &st, &facts)) return facts.kind == FACTS_ARCHIVE;
    const int fd = openat(at, e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return false;
    const bool looks_so = looks_like_archive(fd, st.st_size, &needs_bases);
    close(fd);
    return looks_so && is_shown_short(view, at, folder, e->name, &st, &facts);
}

/* The shorter names keep the order good enough: it only has to stay the same while the folder is open. */
static void shorten(struct view *view, int at, const char *folder, struct entry *entries, size_t n) {
    unsigned looks = MOST_LOOKS;
    bool *shorter = calloc(n + 1, sizeof *shorter);
    for (size_t i = 0; i < n && shorter; i++) {
        if (!has_archive_suffix(entries[i].name)) continue;
        char *name = without_suffix(entries[i].name);
        shorter[i] = name && !has_name(entries, n, name) && is_listed_short(view, at, folder, &entries[i], &looks);
        free(name);
    }
    for (size_t i = 0; i < n && shorter; i++)
        if (shorter[i]) entries[i].name[strlen(entries[i].name) - (sizeof ARCHIVE_SUFFIX - 1)] = '\0';
    free(shorter);
}

int view_list(struct view *view, const char *folder, struct entry **entries, size_t *n) {
    *entries = NULL;
    *n = 0;
    const int at = source_tree_at(&view->tree, folder, O_RDONLY | O_DIRECTORY);
    DIR *dir = at >= 0 ? fdopendir(at) : NULL;
    if (!dir) {
        const int fault = at < 0 ? -at : errno;
        if (at >= 0) close(at);
        return fault;
    }
    const int fault = read_folder(view, folder, dir, entries, n);
    if (!fault && *n) qsort(*entries, *n, sizeof **entries, by_name);
    if (!fault) shorten(view, at, folder, *entries, *n);
    closedir(dir);
    return fault;
}
