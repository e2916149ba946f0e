/* The ways of coding a chunk. Each writes a body, or replaces the one that is there by a smaller one; ways.c has them
 * in the order in which they are tried, with the reason for each.
 */
#ifndef ZN_CHUNK_WAYS_H
#define ZN_CHUNK_WAYS_H

#include "chunk/chunk.h"

/* How far an encoder goes. */
enum zn_stage {
    ZN_STAGE_PLAIN,  /* layouts that take elements apart */
    ZN_STAGE_NESTED, /* and those made of chunks that may stand inside a chunk of repeats */
    ZN_STAGE_WHOLE   /* and all others */
};

/* The best body so far. */
struct zn_draft {
    uint8_t *to;          /* where it lies, with room for zn_chunk_bound(len) */
    struct zn_body body;  /* as it was read there; len 0: there is none yet */
    struct zn_body plain; /* the best one of ZN_STAGE_PLAIN, from which later stages tell what the elements are */
    enum zn_stage last;   /* the stage after which nothing is tried */
    bool unsure;          /* the ways for what is not as usual may find something better */
};

/* Tries a way. Returns the length of the body that now lies at draft->to, or 0 when it left that memory alone. */
typedef uint32_t zn_way_fn(const struct zn_encoder *e, struct zn_draft *draft);

zn_way_fn zn_values_encode, zn_records_encode, zn_floats_encode, zn_words_encode, zn_tops_encode, zn_joint_rival_encode;
zn_way_fn zn_scaled_encode, zn_differences_encode, zn_frequent_encode, zn_repeats_encode, zn_mixed_encode;

/* Encodes into `to`, which has room for zn_chunk_bound(len), by the ways up to a stage. Returns the length. */
uint32_t zn_ways_encode(const struct zn_encoder *e, enum zn_stage last, uint8_t *to);

#endif
