/* The encoder's choice for one R16 stream: the classes, the tables, and the table of each block. */
#ifndef ZN_CODEC_R16_FIT_H
#define ZN_CODEC_R16_FIT_H

#include "kernels/kernels.h"

enum {
    ZN_MAX_LISTABLE = ZN_R16_CLASSES - 1,
    ZN_R16_RARE_SHIFT = 12 /* a symbol with at most 1/4096 of the counts is listed by no table, however local it is */
};

struct zn_r16_fit {
    unsigned n_classes; /* symbols that a table may list, in ascending order */
    uint8_t classes[ZN_MAX_LISTABLE];
    uint8_t class_of[256];
    unsigned n_tables, block_log2;
    size_t n_blocks;
    uint8_t first[ZN_R16_MAX_TABLES]; /* index of a table's first class */
    struct zn_r16_model models[ZN_R16_MAX_TABLES];
    size_t dearest;                                   /* cost of the dearer choice of blocks */
    bool lacks_tables;                                /* more tables might save more */
    uint8_t *ids, *spare;                             /* by block; room for other ones */
    uint32_t *weights;                                /* by block */
    uint16_t (*hist)[ZN_R16_CLASSES];                 /* by block */
    uint16_t (*sample)[ZN_R16_CLASSES];               /* a sample of hist */
    uint32_t sums[ZN_R16_MAX_TABLES][ZN_R16_CLASSES]; /* counts behind each table */
    uint32_t blocks[ZN_R16_MAX_TABLES];               /* number of blocks that use each table */
};

/* Makes up to `most` (at most 31) of the most frequent symbols classes, in ascending order. Symbols with at most 1 in
 * 2^rare_shift of the counts are left out. If a stream has one table, it should list all classes. */
void zn_r16_choose_classes(const uint32_t *counts, unsigned rare_shift, unsigned most, uint8_t class_of[256],
                           uint8_t *classes, unsigned *n_classes);

/* A symbol that a sample missed may still occur, so a sampled table always keeps a slot for the escape. */
enum zn_counts { ZN_COUNTS_EXACT, ZN_COUNTS_SAMPLED };

/* The tables of one stream, to be fitted together. */
struct zn_r16_group {
    enum zn_counts kind;
    bool nested;                              /* its escapes are stored bytes */
    unsigned n;                               /* number of tables */
    const uint32_t *counts[ZN_R16_MAX_GIVEN]; /* counts of classes, by table */
    const uint32_t *symbols;                  /* counts of all symbols, in the sample that chose the classes */
    const uint8_t *class_of, *classes;
    unsigned n_classes;
    uint8_t *first; /* index of the first class, by table */
    struct zn_r16_model *models;
};

/* Fits tables to counts of classes: chooses which consecutive classes each table lists and how it divides its 64 slots,
 * given that the escapes of all tables are coded together. Returns the cost of these counts, in units of ZN_COST_ONE.
 * The cost includes the tables' slots and the bytes of the escapes. */
uint64_t zn_r16_models_fit(const struct zn_r16_group *group);

/* Returns the bytes that classes and tables take. */
size_t zn_r16_tables_len(const struct zn_r16_group *group);

/* Returns the cost of the ids of n_blocks blocks, in units of ZN_COST_ONE. blocks[t] of them use table t. */
uint64_t zn_r16_ids_cost(const uint32_t *blocks, unsigned n_tables, size_t n_blocks);

/* Merges clusters, which are ordered by their mean class. Every step-th group of symbols of their blocks was counted.
 * Changes n_tables, sums, blocks and ids. */
void zn_r16_merge(struct zn_r16_fit *fit, unsigned step);

#endif
