/* The encoder's choice for one R16 stream: classes, tables, a table for each block. */
#ifndef ZN_CODEC_R16_FIT_H
#define ZN_CODEC_R16_FIT_H

#include "kernels/kernels.h"

enum {
    ZN_MAX_LISTABLE = ZN_R16_CLASSES - 1,
    ZN_R16_RARE_SHIFT = 12 /* a symbol of at most 1/4096 is listed by no table, whatever its locality */
};

struct zn_r16_fit {
    unsigned n_classes; /* symbols that some table may list, ascending */
    uint8_t classes[ZN_MAX_LISTABLE];
    uint8_t class_of[256];
    unsigned n_tables, block_log2;
    size_t n_blocks;
    uint8_t first[ZN_R16_MAX_TABLES]; /* index of a table's first class */
    struct zn_r16_model models[ZN_R16_MAX_TABLES];
    uint8_t *ids;                                     /* by block */
    uint32_t *weights;                                /* by block */
    uint16_t (*hist)[ZN_R16_CLASSES];                 /* by block */
    uint16_t (*sample)[ZN_R16_CLASSES];               /* of hist */
    uint32_t sums[ZN_R16_MAX_TABLES][ZN_R16_CLASSES]; /* counts behind each table */
    uint32_t blocks[ZN_R16_MAX_TABLES];               /* how many blocks use it */
};

/* The up to 31 most frequent symbols become classes, in ascending order; none of at most 1 in 2^rare_shift. */
void zn_r16_choose_classes(const uint32_t *counts, unsigned rare_shift, uint8_t class_of[256], uint8_t *classes,
                           unsigned *n_classes);

/* A symbol that a sample missed may still occur, so a sampled table always keeps a slot for the escape. */
enum zn_counts { ZN_COUNTS_EXACT, ZN_COUNTS_SAMPLED };

/* From counts of classes to a table: which consecutive classes to list and how to share out the 64 slots. Answers the
 * cost of these counts under it, in ZN_COST_ONE units. */
uint64_t zn_r16_model_fit(const uint32_t *counts, enum zn_counts kind, const uint8_t *classes, unsigned n_classes,
                          uint8_t *first, struct zn_r16_model *model);

#endif
