/* Which files others are differences from: a view that is written to keeps them. */
#ifndef ZIPNN_MOUNT_NEEDS_H
#define ZIPNN_MOUNT_NEEDS_H

#include "opened.h"

struct needs {
    pthread_mutex_t lock;
    struct need {
        dev_t device; /* of the difference */
        ino_t number;
        uint64_t length; /* of the base */
        uint8_t xxh3[16];
    } * list;
    size_t n, cap;
};

void needs_init(struct needs *all);
void needs_destroy(struct needs *all);

/* Notes what an archive was made against. */
void needs_note(struct needs *all, const struct opened *o);

/* Looks at a file that may be an archive made against others. */
void needs_look(struct needs *all, int fd, const char *path, struct contexts *contexts);

/* Tells that a file is gone. */
void needs_drop(struct needs *all, const struct stat *st);

/* Returns whether an original of this length, or this very one, is needed. */
bool needs_length(struct needs *all, uint64_t length);
bool needs_original(struct needs *all, uint64_t length, const uint8_t xxh3[16]);

#endif
