/* Differences applied, restored and made, beside memcpy: bench_apply MIB ROUNDS [GROUP [avx2|scalar|best [NAME]]].
 * NAME: only this contender.
 *
 * The weights are Gaussian, and move as a step of an optimiser moves them: by a little for each, from a copy of 32 bits
 * that is rounded to the type afterwards. All of it is in memory, on one thread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rounds.h"

enum { HEAD = 4096, TENSOR = 4 << 20 };

/* What is timed: a model before and after, and the archive of the difference. */
static struct {
    uint8_t *before, *after, *to, *archive;
    size_t len, archive_len, cap, packed;
    zipnn_ctx *ctx, *with_base;
} all;

static uint64_t state = 88172645463325252U;

/* Returns a number of a normal distribution, nearly. */
static float normal(void) {
    float sum = -6;
    for (int i = 0; i < 12; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        sum += (float)(state >> 40) / (1 << 24);
    }
    return sum;
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void put(uint8_t *to, float x, unsigned width) {
    uint32_t bits = bits_of(x);
    if (width == 2) bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    memcpy(to, &bits, width); /* benchmarks run on little-endian machines */
}

/* The header of a model of tensors of 4 MiB. */
static void put_header(uint8_t *to, size_t bytes, unsigned width) {
    char *at = (char *)to + 8;
    const char *end = (const char *)to + HEAD;
    const uint64_t len = HEAD - 8;
    memset(to, ' ', HEAD);
    memcpy(to, &len, 8);
    at += snprintf(at, (size_t)(end - at), "{");
    for (size_t i = 0; i < bytes / TENSOR; i++)
        at += snprintf(at, (size_t)(end - at),
                       "%s\"w%zu\":{\"dtype\":\"%s\",\"shape\":[1024,%d],\"data_offsets\":[%zu,%zu]}", i ? "," : "", i,
                       width == 2 ? "BF16" : "F32", TENSOR / 1024 / (int)width, i * TENSOR, (i + 1) * TENSOR);
    at += snprintf(at, (size_t)(end - at), "}");
    *at = ' ';
}

static zipnn_status read_from(void *user, uint64_t off, void *to, size_t len, zipnn_error *err) {
    (void)err;
    memcpy(to, (const uint8_t *)user + off, len);
    return ZIPNN_OK;
}

static zipnn_status view_of(void *user, uint64_t off, size_t len, const void **at, zipnn_error *err) {
    (void)err, (void)len;
    *at = (const uint8_t *)user + off;
    return ZIPNN_OK;
}

static zipnn_status keep(void *user, const void *bytes, size_t len, zipnn_error *err) {
    (void)user, (void)err;
    if (all.packed + len > all.cap) die("the archive is longer than expected");
    memcpy(all.archive + all.packed, bytes, len);
    all.packed += len;
    return ZIPNN_OK;
}

static zipnn_source source_of(uint8_t *bytes, size_t len) {
    return (zipnn_source){.read_at = read_from, .view = view_of, .length = len, .user = bytes};
}

static void copy(void *arg) {
    (void)arg;
    memcpy(all.to, all.after, all.len);
}

static void to_before(void *arg) {
    (void)arg;
    memcpy(all.to, all.before, all.len);
}

static void apply(void *arg) {
    (void)arg;
    const zipnn_source source = source_of(all.archive, all.archive_len);
    zipnn_error err;
    must(zipnn_apply(all.ctx, &source, all.to, all.len, NULL, &err), &err);
}

static void restore(void *arg) {
    (void)arg;
    size_t len;
    zipnn_error err;
    must(zipnn_decompress(all.with_base, all.archive, all.archive_len, all.to, all.len, &len, &err), &err);
}

static void pack(void *arg) {
    (void)arg;
    const zipnn_source source = source_of(all.after, all.len);
    const zipnn_sink sink = {.write = keep};
    zipnn_error err;
    all.packed = 0;
    must(zipnn_pack(all.with_base, &source, &sink, NULL, &err), &err);
}

static void compare(void *arg) {
    (void)arg;
    if (memcmp(all.to, all.after, all.len) != 0) die("the result is not what it should be");
}

/* Moves of this size, relative to the weights' own. */
static void run(const char *group, unsigned width, float move, size_t bytes, unsigned rounds, zipnn_cpu cpu,
                const char *only) {
    all.len = HEAD + bytes;
    all.before = room_alloc(all.len);
    all.after = room_alloc(all.len);
    all.to = room_alloc(all.len);
    all.cap = all.len + (1 << 20);
    all.archive = room_alloc(all.cap);
    put_header(all.before, bytes, width);
    put_header(all.after, bytes, width);
    for (size_t at = HEAD; at < all.len; at += width) {
        const float x = 0.02F * normal();
        put(all.before + at, x, width);
        put(all.after + at, x + 0.02F * move * normal(), width);
    }
    zipnn_source base = source_of(all.before, all.len);
    zipnn_options options = {.size = sizeof options, .cpu = cpu, .bases = &base, .n_bases = 1};
    zipnn_error err;
    must(zipnn_create(&options, &all.with_base, &err), &err);
    all.ctx = context_of(0, 1, ZIPNN_VERIFY_DEFAULT, ZIPNN_DTYPE_UNKNOWN, cpu);
    pack(NULL);
    all.archive_len = all.packed;
    fprintf(stderr, "%s: %.3f %%\n", group, 100.0 * (double)all.packed / (double)all.len);
    const struct contender contenders[] = {{.name = "memcpy", .run = copy},
                                           {.name = "apply", .run = apply, .before = to_before, .after = compare},
                                           {.name = "restore", .run = restore, .after = compare},
                                           {.name = "pack", .run = pack}};
    const size_t n = sizeof contenders / sizeof *contenders;
    if (!only) rounds_run(group, all.len, rounds, 1, contenders, n);
    for (size_t i = 0; only && i < n; i++)
        if (strcmp(only, contenders[i].name) == 0) rounds_run(group, all.len, rounds, 1, &contenders[i], 1);
    zipnn_destroy(all.ctx);
    zipnn_destroy(all.with_base);
    free(all.before), free(all.after), free(all.to), free(all.archive);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        unsigned width;
        float move;
    } groups[] = {{"rl bf16", 2, 1e-5F}, {"tuned bf16", 2, 5e-4F}, {"dense bf16", 2, 1e-2F}, {"dense fp32", 4, 1e-3F}};
    if (argc < 3) die("bench_apply MIB ROUNDS [GROUP [avx2|scalar]]");
    const size_t bytes = (size_t)atoi(argv[1]) << 20 & ~(size_t)(TENSOR - 1);
    const unsigned rounds = (unsigned)atoi(argv[2]);
    const zipnn_cpu cpu = argc < 5 || strcmp(argv[4], "best") == 0 ? ZIPNN_CPU_BEST
                          : strcmp(argv[4], "avx2") == 0           ? ZIPNN_CPU_AVX2
                                                                   : ZIPNN_CPU_SCALAR;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (argc < 4 || strcmp(argv[3], groups[i].name) == 0 || strcmp(argv[3], "all") == 0)
            run(groups[i].name, groups[i].width, groups[i].move, bytes, rounds, cpu, argc < 6 ? NULL : argv[5]);
    return 0;
}
