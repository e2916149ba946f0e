#include "commands/self_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/text.h"
#include "zipnn/zipnn.h"

enum { SAMPLE = 32 * 1024 + 37, N_SETS = 4 }; /* no multiple of any block */

static uint32_t random_next(uint32_t *seed) {
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

/* Distributions that coders have trouble with: each gives one byte. */
static uint8_t byte_constant(uint32_t *seed, size_t i) {
    (void)seed;
    (void)i;
    return 0x3f;
}
static uint8_t byte_uniform(uint32_t *seed, size_t i) {
    (void)i;
    return (uint8_t)random_next(seed);
}
static uint8_t byte_rare(uint32_t *seed, size_t i) { /* one value, and seldom another */
    return i % 9973 == 5 ? byte_uniform(seed, i) : 0xbe;
}
static uint8_t byte_skewed(uint32_t *seed, size_t i) { /* each value half as likely as the one before */
    uint32_t bits = random_next(seed);
    unsigned n = 0;
    (void)i;
    while (n < 20 && (bits & 1)) bits >>= 1, n++;
    return (uint8_t)(0x80 - n);
}
static uint8_t byte_float(uint32_t *seed, size_t i) { /* two bytes of a weight as bf16 */
    return i % 2 == 0 ? byte_uniform(seed, i)
                      : (uint8_t)(0x3c + byte_skewed(seed, i) % 3 + 0x80 * (random_next(seed) & 1));
}
static uint8_t byte_halves(uint32_t *seed, size_t i) { /* the distribution changes in the middle */
    return i < SAMPLE / 2 ? byte_skewed(seed, i) : byte_uniform(seed, i) & 0x11;
}
static uint8_t byte_counting(uint32_t *seed, size_t i) {
    (void)seed;
    return (uint8_t)(i / 3);
}

static uint8_t (*const distributions[])(uint32_t *seed, size_t i) = {
    byte_constant, byte_uniform, byte_rare, byte_skewed, byte_float, byte_halves, byte_counting};

static const zipnn_dtype dtypes[] = {ZIPNN_BF16, ZIPNN_F16, ZIPNN_F32, ZIPNN_F8_E4M3, ZIPNN_I8, ZIPNN_Q4_0};

/* Memory of the check. */
struct bench {
    uint8_t sample[SAMPLE], restored[SAMPLE];
    uint8_t *expected, *archive;
    size_t cap, len;
};

static zipnn_ctx *context(zipnn_cpu cpu, int level, zipnn_dtype dtype) {
    const zipnn_options options = {.size = sizeof options, .cpu = cpu, .level = level, .dtype = dtype};
    zipnn_ctx *ctx;
    return zipnn_create(&options, &ctx, NULL) == ZIPNN_OK ? ctx : NULL;
}

/* Returns what is wrong with the set of `ctx`, "" if nothing is. The archive of the portable code is b->expected. */
static const char *compare(struct bench *b, zipnn_ctx *ctx) {
    size_t len, n;
    if (zipnn_decompress(ctx, b->expected, b->len, b->restored, SAMPLE, &n, NULL) != ZIPNN_OK) return "is not restored";
    if (n != SAMPLE || memcmp(b->sample, b->restored, SAMPLE) != 0) return "is restored to other bytes";
    if (zipnn_compress(ctx, b->sample, SAMPLE, b->archive, b->cap, &len, NULL) != ZIPNN_OK) return "is not compressed";
    if (len != b->len || memcmp(b->archive, b->expected, len) != 0) return "is compressed to other bytes";
    return "";
}

static void check_set(struct self_check *check, struct bench *b, zipnn_cpu cpu, int level, size_t dtype, size_t kind) {
    zipnn_ctx *ctx = context(cpu, level, dtypes[dtype]);
    if (!ctx) return;
    const char *wrong = compare(b, ctx);
    check->n++;
    check->wrong += *wrong != '\0';
    if (*wrong && !check->first[0])
        snprintf(check->first, sizeof check->first, "sample %zu of %zu, level %d, type %d %s by %s", kind + 1,
                 sizeof distributions / sizeof distributions[0], level, (int)dtypes[dtype], wrong,
                 zipnn_kernel_name(ctx));
    zipnn_destroy(ctx);
}

/* Checks the sample of `b` as one type at one level. */
static void check_sample(struct self_check *check, struct bench *b, int level, size_t dtype, size_t kind) {
    zipnn_ctx *portable = context(ZIPNN_CPU_SCALAR, level, dtypes[dtype]);
    const bool coded =
        portable && zipnn_compress(portable, b->sample, SAMPLE, b->expected, b->cap, &b->len, NULL) == ZIPNN_OK;
    zipnn_destroy(portable);
    if (!coded) {
        check->n++;
        check->wrong++;
        if (!check->first[0]) snprintf(check->first, sizeof check->first, "the portable code does not compress");
        return;
    }
    for (int cpu = ZIPNN_CPU_SCALAR; cpu <= N_SETS; cpu++) check_set(check, b, (zipnn_cpu)cpu, level, dtype, kind);
}

static void name_sets(struct self_check *check) {
    size_t n = 0;
    for (int cpu = N_SETS; cpu >= ZIPNN_CPU_SCALAR; cpu--) {
        zipnn_ctx *ctx = context((zipnn_cpu)cpu, 3, ZIPNN_DTYPE_UNKNOWN);
        if (ctx && n < sizeof check->sets)
            n += (size_t)snprintf(check->sets + n, sizeof check->sets - n, "%s%s", n ? ", " : "",
                                  zipnn_kernel_name(ctx));
        zipnn_destroy(ctx);
    }
}

void self_check_run(struct self_check *check) {
    static const int levels[] = {3, 6};
    const size_t n_kinds = sizeof distributions / sizeof distributions[0], n_types = sizeof dtypes / sizeof dtypes[0];
    *check = (struct self_check){.n = 0};
    struct bench *b = text_realloc(NULL, sizeof *b);
    b->cap = (size_t)zipnn_compress_bound(SAMPLE);
    b->expected = text_realloc(NULL, b->cap);
    b->archive = text_realloc(NULL, b->cap);
    name_sets(check);
    for (size_t kind = 0; kind < n_kinds; kind++) {
        uint32_t seed = 20240229U + (uint32_t)kind;
        for (size_t i = 0; i < SAMPLE; i++) b->sample[i] = distributions[kind](&seed, i);
        for (size_t dtype = 0; dtype < n_types; dtype++)
            for (size_t l = 0; l < sizeof levels / sizeof levels[0]; l++)
                check_sample(check, b, levels[l], dtype, kind);
    }
    free(b->expected);
    free(b->archive);
    free(b);
}
