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

/* Up to `most` (31) of the most frequent symbols become classes, in ascending order; none of at most 1 in 2^rare_shift.
 * Those of a stream of one table are best all listed by it. */
void zn_r16_choose_classes(const uint32_t *counts, unsigned rare_shift, unsigned most, uint8_t class_of[256],
                           uint8_t *classes, unsigned *n_classes);

/* A symbol that a sample missed may still occur, so a sampled table always keeps a slot for the escape. */
enum zn_counts { ZN_COUNTS_EXACT, ZN_COUNTS_SAMPLED };

/* The tables of one stream, to be fitted together. */
struct zn_r16_group {
    enum zn_counts kind;
    bool nested;                              /* its escapes are bytes as they are */
    unsigned n;                               /* tables */
    const uint32_t *counts[ZN_R16_MAX_GIVEN]; /* by table: of classes */
    const uint32_t *symbols;                  /* of all symbols, in the sample that chose the classes */
    const uint8_t *class_of, *classes;
    unsigned n_classes;
    uint8_t *first; /* by table: index of its first class */
    struct zn_r16_model *models;
};

/* From counts of classes to tables: which consecutive classes each lists and how it shares out the 64 slots, given that
 * the escapes of all of them are coded together. Returns the cost of these counts under them, the tables' slots and the
 * escapes' bytes with it, in ZN_COST_ONE units. */
uint64_t zn_r16_models_fit(const struct zn_r16_group *group);

/* Bytes that their classes and tables take. */
size_t zn_r16_tables_len(const struct zn_r16_group *group);

/* Cost of the ids of n_blocks blocks, of which blocks[t] use table t, in ZN_COST_ONE units. */
uint64_t zn_r16_ids_cost(const uint32_t *blocks, unsigned n_tables, size_t n_blocks);

/* Merges clusters that are in order of their mean class, of blocks of which every step-th group of symbols was counted:
 * n_tables, sums, blocks and ids change. */
void zn_r16_merge(struct zn_r16_fit *fit, unsigned step);

#endif
