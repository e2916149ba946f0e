/* Locks of folders (flock). Without them, two programs could make archives from each other's files that cannot be
 * restored afterwards, or each could delete a file because the other one keeps it. */
#ifndef ZIPNN_CLI_FOLDER_LOCKS_H
#define ZIPNN_CLI_FOLDER_LOCKS_H

#include <stdbool.h>
#include <stddef.h>

struct run;

enum locking {
    LOCKED_NOT,
    LOCKED_SHARED, /* nobody makes a delta from files of the folder, or removes a base from it */
    LOCKED_ALONE
};

struct folder_locks {
    enum locking held;
    int *fd;
    size_t n;
};

/* Locks the folders of `input` and `output` (either may be NULL), of each --base, and the folder of --base-dir, until
 * folders_unlock. Each is locked once, in the same order in all programs, and other programs are waited for. Locks that
 * are held already are released first unless they suffice. A folder that cannot be locked is used without a lock. */
void folders_lock(struct run *run, enum locking how, const char *input, const char *output);
void folders_unlock(struct run *run);

/* Locks an open folder and waits for other programs; after a second a message says so. Returns false with errno set if
 * the folder cannot be locked. */
bool folder_lock(const struct run *run, int fd, enum locking how, const char *folder);

#endif
