/* The view as a whole, and the answers to the kernel's questions. */
#ifndef ZIPNN_MOUNT_MOUNTED_VIEW_H
#define ZIPNN_MOUNT_MOUNTED_VIEW_H

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include "archives.h"
#include "chunk_cache.h"
#include "nodes.h"
#include "source_tree.h"

struct view {
    struct source_tree tree, base_dir;
    struct contexts contexts;
    struct archives archives;
    struct chunk_cache cache;
    struct nodes nodes;
    unsigned threads;
    /* Chunks that will probably be read next: ahead.c. */
    struct ahead *ahead;
};

/* Finds what `name` of a folder shows. Returns 0 or an errno. */
int view_find(struct view *view, const char *folder, const char *name, struct shown *shown);

/* Returns the name in the folder of what is shown as `name`; to be freed. NULL: no memory. */
char *shown_file(const char *name, const struct shown *shown);

/* Fills names with what a folder shows; the caller frees each and the array. Returns 0 or an errno. */
struct entry {
    char *name;
    ino_t number;
    unsigned char type; /* DT_... */
};
int view_list(struct view *view, const char *folder, struct entry **entries, size_t *n);

/* Starts threads that decode chunks ahead; with one thread there are none. */
int ahead_start(struct view *view);
void ahead_stop(struct view *view);
void ahead_ask(struct view *view, struct opened *o, uint64_t chunk);

extern const struct fuse_lowlevel_ops view_answers;
void answer_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi);
void answer_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void answer_release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi);

/* The node that the kernel means. */
struct node *view_node(struct view *view, fuse_ino_t ino);

#endif
