/* Remembers the files that a run has made, and those that it will delete or replace. The latter still exist, but no delta may be made from them: it could
 * not be restored afterwards. Files are identified by device and inode, whatever their names are. */
#ifndef ZIPNN_CLI_TOUCHED_H
#define ZIPNN_CLI_TOUCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "shared/filenames.h"

struct node {
    dev_t device;
    ino_t number;
};

struct nodes {
    struct node *node;
    size_t n, cap;
    bool sorted;
};

/* A set of files, each found at once however many there are. */
struct node_set {
    struct node *slot; /* `cap` of them; number 0: empty */
    size_t n, cap;     /* cap is a power of two */
};

struct touched {
    struct nodes removed, replaced;
    struct node_set results;
    struct paths files; /* one of each folder that the run works in */
};

/* Finds the file that `path` leads to. Returns false if there is none. */
bool touched_find(const char *path, struct node *node);

/* Remembers the folder of `path`. */
void touched_visit(struct touched *t, const char *path);

/* Note that the file at `path` will be removed or replaced; if it is a link, the file that it leads to as well. */
void touched_remove(struct touched *t, const char *path);
void touched_replace(struct touched *t, const char *path);

/* Notes that standard output replaces a file, if it leads to one. */
void touched_replace_stdout(struct touched *t);

/* Notes that the file at `path` is the result of one of the files of this run. */
void touched_result(struct touched *t, const char *path);

/* Returns whether the file at `path`, by whatever name, is one of these. */
bool touched_is_result(const struct touched *t, const char *path);

/* Must be called before the result takes the place of the file at `path`: that file is gone then. */
void touched_spare(struct touched *t, const char *path);

bool touched_is_removed(struct touched *t, struct node node);
bool touched_is_replaced(struct touched *t, struct node node);

/* Returns whether `path` is that file, or a link to it. */
bool touched_leads_to(const char *path, struct node node);

/* Accepts a zeroed struct. */
void touched_free(struct touched *t);

#endif
