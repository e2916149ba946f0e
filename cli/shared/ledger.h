/* The manifest of a batch: a JSON object on each line tells what became of a file. Lines are appended and never changed; the
 * last line of a path holds. */
#ifndef ZIPNN_CLI_LEDGER_H
#define ZIPNN_CLI_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zipnn/zipnn.h"

enum entry_status { ENTRY_DONE, ENTRY_COPY, ENTRY_FAILED };

/* What a line tells. Strings are never NULL. */
struct entry {
    char *path;   /* below --root */
    char *output; /* the archive that holds it, below --output-dir; "": none */
    char *base;   /* path of the file that the archive was made against; "": none */
    char *mtime;  /* seconds.nanoseconds of the source */
    enum entry_status status;
    uint64_t original, stored; /* bytes */
    uint8_t xxh3[16], base_xxh3[16];
    bool retry;
    size_t line; /* its number among all that were read */
};

struct ledger {
    struct entry *entry; /* by path, the last line of each */
    size_t n, cap;
    uint64_t n_bad; /* lines that are none of ours, such as one that was cut when a process was killed */
};

/* Reads all lines of the manifest at `path`; what is there from another manifest stays. ledger_free must follow, also after a
 * failure. */
zipnn_status ledger_read(struct ledger *l, const char *path, zipnn_error *err);

/* Drops all but the last line of each path. Call it after the last ledger_read. */
void ledger_settle(struct ledger *l);

/* Returns the entry of a path, NULL if there is none. */
struct entry *ledger_find(const struct ledger *l, const char *path);
void ledger_free(struct ledger *l);

/* Returns whether the path stays below the folder that it is appended to. */
bool ledger_is_below(const char *path);

/* Opens a manifest to append to, and creates it if need be. ledger_mend must follow. Nobody else may be writing it.
 * Returns the descriptor in *fd. With `fresh` an existing manifest that is not empty is an error. */
zipnn_status ledger_open(const char *path, bool fresh, int *fd, zipnn_error *err);

/* Ends a line that was cut. What fails may pass later: the disk is full. */
zipnn_status ledger_mend(int fd, const char *path, zipnn_error *err);

/* Appends a line with one write, so that a process that is killed leaves all of it or a line that is known to be cut. */
zipnn_status ledger_append(int fd, const char *path, const char *line, size_t len, bool sync, zipnn_error *err);

#endif
