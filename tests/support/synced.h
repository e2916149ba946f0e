/* A trainer and an engine: tensors of all kinds, training, updates between the two (zipnn/sync.h). What fails here fails
 * the test. */
#ifndef ZN_TESTS_SUPPORT_SYNCED_H
#define ZN_TESTS_SUPPORT_SYNCED_H

#include <stdbool.h>

#include "support/samples.h"
#include "support/streams.h"
#include "zipnn/sync.h"

enum { ZT_MAX_TENSORS = 24, ZT_MAX_RANK = 4, ZT_WIRE_CAP = 8 << 20 };

/* Tensors and their memory. */
struct zt_model {
    size_t n;
    zipnn_tensor t[ZT_MAX_TENSORS];
    uint64_t shape[ZT_MAX_TENSORS][ZT_MAX_RANK];
    int64_t strides[ZT_MAX_TENSORS][ZT_MAX_RANK];
    size_t len[ZT_MAX_TENSORS];
    uint8_t *memory;
    size_t memory_len;
};

struct zt_row {
    const char *name;
    zipnn_dtype dtype;
    uint32_t rank;
    uint64_t shape[ZT_MAX_RANK];
    unsigned width; /* bytes of an element; blocks of Q4_0 have 18 bytes for 32 */
    enum zt_sample sample;
    bool turned; /* columns lie one after the other */
};

/* All kinds: large and small, of each width, with and without strides, empty ones and a scalar. */
enum { ZT_N_LARGE = 15, ZT_N_SMALL = 3 };
extern const struct zt_row zt_large[ZT_N_LARGE];

/* Few bytes, so that each of an update can be tried. */
extern const struct zt_row zt_small[ZT_N_SMALL];

void zt_model_make(struct zt_model *m, const struct zt_row *rows, size_t n);
void zt_model_free(struct zt_model *m);

/* The same values in other memory. */
void zt_model_copy(struct zt_model *to, const struct zt_model *from, const struct zt_row *rows);
bool zt_models_equal(const struct zt_model *a, const struct zt_model *b);

/* Changes about one element in `every`; 0: none. */
void zt_model_train(struct zt_model *m, const struct zt_row *rows, unsigned every, uint64_t seed);

/* What lies between trainer and engine: updates in memory. */
struct zt_wire {
    uint8_t *bytes;
    struct zt_output out;
    struct zt_input in;
};

void zt_wire_begin(struct zt_wire *w);
zipnn_source zt_wire_source(struct zt_wire *w);

zipnn_ctx *zt_context(unsigned threads);
zipnn_weights *zt_weights(zipnn_ctx *ctx, const struct zt_model *m, int copy, uint64_t version);
zipnn_weights_info zt_weights_info(const zipnn_weights *w);
void zt_assert_same_state(const zipnn_weights *a, const zipnn_weights *b);

/* Packs to the end of the wire. Returns the length of the update. */
size_t zt_pack(zipnn_ctx *ctx, zipnn_weights *base, const struct zt_model *m, zipnn_update_form form, int keep,
               struct zt_wire *w);

/* Applies what is in the wire. */
zipnn_status zt_apply(zipnn_ctx *ctx, zipnn_weights *weights, struct zt_wire *w, zipnn_update_stats *stats,
                      zipnn_error *err);
void zt_assert_applies(zipnn_ctx *ctx, zipnn_weights *weights, struct zt_wire *w);

/* A trainer that has packed one step, and an engine that waits for it. */
struct zt_pair {
    zipnn_ctx *ctx;
    struct zt_model old, now, theirs;
    zipnn_weights *sent, *got;
    struct zt_wire w;
};

void zt_pair_begin(struct zt_pair *p, const struct zt_row *rows, size_t n, zipnn_update_form form);
void zt_pair_end(struct zt_pair *p);

/* Sets the engine back, to weights that were just opened. */
void zt_pair_reset(struct zt_pair *p);

/* Each chunk of the engine is that of the old or of the new weights. */
void zt_assert_old_or_new(const struct zt_pair *p);

#endif
