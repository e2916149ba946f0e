/* The view as a whole, and the answers to the kernel's questions. */
#ifndef ZIPNN_MOUNT_MOUNTED_VIEW_H
#define ZIPNN_MOUNT_MOUNTED_VIEW_H

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>
#include <pthread.h>

#include "archives.h"
#include "chunk_cache.h"
#include "nodes.h"
#include "source_tree.h"

/* What a program of ours that was killed may leave behind; views that are written to do not show it. */
#define LEFTOVER_PREFIX ".zipnn-"
enum { LEFTOVER_RANDOM = 13 }; /* letters and digits after it */

enum { N_MAKING = 16 };

struct view {
    struct source_tree tree, base_dir;
    struct contexts contexts;
    struct archives archives;
    struct chunk_cache cache;
    struct nodes nodes;
    unsigned threads;
    /* Chunks that will probably be read next: ahead.c. */
    struct ahead *ahead;
    bool verify;        /* archives are tested before they are read */
    uint64_t readahead; /* bytes; 0: the system's own */
    /* Views that are written to. */
    bool write;
    int level;
    uint64_t keep_below;              /* shorter files stay plain */
    int spool;                        /* folder of drafts; -1: each lies in the folder that it is for */
    const char *point;                /* absolute */
    pthread_rwlock_t names;           /* held to look names up and to use them, and alone to change them */
    pthread_mutex_t making[N_MAKING]; /* of drafts, by their nodes */
    struct stores *stores;
    struct needs needs;
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

/* Returns the path of a node below the root, to be freed; NULL: no memory. */
char *view_path(struct view *view, const struct node *node);

/* Returns EBUSY if what a name of a folder shows is needed by archives that are differences from it, and says so; else 0.
 * The caller holds the lock of names. */
int view_may_go(struct view *view, const char *folder, const char *name, const struct shown *shown);

/* Whether programs may make files of this name. Names of archives are refused: they would be shown without suffix. */
bool view_may_name(const char *name);

/* Looks at a node again, and answers by its attributes. */
void view_reply_attributes(fuse_req_t request, struct node *node);

/* Finds the node of a name, and counts a lookup. The caller holds the lock of names. Returns 0 or an errno. */
int view_look_up(struct view *view, struct node *folder, const char *name, struct node **node);
struct fuse_entry_param view_entry(struct view *view, struct node *node);

/* The answers: of answers.c all but those named here. */
extern const struct fuse_lowlevel_ops view_answers;
void answer_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);

/* answers_write.c */
void answer_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi);
void answer_create(fuse_req_t request, fuse_ino_t folder, const char *name, mode_t mode, struct fuse_file_info *fi);
void answer_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t len, off_t off,
                  struct fuse_file_info *fi);
void answer_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi);
void answer_flush(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi);
void answer_fsync(fuse_req_t request, fuse_ino_t ino, int data_only, struct fuse_file_info *fi);
void answer_fsyncdir(fuse_req_t request, fuse_ino_t ino, int data_only, struct fuse_file_info *fi);
void answer_release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *fi);
void answer_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *to, int what, struct fuse_file_info *fi);
void answer_setxattr(fuse_req_t request, fuse_ino_t ino, const char *name, const char *value, size_t len, int flags);
void answer_removexattr(fuse_req_t request, fuse_ino_t ino, const char *name);

/* answers_names.c */
void answer_mkdir(fuse_req_t request, fuse_ino_t folder, const char *name, mode_t mode);
void answer_mknod(fuse_req_t request, fuse_ino_t folder, const char *name, mode_t mode, dev_t device);
void answer_symlink(fuse_req_t request, const char *target, fuse_ino_t folder, const char *name);
void answer_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t folder, const char *name);
void answer_unlink(fuse_req_t request, fuse_ino_t folder, const char *name);
void answer_rmdir(fuse_req_t request, fuse_ino_t folder, const char *name);
void answer_rename(fuse_req_t request, fuse_ino_t folder, const char *name, fuse_ino_t new_folder, const char *new_name,
                   unsigned flags);

/* The node that the kernel means. */
struct node *view_node(struct view *view, fuse_ino_t ino);

#endif
