/* By what a file is known to be the one that was looked at before. */
#ifndef ZIPNN_MOUNT_STAMP_H
#define ZIPNN_MOUNT_STAMP_H

#include <stdbool.h>
#include <sys/stat.h>

struct stamp {
    dev_t device;
    ino_t number;
    off_t size;
    struct timespec modified, changed;
};

static inline struct stamp stamp_of(const struct stat *st) {
    return (struct stamp){st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

static inline bool stamp_same_file(const struct stamp *a, const struct stamp *b) {
    return a->device == b->device && a->number == b->number;
}

/* Returns whether it is the same file, and nobody changed anything of it. */
static inline bool stamp_unchanged(const struct stamp *a, const struct stamp *b) {
    return stamp_same_file(a, b) && a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
           a->modified.tv_nsec == b->modified.tv_nsec && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

#endif
