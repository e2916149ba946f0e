/* Archives from a pipe that cannot be restored in order: chunks of them repeat others. */
#ifndef ZIPNN_CLI_SPOOL_H
#define ZIPNN_CLI_SPOOL_H

#include "zipnn/zipnn.h"

struct spool {
    unsigned char head[24];
    size_t head_len, at; /* bytes read ahead, and of them given out */
    zipnn_source rest;
    zipnn_file *temp; /* the whole archive, NULL when it can be restored as it comes */
    int fd;
};

/* Looks at the first bytes of a sequential source. *source becomes one that gives them once more, or, when the archive
 * must be random-access, a temporary file without a name that has it all. spool_close must follow, also after a
 * failure, once the source is no longer in use; it accepts a zeroed struct. */
zipnn_status spool_open(struct spool *spool, zipnn_source *source, zipnn_error *err);
void spool_close(struct spool *spool);

#endif
