/* What the ways to code a chunk against a reference share; delta.h is the way in. */
#ifndef ZN_CHUNK_DELTA_PARTS_H
#define ZN_CHUNK_DELTA_PARTS_H

#include "chunk/delta.h"
#include "chunk/layout.h"

enum {
    ZN_DELTA_HEAD = 4, /* u8 layout, u8 number or layout inside, u8 head, u8 detail */
    ZN_SPARSE_MAX_CLASSES = 16,
    ZN_SPARSE_SHARE = 8 /* at most one element in so many has changed */
};

/* A chunk and its reference as elements of one number. */
struct zn_pair {
    enum zn_number number;
    unsigned width;
    uint32_t head, tail; /* bytes before and after the elements */
    size_t n;
    const uint8_t *src, *ref; /* whole chunks; in decoding src is NULL */
    const uint8_t *context;   /* n bytes */
};

/* Areas of coder->planes, carved one after the other. */
struct zn_room {
    uint8_t *at;
};

static inline void *zn_room_take(struct zn_room *room, size_t len) {
    void *p = room->at;
    room->at += (len + ZN_SLACK - 1) / ZN_SLACK * ZN_SLACK;
    return p;
}

/* The three ways. Each writes a whole payload and answers its length; 0 when it does not fit into `cap` bytes. */
size_t zn_delta_dense(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_pair *pair,
                      struct zn_room room, uint8_t *payload, size_t cap);
size_t zn_delta_sparse(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_pair *pair,
                       const uint64_t *changed, struct zn_room room, uint8_t *payload, size_t cap);
size_t zn_delta_given(struct zn_coder *coder, const struct zn_effort *effort, enum zn_layout layout, unsigned head,
                      const uint8_t *src, const uint8_t *ref, uint32_t len, uint8_t *payload, size_t cap);

/* The models of dense coding: blocks that move alike. */
struct zn_delta_models {
    unsigned n; /* 1 .. ZN_R16_MAX_TABLES */
    unsigned n_low;
    unsigned block_log2;
    uint8_t scales[ZN_R16_MAX_TABLES];
    uint8_t *ids; /* by block */
};

/* Chooses them; `highest` is the highest context that is not rare. */
void zn_delta_models_choose(const struct zn_kernels *k, const struct zn_pair *pair, unsigned highest,
                            unsigned max_models, struct zn_room *room, struct zn_delta_models *models);

/* What a sample says of a chunk and its reference, in bits * ZN_COST_ONE for each element. */
struct zn_delta_verdict {
    uint64_t alone, delta, given; /* costs */
    bool certain;                 /* floats with low bytes like noise: `alone` is what a chunk on its own takes */
};

struct zn_delta_verdict zn_delta_judge(const struct zn_pair *pair);

/* Decoding, after the head of the payload. */
struct zn_delta_body {
    struct zn_cur cur;
    const uint8_t *start;
    uint64_t at; /* offset of `start` in the archive */
    unsigned detail;
};

zipnn_status zn_delta_dense_decode(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                   struct zn_room room, uint8_t *out, zipnn_error *err);
zipnn_status zn_delta_sparse_decode(struct zn_coder *coder, const struct zn_pair *pair, struct zn_delta_body *body,
                                    struct zn_room room, uint8_t *out, zipnn_error *err);

zipnn_status zn_delta_given_decode(struct zn_coder *coder, unsigned layout, unsigned head, struct zn_delta_body *body,
                                   const uint8_t *ref, uint8_t *out, uint32_t orig_len, enum zn_store store,
                                   zipnn_error *err);

/* Takes a coded stream whose record stands before; what is short is corrupt. */
zipnn_status zn_delta_take(struct zn_delta_body *body, struct zn_coded *coded, zipnn_error *err);

#endif
