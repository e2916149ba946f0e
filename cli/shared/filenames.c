#include "shared/filenames.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/text.h"

#define TENSORS_SUFFIX ".safetensors"

static const char *const model_suffixes[] = {
#define SUFFIX(text) text,
#include "line/suffixes.def"
#undef SUFFIX
    NULL};

static const char *suffix_of(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return dot && dot > name ? dot : "";
}

/* Whether a name ends so, and with something before. */
static bool ends_with(const char *path, const char *suffix) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t len = strlen(name), n = strlen(suffix);
    return len > n && strcmp(name + len - n, suffix) == 0;
}

bool filename_is_archive(const char *path) {
    return ends_with(path, ARCHIVE_SUFFIX) || ends_with(path, ARCHIVE_SUFFIX TENSORS_SUFFIX);
}

bool filename_is_bare_suffix(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    return strcmp(name, ARCHIVE_SUFFIX) == 0 || strcmp(name, ARCHIVE_SUFFIX TENSORS_SUFFIX) == 0;
}

/* Returns `path` with another suffix. */
static char *with_suffix(const char *path, const char *old, const char *suffix) {
    char *stem = text_join(path, "", "");
    stem[strlen(stem) - strlen(old)] = '\0';
    char *name = text_join(stem, suffix, "");
    free(stem);
    return name;
}

char *filename_restored(const char *archive) {
    bool tensors = ends_with(archive, ARCHIVE_SUFFIX TENSORS_SUFFIX);
    return tensors ? with_suffix(archive, ARCHIVE_SUFFIX TENSORS_SUFFIX, TENSORS_SUFFIX)
                   : with_suffix(archive, ARCHIVE_SUFFIX, "");
}

char *filename_of_old_tensors(const char *path) {
    if (!ends_with(path, TENSORS_SUFFIX)) return NULL;
    return with_suffix(path, TENSORS_SUFFIX, ARCHIVE_SUFFIX TENSORS_SUFFIX);
}

char *filename_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? text_join(path, "", "") : text_join(".", "", "");
    if (slash) folder[slash == path ? 1 : slash - path] = '\0';
    return folder;
}

bool filename_is_unfinished(const char *path) {
    static const char *const suffixes[] = {".incomplete", ".part", ".tmp", ".download"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (strcasecmp(suffix_of(path), suffixes[i]) == 0) return true;
    return false;
}

bool filename_is_model(const char *path) {
    const char *suffix = suffix_of(path);
    for (const char *const *s = model_suffixes; *s; s++)
        if (strcasecmp(*s, suffix) == 0) return true;
    return false;
}

void paths_add(struct paths *list, char *path) {
    if (list->n == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 16;
        list->path = text_realloc(list->path, list->cap * sizeof list->path[0]);
    }
    list->path[list->n++] = path;
}

void paths_free(struct paths *list) {
    for (size_t i = 0; i < list->n; i++) free(list->path[i]);
    free(list->path);
    *list = (struct paths){0};
}

static bool has_dots(const char *path) {
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || !at[2])) return true;
    }
    return false;
}

char *filename_way(const char *from, const char *to) {
    while (from[0] == '.' && from[1] == '/') from += 2;
    while (to[0] == '.' && to[1] == '/') to += 2;
    if ((from[0] == '/') != (to[0] == '/') || has_dots(from) || has_dots(to)) return NULL;
    size_t same = 0;
    for (size_t i = 0; from[i] && from[i] == to[i]; i++)
        if (from[i] == '/') same = i + 1;
    char *way = text_join(to + same, "", "");
    for (const char *c = strchr(from + same, '/'); c; c = strchr(c + 1, '/')) {
        char *longer = text_join("../", way, "");
        free(way);
        way = longer;
    }
    char *whole = text_join("./", way, "");
    free(way);
    return whole;
}

/* Returns the file that a way leads to from the folder of `from`, which the caller frees; NULL if it is no such way. */
static char *follow(const char *from, const char *way) {
    const char *rest = way + 2;
    if (strncmp(way, "./", 2) != 0) return NULL;
    while (strncmp(rest, "../", 3) == 0) rest += 3;
    if (*rest == '/' || !*rest || has_dots(rest)) return NULL;
    char *folder = filename_folder(from), *path = text_join(folder, "/", way);
    free(folder);
    return path;
}

void filename_follow_all(const char *from, const char *way, struct paths *found) {
    char *there = follow(from, way);
    if (!there) return;
    if (filename_is_archive(there)) paths_add(found, filename_restored(there));
    paths_add(found, text_join(there, ARCHIVE_SUFFIX, ""));
    paths_add(found, there);
}
