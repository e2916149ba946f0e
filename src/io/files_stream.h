/* A FILE * of functions, as far as the C library can make one. */
#ifndef ZN_IO_FILES_STREAM_H
#define ZN_IO_FILES_STREAM_H

#include <stdio.h>

#include "base/err.h"

/* What a stream reads. `read_at` stores [off, off + len) of it; it is asked for nothing past
 * `length`. The reader of the stream sees ENOMEM or EIO if it fails. `close` ends the use of `user`. */
struct zn_stream_source {
    uint64_t length;
    zipnn_status (*read_at)(void *user, uint64_t off, void *buf, size_t len);
    void (*close)(void *user);
    void *user;
};

/* Opens a stream for reading. After a failure, nothing was closed. `path` is for messages. */
zipnn_status zn_stream_open(const struct zn_stream_source *source, const char *path, FILE **stream, zipnn_error *err);

/* Opens an ordinary file for reading. */
zipnn_status zn_stream_open_file(const char *path, FILE **stream, zipnn_error *err);

#endif
