/* What the names of files tell. */
#ifndef ZIPNN_CLI_FILENAMES_H
#define ZIPNN_CLI_FILENAMES_H

#include <stdbool.h>
#include <stddef.h>

#define ARCHIVE_SUFFIX ".znn"

/* Returns whether the name is that of an archive: "x.znn", or the Python package's "x.znn.safetensors". ".znn" alone is
 * a hidden file. */
bool filename_is_archive(const char *path);

/* Returns whether the name is such a hidden file: the suffix of archives and nothing else. */
bool filename_is_bare_suffix(const char *path);

/* Returns "x" for "x.znn", and "x.safetensors" for "x.znn.safetensors"; the caller frees it. */
char *filename_restored(const char *archive);

/* Returns the Python package's name for "x.safetensors", "x.znn.safetensors", which the caller frees; NULL for other
 * names. */
char *filename_of_old_tensors(const char *path);

/* Returns the folder that holds `path`, "." if it names none; the caller frees it. */
char *filename_folder(const char *path);

/* Returns the way from the folder of one file to another file, "./" first, which the caller frees; NULL if that
 * cannot be told from the names. */
char *filename_way(const char *from, const char *to);

/* Returns whether programs give this suffix to unfinished files, such as downloads. */
bool filename_is_unfinished(const char *path);

/* Returns whether the suffix is one of model weights. */
bool filename_is_model(const char *path);

/* A growing list of paths that it owns. */
struct paths {
    char **path;
    size_t n, cap;
};
void paths_add(struct paths *list, char *path);
void paths_free(struct paths *list);

/* Lists the files that such a way may lead to from the folder of `from`: the file itself, its archive, or its original. None
 * if it is no way of that kind, as a name from a stranger may be: it must begin with "./", and go up only at first. */
void filename_follow_all(const char *from, const char *way, struct paths *found);

#endif
