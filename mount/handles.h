/* Files that programs have open. */
#ifndef ZIPNN_MOUNT_HANDLES_H
#define ZIPNN_MOUNT_HANDLES_H

#include <stdatomic.h>

#include "mounted_view.h"

struct draft;

struct handle {
    struct node *node;
    struct opened *archive; /* what it was when it was opened: an archive ... */
    int fd;                 /* ... or a plain file; -1 and NULL: a draft, or nothing of it was kept */
    pid_t opener;           /* the process that opened it to write; 0: not known */
    atomic_int writer;      /* the thread that wrote last */
    bool writes, empty;     /* opened for writing; with O_TRUNC */
    atomic_uint users;      /* the kernel's, and requests under way */
    atomic_ullong last;     /* chunk read last ... */
    atomic_uint run;        /* ... and how many came one after the other */
};

/* Opens a node as thread `who` of a program asked for it; sets fi->keep_cache. Returns 0 or an errno. */
int handle_open(struct view *view, struct node *node, struct fuse_file_info *fi, pid_t who, struct handle **h);

/* Returns whether a descriptor that thread `who` closes may be the one that was written to: a process that another one
 * started closes copies of descriptors that it does not know, in the midst of the other's work. */
bool handle_is_closed_by_writer(struct handle *h, pid_t who);

/* Gives up one use; the last one closes it. */
void handle_put(struct view *view, struct handle *h);

static inline struct handle *handle_of(const struct fuse_file_info *fi) {
    return (struct handle *)(uintptr_t)fi->fh;
}

/* Returns the node's draft, made from what the handle has open if there is none: draft_put gives it back. Returns 0 or
 * an errno. */
int handle_draft(struct view *view, struct handle *h, struct draft **d);

#endif
