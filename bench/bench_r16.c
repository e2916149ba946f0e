/* Measures the R16 kernels of every set on this CPU, in GB/s of bf16 (2 bytes per symbol), median of several runs.
 * Exponents are those of Gaussian rows with log-normal row scales. "hot" is one chunk in the L2 cache, repeatedly;
 * "stream" writes 256 MiB of output once per run, beside a memcpy of the same length. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "kernels/kernels.h"

enum { CHUNK = 1 << 18, N_CHUNKS = 512, RUNS = 9, HOT_LOOPS = 200, ROW = 4096, N_CLASSES = 31, ESC_MARK = 255 };

/* ---- data ---- */

static double uniform(void) {
    static uint64_t seed = 1;
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return ((double)(seed >> 11) + 0.5) / 9007199254740992.0;
}

static double gauss(void) {
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static void make_exponents(uint8_t *e, size_t n) {
    double scale = 0;
    for (size_t i = 0; i < n; i++) {
        if (i % ROW == 0) scale = 0.02 * exp(0.3 * gauss());
        float v = (float)(scale * gauss());
        uint32_t bits;
        memcpy(&bits, &v, 4);
        e[i] = (uint8_t)(bits >> 23);
    }
}

static void *big_alloc(size_t len) {
    void *p = aligned_alloc(1 << 21, (len + (1 << 21)) & ~(size_t)((1 << 21) - 1));
    if (!p) exit(1);
    madvise(p, len, MADV_HUGEPAGE);
    memset(p, 1, len);
    return p;
}

/* ---- models: greedy slots for the most frequent symbols ---- */

struct coding {
    unsigned n_tables, block_log2;
    uint8_t class_of[256], ids[CHUNK >> ZN_R16_MIN_BLOCK];
    struct zn_r16_table tables[ZN_R16_MAX_TABLES];
    struct zn_r16_codes codes[ZN_R16_MAX_TABLES];
};

static int most_frequent(const uint32_t *hist, const uint8_t *taken) {
    int best = -1;
    for (int s = 0; s < 256; s++)
        if (hist[s] && !taken[s] && (best < 0 || hist[s] > hist[best])) best = s;
    return best;
}

static struct zn_r16_model make_model(const uint32_t *hist, const uint8_t *class_of) {
    struct zn_r16_model m = {.esc_freq = 1};
    uint8_t taken[256];
    for (unsigned s = 0; s < 256; s++) taken[s] = class_of[s] == ZN_R16_CLASSES - 1;
    for (int s; m.n < ZN_R16_MAX_LISTED && (s = most_frequent(hist, taken)) >= 0; taken[s] = 1) {
        m.sym[m.n] = (uint8_t)s;
        m.freq[m.n++] = 1;
    }
    for (unsigned slots = 1U + m.n; slots < ZN_R16_SLOTS; slots++) {
        unsigned best = 0;
        double best_gain = 0;
        for (unsigned r = 0; r < m.n; r++) {
            double gain = hist[m.sym[r]] * log2((m.freq[r] + 1.0) / m.freq[r]);
            if (gain > best_gain) best = r, best_gain = gain;
        }
        m.freq[best]++;
    }
    return m;
}

static void count(uint32_t *hist, const uint8_t *e, size_t n) {
    for (size_t i = 0; i < n; i++) hist[e[i]]++;
}

static double block_mean(const uint8_t *e, unsigned block_log2) {
    double sum = 0;
    for (size_t i = 0; i < (size_t)1 << block_log2; i++) sum += e[i];
    return sum / (double)((size_t)1 << block_log2);
}

/* Groups blocks by their mean exponent, in steps of an eighth. */
static void make_coding(struct coding *c, const uint8_t *e, unsigned n_tables, unsigned block_log2) {
    static uint32_t hist[ZN_R16_MAX_TABLES][256], all[256];
    memset(hist, 0, sizeof hist);
    memset(all, 0, sizeof all);
    c->n_tables = n_tables;
    c->block_log2 = block_log2;
    count(all, e, CHUNK);
    memset(c->class_of, ZN_R16_CLASSES - 1, sizeof c->class_of);
    uint8_t taken[256] = {0};
    for (int k = 0, s; k < N_CLASSES && (s = most_frequent(all, taken)) >= 0; k++, taken[s] = 1)
        c->class_of[s] = (uint8_t)k;

    double mid = block_mean(e, 18);
    for (size_t b = 0; b < (size_t)CHUNK >> block_log2; b++) {
        const uint8_t *block = e + (b << block_log2);
        double t = (block_mean(block, block_log2) - mid) * 8 + n_tables / 2.0;
        c->ids[b] = (uint8_t)(t < 0 ? 0 : t >= n_tables ? n_tables - 1 : (unsigned)t);
        count(hist[c->ids[b]], block, (size_t)1 << block_log2);
    }
    for (unsigned t = 0; t < n_tables; t++) {
        struct zn_r16_model m = make_model(hist[t], c->class_of);
        zn_r16_table_build(&c->tables[t], &m, ZN_R16_SLOTS_LOG2, ESC_MARK);
        zn_r16_codes_build(&c->codes[t], &m, c->class_of);
    }
}

/* ---- what is measured ---- */

struct packed {
    uint16_t state[ZN_R16_LANES];
    const uint8_t *in, *in_end, *esc, *esc_end;
};

struct rig {
    const struct zn_kernels *k;
    const struct coding *c;
    const uint8_t *plane, *raw;
    uint8_t *room, *out; /* for both streams CHUNK * 2 + 2 * ZN_SLACK each; N_CHUNKS * CHUNK * 2 */
    struct packed one, *many;
};

static void encode(struct rig *r, struct packed *p) {
    struct zn_r16_encoder e = {
        .tables = r->c->codes, .block_log2 = r->c->block_log2, .lanes_log2 = 7, .slots_log2 = ZN_R16_SLOTS_LOG2};
    if (r->c->n_tables > 1) e.ids = r->c->ids;
    memcpy(e.class_of, r->c->class_of, sizeof e.class_of);
    for (unsigned l = 0; l < ZN_R16_LANES; l++) e.state[l] = ZN_R16_LOW;
    p->in_end = e.out = r->room + CHUNK + ZN_SLACK;
    p->esc_end = e.esc = r->room + 2 * (CHUNK + ZN_SLACK);
    r->k->r16_encode(&e, r->plane, CHUNK);
    memcpy(p->state, e.state, sizeof p->state);
    p->in = e.out;
    p->esc = e.esc;
}

static struct zn_r16_decoder decoder(const struct rig *r, const struct packed *p) {
    struct zn_r16_decoder d = {
        .tables = r->c->tables, .block_log2 = r->c->block_log2, .lanes_log2 = 7, .slots_log2 = ZN_R16_SLOTS_LOG2};
    if (r->c->n_tables > 1) d.ids = r->c->ids;
    d.esc_mark = ESC_MARK;
    memcpy(d.state, p->state, sizeof d.state);
    d.in = p->in, d.in_end = p->in_end;
    d.esc = p->esc, d.esc_end = p->esc_end;
    return d;
}

static void run_encode(struct rig *r) {
    struct packed p;
    encode(r, &p);
}

static void run_decode(struct rig *r) {
    struct zn_r16_decoder d = decoder(r, &r->one);
    r->k->r16_decode(&d, r->out, CHUNK);
}

static void run_merge(struct rig *r) {
    struct zn_r16_decoder d = decoder(r, &r->one);
    r->k->r16_decode_16r(&d, r->raw, r->out, CHUNK, ZN_STORE_CACHED);
}

static void stream(struct rig *r, enum zn_store store, size_t shift) {
    for (size_t i = 0; i < N_CHUNKS; i++) {
        struct zn_r16_decoder d = decoder(r, &r->many[i]);
        d.ahead = (struct zn_ahead){r->raw + (i + 1) % N_CHUNKS * CHUNK, CHUNK, 2};
        r->k->r16_decode_16r(&d, r->raw + i * CHUNK, r->out + i * 2 * CHUNK + shift, CHUNK, store);
    }
}

static void run_cached(struct rig *r) {
    stream(r, ZN_STORE_CACHED, 0);
}
static void run_stream(struct rig *r) {
    stream(r, ZN_STORE_STREAM, 0);
}
static void run_shifted(struct rig *r) {
    stream(r, ZN_STORE_STREAM, 14);
}

static uint8_t *copy_from;
static void run_memcpy(struct rig *r) {
    memcpy(r->out, copy_from, (size_t)N_CHUNKS * CHUNK * 2);
}

static int by_value(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* Returns GB/s. Each run makes `loops` calls of `bytes` each. */
static double rate(void (*run)(struct rig *), struct rig *r, unsigned loops, double bytes) {
    double seconds[RUNS];
    for (unsigned i = 0; i < RUNS; i++) {
        struct timespec t0, t1;
        clock_gettime(CLOCK_MONOTONIC, &t0);
        for (unsigned l = 0; l < loops; l++) run(r);
        clock_gettime(CLOCK_MONOTONIC, &t1);
        seconds[i] = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) * 1e-9;
    }
    qsort(seconds, RUNS, sizeof *seconds, by_value);
    return bytes * loops / seconds[RUNS / 2] * 1e-9;
}

/* Gives every chunk of the stream a copy of its own, so that all of it comes from memory. */
static void spread(struct rig *r) {
    size_t in = (size_t)(r->one.in_end - r->one.in), esc = (size_t)(r->one.esc_end - r->one.esc);
    static uint8_t *room;
    if (!room) room = big_alloc((size_t)N_CHUNKS * CHUNK);
    for (size_t i = 0; i < N_CHUNKS; i++) {
        uint8_t *p = room + i * (in + esc);
        memcpy(p, r->one.in, in);
        memcpy(p + in, r->one.esc, esc);
        r->many[i] = r->one;
        r->many[i].in = p, r->many[i].in_end = r->many[i].esc = p + in;
        r->many[i].esc_end = p + in + esc;
    }
}

static void measure(struct rig *r, const char *only) {
    for (unsigned k = 0; (r->k = zn_kernels_at(k)); k++) {
        if (only && strcmp(only, r->k->name) != 0) continue;
        unsigned loops = strcmp(r->k->name, "scalar") == 0 ? HOT_LOOPS / 10 : HOT_LOOPS;
        encode(r, &r->one);
        double size = (double)(r->one.in_end - r->one.in) + (double)(r->one.esc_end - r->one.esc) + 256;
        printf("%2u tables, blocks of %6u: %5.3f bit, %-6s hot:", r->c->n_tables, 1U << r->c->block_log2,
               size * 8 / CHUNK, r->k->name);
        printf(" encode %6.2f", rate(run_encode, r, loops, 2.0 * CHUNK));
        printf("  decode %6.2f", rate(run_decode, r, loops, 2.0 * CHUNK));
        printf("  merged %6.2f", rate(run_merge, r, loops, 2.0 * CHUNK));
        if (loops == HOT_LOOPS) {
            double all = 2.0 * N_CHUNKS * CHUNK;
            spread(r);
            printf(" | stream: cached %6.2f", rate(run_cached, r, 1, all));
            printf("  nt %6.2f", rate(run_stream, r, 1, all));
            printf("  nt unaligned %6.2f", rate(run_shifted, r, 1, all));
            printf("  memcpy %6.2f", rate(run_memcpy, r, 1, all));
        }
        printf("\n");
    }
}

int main(int argc, char **argv) {
    static struct coding coding;
    static struct packed many[N_CHUNKS];
    size_t all = (size_t)2 * N_CHUNKS * CHUNK;
    uint8_t *plane = big_alloc(CHUNK), *room = big_alloc(2 * (CHUNK + ZN_SLACK));
    copy_from = big_alloc(all);
    for (size_t i = 0; i < all; i++) copy_from[i] = (uint8_t)(i * 2654435761U >> 13);
    make_exponents(plane, CHUNK);
    struct rig r = {
        .c = &coding, .plane = plane, .raw = copy_from, .room = room, .out = big_alloc(all + 64), .many = many};

    static const unsigned configs[][2] = {{1, 18}, {4, 11}, {16, 8}, {16, 7}};
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        make_coding(&coding, plane, configs[i][0], configs[i][1]);
        measure(&r, argc > 1 ? argv[1] : NULL);
    }
    return 0;
}
