#include "commands/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/cli_fail.h"

enum { WINDOW = 1 << 20, MAX_WINDOWS = 8, MAX_GROUPS = 7, MAX_EXPONENTS = 2048 };

/* Where the fields of a float are: mantissa lowest, then exponent, then sign. */
struct layout {
    unsigned exponent_bits, mantissa_bits; /* 0: no float */
};

struct tally {
    uint64_t n, sign[2], exponent[MAX_EXPONENTS], group[MAX_GROUPS][256], plane[PROFILE_PLANES][256];
};

/* For floats that fill whole bytes; a complex number is two of them. */
static struct layout layout_of(zipnn_dtype dtype) {
    zipnn_dtype_info info = {.size = sizeof info};
    if (zipnn_dtype_describe(dtype, &info, NULL) != ZIPNN_OK || info.exponent_bits == 0) return (struct layout){0, 0};
    const unsigned bits = strcmp(info.kind, "complex") == 0 ? info.bits / 2 : info.bits;
    if (bits % 8 != 0 || bits <= info.exponent_bits + 1) return (struct layout){0, 0};
    return (struct layout){info.exponent_bits, bits - 1 - info.exponent_bits};
}

/* Returns the bytes of the word that elements consist of. */
static unsigned width_of(zipnn_dtype dtype, const struct layout *layout) {
    if (layout) return (1 + layout->exponent_bits + layout->mantissa_bits) / 8;
    const unsigned bits = zipnn_dtype_bits(dtype);
    return bits == 16 || bits == 32 || bits == 64 ? bits / 8 : 1;
}

static void count_word(struct tally *t, const struct layout *l, uint64_t word) {
    const unsigned m = l->mantissa_bits, e = l->exponent_bits;
    t->sign[word >> (e + m) & 1]++;
    t->exponent[word >> m & ((1U << e) - 1)]++;
    unsigned left = m;
    for (unsigned g = 0; left > 0; g++) { /* from the top, eight bits at a time */
        const unsigned bits = left < 8 ? left : 8;
        left -= bits;
        t->group[g][word >> left & ((1U << bits) - 1)]++;
    }
}

static void count_bytes(struct tally *t, const struct layout *l, unsigned width, const unsigned char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++, bytes += width) {
        uint64_t word = 0;
        for (unsigned b = 0; b < width; b++) {
            word |= (uint64_t)bytes[b] << 8 * b;
            t->plane[b][bytes[b]]++;
        }
        if (l) count_word(t, l, word);
    }
    t->n += n;
}

static double entropy(const uint64_t *counts, size_t n, uint64_t total) {
    double bits = 0;
    for (size_t i = 0; i < n && total; i++)
        if (counts[i]) bits -= (double)counts[i] * log2((double)counts[i] / (double)total);
    return bits > 0 ? bits / (double)total : 0;
}

/* Spreads windows over the tensor, from its first element to its last; a short tensor is measured whole. */
static zipnn_status read_windows(zipnn_archive *archive, const zipnn_tensor_info *t, struct tally *tally,
                                 const struct layout *l, unsigned width, unsigned char *window, zipnn_error *err) {
    const bool all = t->length <= (uint64_t)WINDOW * MAX_WINDOWS;
    const uint64_t n = all ? (t->length + WINDOW - 1) / WINDOW : MAX_WINDOWS;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t at = all ? i * WINDOW : (t->length - WINDOW) / (MAX_WINDOWS - 1) * i / 8 * 8;
        const size_t len = t->length - at < WINDOW ? (size_t)(t->length - at) : WINDOW;
        zipnn_status st = zipnn_archive_read(archive, t->offset + at, len, window, err);
        if (st != ZIPNN_OK) return st;
        count_bytes(tally, l, width, window, len / width);
    }
    return ZIPNN_OK;
}

static void fill_bins(const struct tally *t, const struct layout *l, uint64_t bins[PROFILE_BINS]) {
    const unsigned shift = l && l->exponent_bits > 8 ? l->exponent_bits - 8 : 0;
    memcpy(bins, t->plane[0], PROFILE_BINS * sizeof *bins);
    if (!l) return;
    memset(bins, 0, PROFILE_BINS * sizeof *bins);
    for (unsigned i = 0; i < MAX_EXPONENTS; i++) bins[i >> shift & (PROFILE_BINS - 1)] += t->exponent[i];
}

