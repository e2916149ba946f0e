/* What names of files say. */
#ifndef ZIPNN_CLI_FILENAMES_H
#define ZIPNN_CLI_FILENAMES_H

#include <stdbool.h>
#include <stddef.h>

#define ARCHIVE_SUFFIX ".znn"

/* "x.znn" is an archive; ".znn" alone is a hidden file. So is "x.znn.safetensors", of the Python package. */
bool filename_is_archive(const char *path);

/* Whether it is such a hidden file: one whose name is the suffix of archives and nothing else. */
bool filename_is_bare_suffix(const char *path);

/* "x" of "x.znn", and "x.safetensors" of "x.znn.safetensors"; to be freed. */
char *filename_restored(const char *archive);

/* "x.znn.safetensors" of "x.safetensors", the Python package's name, to be freed; NULL for other names. */
char *filename_of_old_tensors(const char *path);

/* The folder that holds `path`: "." when it names none; to be freed. */
char *filename_folder(const char *path);

/* Whether the suffix is one that programs give to files on their way: of a download, say. */
bool filename_is_unfinished(const char *path);

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
