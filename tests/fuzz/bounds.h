/* What an operation may cost, whatever its input is: work counted in decoded bytes, memory by an allocator that counts.
 * The numbers are those of doc/trust.md. */
#ifndef ZN_TESTS_FUZZ_BOUNDS_H
#define ZN_TESTS_FUZZ_BOUNDS_H

#include "api/context.h"
#include "support/heap.h"

struct zt_bounds {
    struct zt_heap heap;
    struct zn_toll before;
};

/* Before an operation with a context of one thread whose allocator is the heap's. */
void zt_bounds_begin(struct zt_bounds *b, const zipnn_ctx *ctx);

/* After it: ends the process where it cost more than `present` bytes of input and an original of so many allow. An
 * operation that opens an archive, reads it and verifies it counts as `n`. */
void zt_bounds_end(const struct zt_bounds *b, const zipnn_ctx *ctx, uint64_t present, uint64_t original, unsigned n);

/* Original bytes that the archive's frames stand for, wherever frames may lie; more than it restores to. */
uint64_t zt_claimed(const uint8_t *archive, size_t len);

#endif
