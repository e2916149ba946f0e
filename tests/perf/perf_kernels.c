/* perf_kernels SET: calls each kernel of a set once, on input that is always the same. check_counts.py runs it under
 * callgrind and reads how many instructions were executed below each function measure_KERNEL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

enum {
    N = 1 << 16,
    N_TABLES = 4,
    BLOCK_LOG2 = 9,
    N_BLOCKS = N >> BLOCK_LOG2,
    LISTED = 15,
    FIRST = 112,
    ESC_MARK = 255
};

struct rig {
    const struct zn_kernels *k;
    struct zn_r16_table tables[N_TABLES];
    struct zn_r16_codes codes[N_TABLES];
    struct zn_r16_encoder encoder;
    struct zn_r16_decoder decoder, fused, wide;
    uint8_t class_of[256], ids[N_BLOCKS], assigned[N_BLOCKS];
    _Alignas(64) uint16_t hist[N_BLOCKS][ZN_R16_CLASSES];
    _Alignas(64) uint16_t cost[N_TABLES][ZN_R16_CLASSES];
    _Alignas(64) uint8_t symbols[N], raw[N], restored[N];
    _Alignas(64) uint8_t words[4 * N], planes[4][N];
    _Alignas(64) uint8_t in[N + 2 * ZN_SLACK], esc[N + 2 * ZN_SLACK];
    uint8_t *plane_at[4];
    bool ok;
};

/* ---- what is counted --------------------------------------------------------------------------------------------- */

/* Functions of their own, with something left to do after the kernel so that it is called and not jumped to. */
#define MEASURE(kernel, call)                                       \
    __attribute__((noinline)) void measure_##kernel(struct rig *r); \
    void measure_##kernel(struct rig *r) {                          \
        call;                                                       \
        __asm__ volatile("" ::: "memory");                          \
    }

MEASURE(split_16r, r->k->split[ZN_SHAPE_16R](r->words, N, r->plane_at))
MEASURE(merge_16r, r->k->merge[ZN_SHAPE_16R]((const uint8_t *const *)r->plane_at, N, r->words, ZN_STORE_CACHED))
MEASURE(split_32r, r->k->split[ZN_SHAPE_32R](r->words, N, r->plane_at))
MEASURE(merge_32r, r->k->merge[ZN_SHAPE_32R]((const uint8_t *const *)r->plane_at, N, r->words, ZN_STORE_CACHED))
MEASURE(class_hist, r->k->class_hist(r->symbols, N, BLOCK_LOG2, r->class_of, LISTED, 1, r->hist))
MEASURE(assign, r->k->assign((const uint16_t (*)[ZN_R16_CLASSES])r->hist, N_BLOCKS,
                             (const uint16_t (*)[ZN_R16_CLASSES])r->cost, N_TABLES, r->assigned))
MEASURE(r16_encode, r->k->r16_encode(&r->encoder, r->symbols, N))
MEASURE(r16_decode, r->ok &= r->k->r16_decode(&r->decoder, r->restored, N))
MEASURE(r16_decode_16r, r->ok &= r->k->r16_decode_16r(&r->fused, r->raw, r->words, N, ZN_STORE_CACHED))
MEASURE(r16_decode_32r,
        r->ok &= r->k->r16_decode_32r(&r->wide, (const uint8_t *const *)r->plane_at, r->words, N, ZN_STORE_CACHED))

/* ---- input ------------------------------------------------------------------------------------------------------- */

static uint32_t next(uint32_t *seed) {
    return (*seed = *seed * 1664525 + 1013904223) >> 16;
}

