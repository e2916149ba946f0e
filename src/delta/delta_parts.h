/* What the ways of coding a chunk against a reference share. delta.h is the entry. */
#ifndef ZN_DELTA_DELTA_PARTS_H
#define ZN_DELTA_DELTA_PARTS_H

#include "chunk/layout.h"
#include "delta/delta.h"

enum {
    ZN_SPARSE_MAX_CLASSES = 16,
    ZN_SPARSE_SHARE = 8 /* at most one element in eight has changed */
};

/* A chunk and its reference as elements that are numbers of one kind. */
struct zn_pair {
    enum zn_number number;
    unsigned width;
    uint32_t head, tail; /* bytes before and after the elements */
    size_t n;
    const uint8_t *src, *ref; /* whole chunks; src is NULL when decoding */
    const uint8_t *context;   /* n bytes */
};

/* ---- encoding ---- */

/* The four bytes at the start of a payload. */
struct zn_delta_head {
    enum zn_layout layout;
    unsigned kind; /* the kind of number, or the layout of the planes */
    unsigned head; /* bytes before the first element */
    unsigned detail;
};

/* Writes the head and the edges of src[0, len). `tail` bytes follow the last element. */
void zn_delta_begin(struct zn_out *out, const struct zn_delta_head *head, const uint8_t *src, uint32_t len,
                    uint32_t tail);

/* Which elements of a pair of at most 2 bytes differ: a bit each, in scratch. */
struct zn_delta_changes {
    uint64_t *masks;
    size_t n;
};

/* The three ways. Each writes a whole payload and returns its length; 0 when it does not fit into `out`. */
size_t zn_delta_dense(const struct zn_encoder *e, const struct zn_pair *pair, struct zn_out out);
size_t zn_delta_sparse(const struct zn_encoder *e, const struct zn_pair *pair, const struct zn_delta_changes *changes,
                       struct zn_out out);
size_t zn_delta_given(const struct zn_encoder *e, enum zn_layout layout, unsigned head, const uint8_t *ref,
                      struct zn_out out);

/* Signs apart: the coding of which elements have another sign than their reference. */
struct zn_delta_signs {
    uint8_t *flips; /* a byte for each element, 0 or 1; in scratch */
    uint8_t *ref;   /* the reference with those signs; in scratch */
};

/* Counts the elements of a pair of floats of 16 bits whose signs differ; n_changed elements differ. Returns whether
 * coding the signs apart gains; then `signs` is made, and pair->ref is the reference with the chunk's own signs. */
bool zn_delta_signs_make(const struct zn_encoder *e, struct zn_pair *pair, size_t n_changed,
                         struct zn_delta_signs *signs);

/* Writes what precedes the payload of the difference. Returns its length; 0 when it does not fit. */
size_t zn_delta_signs_write(const struct zn_encoder *e, const struct zn_pair *pair, const struct zn_delta_signs *signs,
                            struct zn_out out);

/* The models of dense coding. Blocks of one model moved by similar amounts. */
struct zn_delta_models {
    unsigned n; /* 1 .. ZN_R16_MAX_TABLES */
    unsigned n_low;
    unsigned block_log2;
    uint8_t scales[ZN_R16_MAX_TABLES];
    uint8_t *ids; /* the model of each block */
};

/* Chooses at most max_models models. Their ids lie in the coder's scratch. `highest` is the highest context that is not
 * rare. */
void zn_delta_models_choose(struct zn_coder *coder, const struct zn_pair *pair, unsigned highest, unsigned max_models,
                            struct zn_delta_models *models);

/* The estimates of a sample for a chunk and its reference, in bits * ZN_COST_ONE per element. */
struct zn_delta_verdict {
    uint64_t alone, delta, given; /* costs */
    bool certain;                 /* floats with random low bytes: `alone` is exact for a chunk alone */
};

struct zn_delta_verdict zn_delta_judge(const struct zn_pair *pair);

/* ---- decoding ---- */

/* A payload whose head was read, and where it is decoded to. */
struct zn_delta_body {
    struct zn_delta_head head;
    struct zn_cur cur; /* the bytes after the head */
    const uint8_t *start;
    uint64_t at; /* offset of `start` in the archive */
    const uint8_t *ref;
    uint8_t *out;
    uint32_t orig_len;
    enum zn_store store;
};

/* Decode a payload. Dense and sparse decode the elements of `pair`, after the edges; given decodes everything. */
zipnn_status zn_delta_dense_decode(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                   zipnn_error *err);
zipnn_status zn_delta_sparse_decode(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                    zipnn_error *err);
zipnn_status zn_delta_given_decode(struct zn_coder *coder, struct zn_delta_body *body, zipnn_error *err);

/* Copies the bytes before the first element and after the last one, which stand side by side in `edges`. */
void zn_delta_put_edges(const struct zn_pair *pair, const uint8_t *edges, uint8_t *bytes, uint32_t len);
void zn_delta_take_edges(const struct zn_pair *pair, const uint8_t *bytes, uint32_t len, uint8_t *edges);

/* Decodes a sparse delta where its reference lies: body->out is the memory that `pair` refers to. If the result has not
 * this XXH3-64, or the payload is damaged, the memory is as it was. */
zipnn_status zn_delta_sparse_patch(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                   const uint8_t *edges, uint64_t check, zipnn_error *err);

/* Reads the signs. body->ref is then the reference with those signs, in scratch, and body->cur stands at the payload of the
 * difference, whose number and head are those of `body`. */
zipnn_status zn_delta_signs_decode(struct zn_coder *coder, struct zn_delta_body *body, zipnn_error *err);

/* Takes a coded stream whose head was read before. A stream that is too short is corrupt. */
zipnn_status zn_delta_take(struct zn_delta_body *body, struct zn_coded *coded, zipnn_error *err);

#endif
