/* Joint symbols less what the columns of a matrix foretell (doc/format.md, section 5.6). Weights of one column are often
 * of one size. A column's mean symbol is learnt row by row, so that nothing about it is stored. */
#ifndef ZN_CHUNK_COLUMNS_H
#define ZN_CHUNK_COLUMNS_H

#include "chunk/joint.h"

/* The means of all columns while the symbols of a chunk are walked through. */
struct zn_columns {
    struct zn_columns_head head;
    uint16_t *mean; /* min(stride, n) of them */
    size_t row, column;
};

/* Starts before the first of n symbols. `mean` has room for min(head->stride, n). */
struct zn_columns zn_columns_begin(const struct zn_columns_head *head, size_t n, uint16_t *mean);

/* Turns the next n differences into symbols. */
void zn_columns_add(struct zn_columns *columns, const struct zn_joint_kernels *k, uint8_t *symbols, size_t n);

/* Turns the next n symbols into differences. Returns the sum of their distances from the means. */
uint64_t zn_columns_take(struct zn_columns *columns, const struct zn_joint_kernels *k, const uint8_t *symbols, size_t n,
                         uint8_t *out);

/* Decodes the plane of n elements below the symbols as the kernels of joint symbols take it: packed if it has fewer than
 * 8 bits. A stored plane is used where it is. */
zipnn_status zn_columns_plane(struct zn_coder *coder, const struct zn_coded *in, size_t n, unsigned bits,
                              const uint8_t **plane, zipnn_error *err);

#endif
