#include "filenames.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text.h"

static const char *const model_suffixes[] = {
#define SUFFIX(text) text,
#include "suffixes.def"
#undef SUFFIX
    NULL};

static const char *suffix_of(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return dot && dot > name ? dot : "";
}

bool filename_is_archive(const char *path) {
    return strcmp(suffix_of(path), ARCHIVE_SUFFIX) == 0;
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
