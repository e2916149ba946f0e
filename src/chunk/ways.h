/* The ways of coding a chunk. Each way writes a body, or replaces the existing one by a shorter one. ways.c lists them
 * in the order in which they are tried, with the reason for each. */
#ifndef ZN_CHUNK_WAYS_H
#define ZN_CHUNK_WAYS_H

#include "chunk/chunk.h"

/* How many of the ways an encoder tries. */
enum zn_stage {
    ZN_STAGE_PLAIN,  /* layouts that take elements apart */
    ZN_STAGE_NESTED, /* also those made of chunks that may stand inside a chunk of repeats */
    ZN_STAGE_WHOLE   /* also all others */
};

/* The best body so far. */
struct zn_draft {
    uint8_t *to;          /* where the body lies, with room for zn_chunk_bound(len) */
    struct zn_body body;  /* the parsed body; its len is 0 while there is none */
    struct zn_body plain; /* the best body of ZN_STAGE_PLAIN; it tells later stages what the elements are */
    enum zn_stage last;   /* the stage after which nothing is tried */
    bool unsure;          /* the elements are unusual, and other ways may find something better */
    bool clear;           /* no faster level has a shorter body, so that none is asked */
};

/* Tries a way. Returns the length of the body that now lies at draft->to, or 0 when that memory is unchanged. */
typedef uint32_t zn_way_fn(const struct zn_encoder *e, struct zn_draft *draft);

zn_way_fn zn_values_encode, zn_records_encode, zn_floats_encode, zn_words_encode, zn_tops_encode, zn_joint_rival_encode;
zn_way_fn zn_columns_encode, zn_respelled_encode, zn_gathered_encode;
zn_way_fn zn_scaled_encode, zn_keyed_encode, zn_differences_encode, zn_frequent_encode, zn_repeats_encode,
    zn_mixed_encode;

/* Encodes into `to`, which has room for zn_chunk_bound(len), by the ways up to stage `last`. Returns the length. */
uint32_t zn_ways_encode(const struct zn_encoder *e, enum zn_stage last, uint8_t *to);

#endif
