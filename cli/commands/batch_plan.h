/* Which files a batch works on, and which belong together. */
#ifndef ZIPNN_CLI_BATCH_PLAN_H
#define ZIPNN_CLI_BATCH_PLAN_H

#include "shared/ledger.h"
#include "shared/run.h"

enum { NO_ITEM = -1 };

/* A file of the batch. */
struct item {
    char *path;     /* to open it */
    char *rel;      /* below --root, and of its archive below --output-dir */
    char mtime[32]; /* seconds.nanoseconds */
    uint64_t size;
    uint64_t family;     /* hash of the types and shapes of its tensors; 0: none */
    const char *why_not; /* it is no file that can be compressed; NULL: it is */
    bool missing;        /* there is no such file */
    bool done;           /* a line of the manifest holds, also after this run */
    bool alone;          /* it must not be made against another file */
    bool has_digest;
    uint8_t xxh3[16];
    uint64_t stored;
    char *output;     /* once it is done: the archive that holds it, below --output-dir */
    const char *base; /* once it is done: what that was made against, "" for none */
};

struct plan {
    struct item *item; /* by `rel` */
    size_t n, cap;
};

/* Lists the files of the command line and of --filelist, those of this --shard alone, with their families if --families is
 * given. Those that cannot be part of a batch are in the list, too. */
void plan_make(struct run *run, struct plan *plan);
void plan_free(struct plan *plan);

/* Returns the index of the item, NO_ITEM if there is none. */
long long plan_find(const struct plan *plan, const char *rel);

#endif
