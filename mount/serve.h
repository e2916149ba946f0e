/* A view that is mounted, and served until it is unmounted. */
#ifndef ZIPNN_MOUNT_SERVE_H
#define ZIPNN_MOUNT_SERVE_H

#include <stdbool.h>
#include <stdint.h>

struct fuse_session;
struct view;

struct wishes {
    unsigned threads;
    uint64_t cache; /* bytes */
    const char *base_dir;
    uint64_t readahead; /* bytes that the kernel reads ahead; 0: as it likes */
    bool allow_other;
    bool verify;
    bool write;
    int level;
    uint64_t keep_below; /* bytes: shorter files stay plain */
    const char *spool;   /* folder of drafts; NULL: beside the files */
};

/* Mounts a view of a folder or an archive; a fault is said. NULL then. */
struct served {
    struct view *view;
    struct fuse_session *session;
    char *point; /* absolute */
};
bool serve_mount(struct served *s, const char *source, const char *point, const struct wishes *wishes);

/* Answers until the view is unmounted, or until the process `while_runs` has ended (a pidfd; -1: none) or a signal to
 * end comes: then it is unmounted, also while it is in use. */
void serve_run(struct served *s, int while_runs);

/* For the process that leaves the view to another one. */
void serve_leave(struct served *s);

/* Says why views cannot be mounted here, if that is known, and returns false. */
bool serve_is_possible(void);

#endif
