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
