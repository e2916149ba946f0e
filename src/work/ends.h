/* The two ends of an operation: memory or the caller's callbacks behind one face. */
#ifndef ZN_WORK_ENDS_H
#define ZN_WORK_ENDS_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

struct zn_glance;

struct zn_input {
    const uint8_t *mem;  /* the whole input, or NULL */
    zipnn_source source; /* used when mem is NULL */
    uint64_t length;     /* UINT64_MAX: unknown, sequential */
    unsigned number;     /* for callers who fetch bytes themselves: 0 the archive, i + 1 the i-th base given */
    const struct zn_glance *glance; /* bytes that have been read already, or NULL */
    const uint8_t *head;            /* bytes that were read ahead of a sequential source and come first */
    size_t head_len;
    uint64_t pos; /* sequential: bytes handed out */
};

struct zn_input zn_input_of_memory(const void *data, size_t len);

/* ZIPNN_E_ARGUMENT when the callbacks are not what the public header asks for. */
zipnn_status zn_input_of_source(const zipnn_source *source, struct zn_input *in, zipnn_error *err);

/* Whether any byte can be read at any time, by several threads. */
static inline bool zn_input_is_random(const struct zn_input *in) {
    return in->mem || in->source.read_at;
}

/* Whether zn_input_at copies nothing and needs no buffer. */
static inline bool zn_input_is_visible(const struct zn_input *in) {
    return in->mem || (in->source.read_at && in->source.view);
}

/* Sequential: reads until `want` bytes are there or the input ends; *got says how many. */
zipnn_status zn_input_next(struct zn_input *in, uint8_t *buf, size_t want, size_t *got, zipnn_error *err);

/* Random: bytes [off, off + len), which lie inside the input: a pointer into memory, or buf after filling it. */
zipnn_status zn_input_at(const struct zn_input *in, uint64_t off, size_t len, uint8_t *buf, const uint8_t **bytes,
                         zipnn_error *err);

/* The same bytes in buf, whatever becomes of the input's: for what is looked at again after it was checked. */
zipnn_status zn_input_copy(const struct zn_input *in, uint64_t off, size_t len, uint8_t *buf, zipnn_error *err);

/* ---- what is read ahead of opening */

enum { ZN_GLANCE = 64 << 10 };

/* The first and the last ZN_GLANCE bytes of a random-access input, kept while what it holds is opened: then that takes
 * two reads instead of many small ones. */
struct zn_glance {
    uint8_t *memory; /* NULL: nothing was read */
    size_t head_len, tail_len;
    uint64_t tail_at;
};

/* Reads them, unless the input is in memory, in sight, or sequential. The glance must stay where it is until
 * zn_glance_end; on failure nothing is owned. */
zipnn_status zn_glance_begin(struct zn_glance *g, const zipnn_allocator *alloc, struct zn_input *in, zipnn_error *err);

/* Frees it. No input looks at it any more. Accepts a zeroed struct. */
void zn_glance_end(struct zn_glance *g, const zipnn_allocator *alloc);

struct zn_output {
    uint8_t *mem;           /* the whole output, or NULL */
    size_t cap;             /* of mem */
    const zipnn_sink *sink; /* NULL with mem NULL: nothing is written */
};

/* Whether chunks may be put anywhere at any time, by several threads. */
static inline bool zn_output_is_random(const struct zn_output *out) {
    return out->mem || !out->sink || out->sink->write_at;
}

/* Writes at `off`; a sequential sink gets everything in order and knows its position. ZIPNN_E_SPACE when memory is too
 * small. */
zipnn_status zn_output_put(const struct zn_output *out, uint64_t off, const uint8_t *bytes, size_t len,
                           zipnn_error *err);

/* ---- whole blocks ---- */

/* Where chunks end follows from tensors and from how well they compress, not from pages; yet a file is written faster
 * in blocks that begin at multiples of their size. So what comes after the last whole block is held back, to go out in
 * front of what follows. */
enum { ZN_BLOCK = 64 << 10 };

struct zn_gather {
    uint8_t *held; /* ZN_BLOCK bytes */
    size_t len;    /* of what is held back; less than ZN_BLOCK */
    uint64_t off;  /* where that goes */
};

/* A part of the output: where it goes, and its bytes. */
struct zn_piece {
    uint64_t off;
    const uint8_t *bytes;
    size_t len;
};

/* For an output that is to go on at `off`. ZIPNN_E_MEMORY; `held` is to be freed with zn_free. */
zipnn_status zn_gather_begin(struct zn_gather *g, const zipnn_allocator *alloc, uint64_t off, zipnn_error *err);

/* What to put now, of the `len` bytes that follow all that was given before and of those held back. The bytes have room
 * for ZN_BLOCK others before them: the piece lies there and in themselves. */
struct zn_piece zn_gather(struct zn_gather *g, uint8_t *bytes, size_t len);

/* At the end: what is held back still. */
struct zn_piece zn_gather_rest(const struct zn_gather *g);

#endif
