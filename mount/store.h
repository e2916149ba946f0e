/* Drafts become files of the folder: packed where that gains something, else as they are. */
#ifndef ZIPNN_MOUNT_STORE_H
#define ZIPNN_MOUNT_STORE_H

#include "drafts.h"

enum durability { STORE_CACHED, STORE_SYNCED };

/* Stores a draft under the name that its node has, if it is dirty; the caller holds its lock. What had the name stays
 * whole until all of the new file is there, and after any failure. With STORE_SYNCED the device has it at the end.
 * Returns 0 or an errno. */
int store_draft(struct view *view, zipnn_ctx *ctx, struct node *node, struct draft *d, enum durability how);

/* Syncs the file of a node. Returns 0 or an errno. */
int store_sync(struct view *view, struct node *node);

/* ---- threads that store */

/* What to do, and how to answer the request, which may be NULL for DO_FINISH only. */
enum store_task {
    DO_STORE,    /* a program has closed a descriptor */
    DO_SYNC,     /* the same, and the device must have it */
    DO_TRUNCATE, /* the same as DO_STORE, answered by attributes; the handle is closed */
    DO_FINISH    /* nobody has it open any more: takes one lookup of the node */
};
struct handle;

int stores_start(struct view *view);

/* Queues a task. */
void stores_ask(struct view *view, enum store_task what, struct node *node, struct handle *h, fuse_req_t request);

/* Waits until all that was closed is stored, or could not be. */
void stores_settle(struct view *view);

/* Does all that is queued, and ends the threads. */
void stores_stop(struct view *view);

/* Once nothing is asked any more: stores what was closed without a word of it from the kernel. */
void stores_rest(struct view *view);

/* Says which files were still being written. */
void stores_say_lost(struct view *view);

#endif
