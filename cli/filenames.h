/* What names of files say. */
#ifndef ZIPNN_CLI_FILENAMES_H
#define ZIPNN_CLI_FILENAMES_H

#include <stdbool.h>
#include <stddef.h>

#define ARCHIVE_SUFFIX ".znn"

/* "x.znn" is an archive; ".znn" alone is a hidden file. */
bool filename_is_archive(const char *path);

/* Whether the suffix is one of model weights. */
bool filename_is_model(const char *path);

/* A growing list of paths that it owns. */
struct paths {
    char **path;
    size_t n, cap;
};
void paths_add(struct paths *list, char *path);
void paths_free(struct paths *list);

#endif