static void sum_up(const struct tally *t, const struct layout *l, unsigned width, struct profile *p) {
    p->n_elements = t->n;
    p->bits = 8 * width;
    p->n_planes = width;
    for (unsigned b = 0; b < width; b++) p->needed += p->plane[b] = entropy(t->plane[b], 256, t->n);
    if (!l) return;
    p->exponent_bits = l->exponent_bits;
    p->mantissa_bits = l->mantissa_bits;
    p->sign = entropy(t->sign, 2, t->n);
    p->exponent = entropy(t->exponent, MAX_EXPONENTS, t->n);
    for (unsigned g = 0; g < MAX_GROUPS; g++) p->mantissa += entropy(t->group[g], 256, t->n);
    const double fields = p->sign + p->exponent + p->mantissa;
    if (fields < p->needed) p->needed = fields;
}

zipnn_status profiler_start(struct profiler *p, zipnn_archive *archive, zipnn_error *err) {
    *p = (struct profiler){archive, calloc(1, sizeof *p->tally), malloc(WINDOW), {0}};
    if (p->tally && p->window) return ZIPNN_OK;
    profiler_end(p);
    return cli_fail(err, ZIPNN_E_MEMORY, "no memory for a window of %d bytes", WINDOW);
}

void profiler_end(struct profiler *p) {
    free(p->tally);
    free(p->window);
    *p = (struct profiler){.archive = NULL};
}

static void begin(struct profiler *p, const zipnn_tensor_info *t, struct profile *profile) {
    *profile = (struct profile){.tensor = *t};
    memset(p->bins, 0, sizeof p->bins);
    if (p->tally->n) memset(p->tally, 0, sizeof *p->tally);
}

zipnn_status profiler_look(struct profiler *p, const zipnn_tensor_info *t, struct profile *profile, zipnn_error *err) {
    const struct layout fields = layout_of(t->dtype), *l = fields.exponent_bits ? &fields : NULL;
    const unsigned width = width_of(t->dtype, l);
    begin(p, t, profile);
    const zipnn_status st = read_windows(p->archive, t, p->tally, l, width, p->window, err);
    if (st != ZIPNN_OK) return st;
    sum_up(p->tally, l, width, profile);
    fill_bins(p->tally, l, p->bins);
    return ZIPNN_OK;
}

/* A sink that stops after some megabytes. */
struct counting {
    struct tally *tally;
    const struct layout *layout;
    unsigned width;
    uint64_t left;
};

static zipnn_status count_values(void *user, const void *buf, size_t len, zipnn_error *err) {
    struct counting *c = user;
    const size_t n = len < c->left ? len : (size_t)c->left;
    (void)err;
    count_bytes(c->tally, c->layout, c->width, buf, n / c->width);
    c->left -= n;
    return c->left ? ZIPNN_OK : ZIPNN_E_CANCELLED;
}

zipnn_status profiler_look_at_values(struct profiler *p, uint64_t index, const zipnn_tensor_info *t,
                                     struct profile *profile, zipnn_error *err) {
    const struct layout fields = layout_of(t->dtype), *l = fields.exponent_bits ? &fields : NULL;
    struct counting c = {p->tally, l, width_of(t->dtype, l), (uint64_t)WINDOW * MAX_WINDOWS};
    const zipnn_sink sink = {.write = count_values, .user = &c};
    begin(p, t, profile);
    const zipnn_status st = zipnn_archive_write_rows(p->archive, index, 0, t->rank ? t->shape[0] : 1, &sink, err);
    if (st != ZIPNN_OK && !(st == ZIPNN_E_CANCELLED && c.left == 0)) return st;
    sum_up(p->tally, l, c.width, profile);
    fill_bins(p->tally, l, p->bins);
    return ZIPNN_OK;
}

double profile_share(const struct profile *p) {
    return p->bits ? p->needed / p->bits : 1;
}
