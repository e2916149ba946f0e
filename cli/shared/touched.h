/* The files that a run will delete or replace. Until it has, they are there, and nothing may be made from them: what
 * was would be lost with them. Files are told apart by device and inode, whatever their names. */
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

struct touched {
    struct nodes removed, replaced;
    struct paths files; /* one of each folder that the run works in */
};

/* The file that `path` leads to; false when there is none. */
bool touched_find(const char *path, struct node *node);

/* Remembers the folder of `path`. */
void touched_visit(struct touched *t, const char *path);

/* What is at `path`, and what is behind it if that is a link; nothing when nothing is there. */
void touched_remove(struct touched *t, const char *path);
void touched_replace(struct touched *t, const char *path);

/* The file that standard output leads to, if it is one. */
void touched_replace_stdout(struct touched *t);

/* The result has taken the place of what was at `path`: to be said before it does. */
void touched_spare(struct touched *t, const char *path);

bool touched_is_removed(struct touched *t, struct node node);
bool touched_is_replaced(struct touched *t, struct node node);

/* Whether `path`, or what is behind it if it is a link, is that file. */
bool touched_leads_to(const char *path, struct node node);

/* Accepts a zeroed struct. */
void touched_free(struct touched *t);

#endif
