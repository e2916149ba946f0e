/* Locks of folders (flock), so that two programs do not make from each other's files what neither could be restored
 * without, or remove at once what each takes to be kept by the other. */
#ifndef ZIPNN_CLI_FOLDER_LOCKS_H
#define ZIPNN_CLI_FOLDER_LOCKS_H

#include <stdbool.h>
#include <stddef.h>

struct run;

enum locking {
    LOCKED_NOT,
    LOCKED_SHARED, /* nothing is made from files of the folder, or goes that something is made from */
    LOCKED_ALONE
};

struct folder_locks {
    enum locking held;
    int *fd;
    size_t n;
};

/* Locks, until folders_unlock, the folders of `input` and `output` (either may be NULL), of each --base, and that of
 * --base-dir: each once, in one order for all programs, waiting for others. What is held already is let go first,
 * unless it is enough. A folder that cannot be locked is gone on with. */
void folders_lock(struct run *run, enum locking how, const char *input, const char *output);
void folders_unlock(struct run *run);

/* Locks an open folder, waiting for others, which is said after a second; false with errno. */
bool folder_lock(const struct run *run, int fd, enum locking how, const char *folder);

#endif
