/* Memory as a source or a sink that behaves like a pipe or a file, and fails on demand. */
#ifndef ZN_TESTS_SUPPORT_STREAMS_H
#define ZN_TESTS_SUPPORT_STREAMS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "zipnn/zipnn.h"

struct zt_input {
    const uint8_t *data;
    size_t len, pos;
    size_t longest;      /* bytes that read returns at once, at most; 0: as many as asked for */
    atomic_size_t calls; /* number of calls so far */
    size_t failing_call; /* this call, counted from 1, fails with ZIPNN_E_IO; 0: none fails */
    bool dies;           /* all calls after that one fail, too */
    size_t bad_sector;   /* a range with this byte cannot be read; 0: all can */
    atomic_bool overrun; /* a range outside the data was asked for */
};

struct zt_output {
    uint8_t *data;
    size_t cap;
    size_t len; /* in order: bytes so far; at offsets: unused */
    atomic_size_t written;
    atomic_size_t calls;
    size_t failing_call;
    atomic_bool overrun;
};

zipnn_source zt_pipe(struct zt_input *in); /* read only */
zipnn_source zt_file(struct zt_input *in); /* read_at */
zipnn_source zt_map(struct zt_input *in);  /* read_at and view */

zipnn_sink zt_pipe_sink(struct zt_output *out); /* write only */
zipnn_sink zt_file_sink(struct zt_output *out); /* write and write_at */

#endif
