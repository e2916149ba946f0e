/* The folder that is shown: files are reached from a descriptor of it, so that the view may be mounted over the folder
 * itself, and no path and no link leads out of it. */
#ifndef ZIPNN_MOUNT_SOURCE_TREE_H
#define ZIPNN_MOUNT_SOURCE_TREE_H

#include <stdbool.h>
#include <sys/stat.h>

#define ARCHIVE_SUFFIX ".znn"

struct source_tree {
    int root;
    char *path; /* absolute, without links */
    char *only; /* the one file of `root` that is shown; NULL: all */
};

/* Opens a folder, or the folder of a file of which that file alone is shown. Returns 0 or an errno. */
int source_tree_open(struct source_tree *tree, const char *path);
void source_tree_close(struct source_tree *tree);

/* Opens the file or folder at `path`, relative to the root ("" is the root). Links are not followed, also none on the
 * way. Returns a descriptor, or a negative errno. */
int source_tree_at(const struct source_tree *tree, const char *path, int flags);

/* Returns "folder/name"; NULL: no memory. */
char *path_below(const char *folder, const char *name);

/* Returns whether `name` ends with the suffix of archives and has something before it. */
bool has_archive_suffix(const char *name);

/* Reads the link folder/name and makes its target one that is right inside the view: targets below the root, absolute
 * ones too, become relative ones, and the suffix goes if `strip`. Returns 0 and the target, which the caller frees;
 * EACCES for a link that leads out of the tree; or another errno. */
int source_tree_link(const struct source_tree *tree, const char *folder, const char *name, bool strip, char **target);

/* Makes the target of a new link in `folder` one that can be stored: relative if it lies below the tree's path. Returns
 * NULL if it leads out of the tree, or there is no memory; the caller frees it. */
char *source_tree_target(const struct source_tree *tree, const char *folder, const char *target);

/* Finds the regular file that a link inside the tree leads to. Returns 0 and a descriptor of it, opened for reading; or
 * an errno. */
int source_tree_follow(const struct source_tree *tree, const char *folder, const char *name, int *fd, struct stat *st);

#endif
