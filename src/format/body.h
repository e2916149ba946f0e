/* The body of a chunk: the one place that reads and writes its head, its edges, and the heads of its planes
 * (doc/format.md, section 5).
 *
 *     kind | layout | head | flags | what the layout adds | edges | head of each plane | planes
 *
 * A body is read once into a struct zn_body, which is passed on; the encoder describes the body that it is about to
 * write by the same struct. What a codec makes of a plane is the codec's own.
 */
#ifndef ZN_FORMAT_BODY_H
#define ZN_FORMAT_BODY_H

#include "format/fields.h"
#include "format/layouts.h"
#include "format/value_types.h"

/* ---- coded streams ---- */

/* A coded stream in memory: a plane, or one that is nested inside another. */
struct zn_coded {
    uint8_t codec; /* as found on the wire; not yet proved to be an enum zn_codec_id */
    const uint8_t *data;
    size_t len;
    uint64_t at; /* its offset in the archive, for errors */
};

/* Reads the head of a stream, u8 codec and u32 length; the bytes may follow later. */
void zn_coded_head(struct zn_cur *cur, struct zn_coded *coded);

/* Takes the bytes of a stream whose head was read. `start` lies at offset `at` of the archive. False when the cursor
 * has fewer. */
bool zn_coded_take(struct zn_cur *cur, const uint8_t *start, uint64_t at, struct zn_coded *coded);

/* Streams on their way out: their heads stand together, and the bytes of each are appended to the same zn_out. */
struct zn_streams {
    uint8_t *head;  /* of the next stream; NULL when there is no room for the heads */
    uint8_t *start; /* where the bytes of the next stream begin */
};

/* Leaves room for the heads of n streams. */
struct zn_streams zn_streams_begin(struct zn_out *out, unsigned n);

/* Completes the next stream: it has everything that was appended since the last one. */
void zn_streams_end(struct zn_streams *streams, const struct zn_out *out, unsigned codec);

/* ---- bodies ---- */

enum {
    ZN_ONE_PLANE = 9,        /* bytes of a body of layout 8 before the bytes of its only plane */
    ZN_JOINT_MAX_BASE = 128, /* an exponent of at most 127 is added to it ... */
    ZN_JOINT2_MAX_BASE = 192 /* ... or of at most 63, where a joint symbol has two bits of the mantissa */
};

/* The columns of a matrix of floats, whose usual symbols are learnt (chunk/columns.h). */
struct zn_columns_head {
    uint8_t start;      /* the symbol that every column foretells at first */
    uint8_t fast, slow; /* how slowly columns learn in the first row, and at last: log2 of the rows that matter */
    uint32_t stride;    /* elements from one row to the next */
};

enum { ZN_LEAST_STRIDE = 64, ZN_SLOWEST_COLUMN = 7 };

struct zn_body {
    /* What zn_body_read is given. */
    const uint8_t *data;
    size_t len;
    uint64_t at; /* offset of `data` in the archive, for errors */
    uint32_t orig_len;

    /* What the head says. */
    enum zn_layout layout;
    uint32_t head;                  /* bytes before the first element */
    uint8_t inner;                  /* FLOATS: the layout of the floats */
    uint8_t joint;                  /* JOINT, COLUMNS: bits of the mantissa in a symbol, 1 or 2 */
    uint8_t base;                   /* JOINT, COLUMNS: what was taken off the exponents */
    struct zn_columns_head columns; /* COLUMNS */
    struct zn_record record;        /* RECORDS */
    struct zn_values_head values;   /* VALUES */

    /* What follows from it (zn_body_measure); not of CHUNKS. */
    uint32_t width, tail;
    size_t n; /* elements */
    unsigned n_planes;

    /* Where the parts are. */
    const uint8_t *edges; /* head + tail bytes; NULL for CHUNKS */
    struct zn_coded plane[ZN_MAX_PLANES];
    struct zn_cur rest; /* CHUNKS: what follows the four bytes of the head */
};

/* Fills in width, tail, n and n_planes from orig_len, layout, head, inner, record and values. The head has at most
 * orig_len bytes. */
void zn_body_measure(struct zn_body *body);

/* Reads a body from data[0, len); everything in it keeps the limits of the format, but the codecs of the planes and
 * what they hold are not looked at. */
zipnn_status zn_body_read(struct zn_body *body, zipnn_error *err);

/* The same of the first bytes of a body: up to the heads of its planes, which have no data then. */
zipnn_status zn_body_read_head(struct zn_body *body, struct zn_cur *cur, zipnn_error *err);

/* Begins a body of layout, head, inner, joint, base, columns, record and values, which was measured: writes all that precedes the
 * planes. The edges are those of src[0, orig_len). */
struct zn_streams zn_body_begin(struct zn_out *out, const struct zn_body *body, const uint8_t *src);

/* Begins a body of a layout of CHUNKS: writes the four bytes of its head. */
void zn_body_begin_chunks(struct zn_out *out, enum zn_layout layout, uint32_t head);

/* Copies the edges to both ends of out[0, orig_len). */
void zn_body_put_edges(const struct zn_body *body, uint8_t *out);

#endif