/* Bell-shaped symbols, one in some hundreds unlisted; the middle moves a little from block to block. */
static void fill(struct rig *r) {
    uint32_t seed = 1;
    for (size_t i = 0; i < N; i++) {
        uint32_t u = next(&seed);
        r->symbols[i] =
            (uint8_t)(FIRST + (u & 3) + (u >> 2 & 3) + (u >> 4 & 3) + (u >> 6 & 3) + ((i >> BLOCK_LOG2) & 1));
        if (next(&seed) % 300 == 0) r->symbols[i] = (uint8_t)(u & 63);
        r->raw[i] = (uint8_t)next(&seed);
    }
    for (size_t i = 0; i < sizeof r->words; i++) r->words[i] = (uint8_t)next(&seed);
    for (unsigned p = 0; p < 4; p++) r->plane_at[p] = r->planes[p];
}

static void make_tables(struct rig *r) {
    static const uint8_t bell[LISTED] = {1, 1, 2, 4, 6, 8, 9, 9, 7, 6, 4, 2, 1, 1, 1}; /* 62, and 2 for the escape */
    memset(r->class_of, ZN_R16_CLASSES - 1, sizeof r->class_of);
    for (unsigned c = 0; c < LISTED; c++) r->class_of[FIRST + c] = (uint8_t)c;
    for (unsigned t = 0; t < N_TABLES; t++) {
        struct zn_r16_model m = {.n = LISTED, .esc_freq = 2};
        for (unsigned c = 0; c < LISTED; c++) {
            m.sym[c] = (uint8_t)(FIRST + c);
            m.freq[c] = bell[(c + t) % LISTED];
            r->cost[t][c] = (uint16_t)(64 - m.freq[c]);
        }
        r->cost[t][ZN_R16_CLASSES - 1] = 200;
        zn_r16_table_build(&r->tables[t], &m, ZN_R16_SLOTS_LOG2, ESC_MARK);
        zn_r16_codes_build(&r->codes[t], &m, r->class_of);
    }
    for (size_t b = 0; b < N_BLOCKS; b++) r->ids[b] = (uint8_t)(b * 7 % N_TABLES);
}

static void make_encoder(struct rig *r) {
    struct zn_r16_encoder *e = &r->encoder;
    e->tables = r->codes;
    e->ids = r->ids;
    e->block_log2 = BLOCK_LOG2;
    e->lanes_log2 = 7;
    e->slots_log2 = ZN_R16_SLOTS_LOG2;
    memcpy(e->class_of, r->class_of, sizeof e->class_of);
    for (unsigned l = 0; l < ZN_R16_LANES; l++) e->state[l] = ZN_R16_LOW;
    e->out = r->in + N + ZN_SLACK;
    e->esc = r->esc + N + ZN_SLACK;
}

static void make_decoders(struct rig *r) {
    struct zn_r16_decoder *d = &r->decoder;
    d->tables = r->tables;
    d->ids = r->ids;
    d->block_log2 = BLOCK_LOG2;
    d->lanes_log2 = 7;
    d->slots_log2 = ZN_R16_SLOTS_LOG2;
    d->esc_mark = ESC_MARK;
    memcpy(d->state, r->encoder.state, sizeof d->state);
    d->in = r->encoder.out, d->in_end = r->in + N + ZN_SLACK;
    d->esc = r->encoder.esc, d->esc_end = r->esc + N + ZN_SLACK;
    r->fused = r->wide = *d;
}

int main(int argc, char **argv) {
    static struct rig rig = {.ok = true};
    struct rig *r = &rig;
    for (unsigned i = 0; (r->k = zn_kernels_at(i)) && (argc != 2 || strcmp(argv[1], r->k->name) != 0);) i++;
    if (!r->k) {
        fprintf(stderr, "usage: perf_kernels SET, one that this processor has\n");
        return 2;
    }
    fill(r);
    make_tables(r);
    make_encoder(r);
    measure_split_16r(r);
    measure_merge_16r(r);
    measure_split_32r(r);
    measure_merge_32r(r);
    measure_class_hist(r);
    measure_assign(r);
    measure_r16_encode(r);
    make_decoders(r);
    measure_r16_decode(r);
    measure_r16_decode_16r(r);
    measure_r16_decode_32r(r);
    return r->ok && memcmp(r->restored, r->symbols, N) == 0 ? 0 : 1;
}
