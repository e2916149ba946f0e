/* The two ends of an operation, each of them memory or the caller's callbacks. */
#ifndef ZN_WORKERS_ENDS_H
#define ZN_WORKERS_ENDS_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

struct zn_glance;

struct zn_input {
    const uint8_t *mem;             /* the whole input, or NULL */
    zipnn_source source;            /* used when mem is NULL */
    uint64_t length;                /* UINT64_MAX: unknown, the input is sequential */
    unsigned number;                /* its number for callers that fetch bytes: 0 is the archive, i + 1 the i-th base */
    const struct zn_glance *glance; /* bytes that have been read already, or NULL */
    const uint8_t *head;            /* bytes that were read ahead of a sequential source and come first */
    size_t head_len;
    uint64_t pos; /* sequential: bytes handed out */
    bool joined;  /* sequential: other archives may follow, and their bytes are left to whoever reads next */
};

struct zn_input zn_input_of_memory(const void *data, size_t len);

/* Checks the input. Returns ZIPNN_E_ARGUMENT when the callbacks are not what the public header requires. */
zipnn_status zn_input_of_source(const zipnn_source *source, struct zn_input *in, zipnn_error *err);

/* Returns whether any byte can be read at any time, by several threads. */
static inline bool zn_input_is_random(const struct zn_input *in) {
    return in->mem || in->source.read_at;
}

/* Returns whether zn_input_at copies nothing and needs no buffer. */
static inline bool zn_input_is_visible(const struct zn_input *in) {
    return in->mem || (in->source.read_at && in->source.view);
}

/* Reads a sequential input until `want` bytes are there or the input ends. *got is their number. */
zipnn_status zn_input_next(struct zn_input *in, uint8_t *buf, size_t want, size_t *got, zipnn_error *err);

/* Finds bytes [off, off + len), which lie inside a random-access input: points into memory, or fills buf and points to
 * it. */
zipnn_status zn_input_at(const struct zn_input *in, uint64_t off, size_t len, uint8_t *buf, const uint8_t **bytes,
                         zipnn_error *err);

/* Copies the bytes to buf. Use it for bytes that are read again after they were checked: memory of the input may
 * change. */
zipnn_status zn_input_copy(const struct zn_input *in, uint64_t off, size_t len, uint8_t *buf, zipnn_error *err);

/* ---- what is read ahead of opening */

enum { ZN_GLANCE = 64 << 10 };

/* The first and the last ZN_GLANCE bytes of a random-access input. They are kept while the archive in it is opened, so
 * that opening takes two reads instead of many small ones. */
struct zn_glance {
    uint8_t *memory; /* NULL: nothing was read */
    size_t head_len, tail_len;
    uint64_t tail_at;
};

/* Reads them, unless the input is in memory, visible or sequential. The glance must not be moved before zn_glance_end.
 * On failure nothing is owned. */
zipnn_status zn_glance_begin(struct zn_glance *g, const zipnn_allocator *alloc, struct zn_input *in, zipnn_error *err);

/* Does the same for a caller that may need few of these bytes. If they cannot be read, nothing is read ahead. Each read
 * then reports its own fault, and a bad sector in chunks that nobody asks for does no harm. */
zipnn_status zn_glance_try(struct zn_glance *g, const zipnn_allocator *alloc, struct zn_input *in, zipnn_error *err);

/* Frees the bytes. No input may point to the glance any more. Accepts a zeroed struct. */
void zn_glance_end(struct zn_glance *g, const zipnn_allocator *alloc);

struct zn_output {
    uint8_t *mem;           /* the whole output, or NULL */
    size_t cap;             /* of mem */
    const zipnn_sink *sink; /* NULL with mem NULL: nothing is written */
};

/* Checks the output. Returns ZIPNN_E_ARGUMENT when the callbacks are not what the public header requires. */
zipnn_status zn_output_of_sink(const zipnn_sink *sink, struct zn_output *out, zipnn_error *err);

/* Returns whether chunks may be written at any offset at any time, by several threads. */
static inline bool zn_output_is_random(const struct zn_output *out) {
    return out->mem || !out->sink || out->sink->write_at;
}

/* Writes at `off`. A sequential sink receives all bytes in order and ignores `off`. Returns ZIPNN_E_SPACE if the memory
 * is too small. */
zipnn_status zn_output_put(const struct zn_output *out, uint64_t off, const uint8_t *bytes, size_t len,
                           zipnn_error *err);

/* ---- whole blocks ---- */

/* A file is written faster in blocks that begin at multiples of their size, but chunks end anywhere. So the bytes after
 * the last whole block are held back, and are written in front of the next chunk. */
enum { ZN_BLOCK = 64 << 10 };

struct zn_gather {
    uint8_t *held; /* ZN_BLOCK bytes */
    size_t len;    /* bytes that are held back, fewer than ZN_BLOCK */
    uint64_t off;  /* offset in the output of the bytes held back */
};

/* A part of the output: where it goes, and its bytes. */
struct zn_piece {
    uint64_t off;
    const uint8_t *bytes;
    size_t len;
};

/* Begins at offset `off` of the output. Returns ZIPNN_E_MEMORY if there is no memory; free `held` with zn_free. */
zipnn_status zn_gather_begin(struct zn_gather *g, const zipnn_allocator *alloc, uint64_t off, zipnn_error *err);

/* Takes the next `len` bytes of the output and returns the piece that is to be written now. There must be room for
 * ZN_BLOCK bytes before `bytes`: bytes held back are copied there, and the piece may begin there. */
struct zn_piece zn_gather(struct zn_gather *g, uint8_t *bytes, size_t len);

/* Returns what is still held back at the end. */
struct zn_piece zn_gather_rest(const struct zn_gather *g);

#endif
