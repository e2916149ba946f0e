/* Prints one line for each of some archives: what it holds, its length, its hash, and whether libzstd coded a part.
 * Every instruction set and number of threads of this machine must give the same archive and restore it.
 * tools/determinism.sh compares what the builds of several compilers and for several processors print. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "kernels/hash/hash.h"
#include "support/samples.h"
#include "support/streams.h"
#include "zipnn/zipnn.h"

enum { HEAD = 128, LONG = HEAD + (1 << 20) + 4320, SHORT = HEAD + 40000, CAP = 2 * LONG, NUDGED_OF_100 = 20 };

struct buffers {
    uint8_t original[LONG], base[LONG], archive[CAP], first[CAP], restored[LONG];
};

static void require(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "archive_digests: %s\n", what);
    exit(1);
}

/* Compresses and restores; returns the archive's length, or 0 when this machine lacks the instruction set. */
static size_t round_trip(struct buffers *b, size_t len, zipnn_options options) {
    size_t archive_len, got;
    zipnn_ctx *ctx;
    options.size = sizeof options;
    if (zipnn_create(&options, &ctx, NULL) != ZIPNN_OK) return 0;
    require(zipnn_compress(ctx, b->original, len, b->archive, CAP, &archive_len, NULL) == ZIPNN_OK, "not compressed");
    require(zipnn_decompress(ctx, b->archive, archive_len, b->restored, len, &got, NULL) == ZIPNN_OK, "not restored");
    require(got == len && memcmp(b->original, b->restored, len) == 0, "restored bytes differ");
    zipnn_destroy(ctx);
    return archive_len;
}

/* Whether the archive has frames of libzstd, whose bytes are not ours to promise. */
static bool has_zstd(const uint8_t *archive, size_t len) {
    static const uint8_t magic[] = {0x28, 0xB5, 0x2F, 0xFD};
    for (size_t i = 0; i + sizeof magic <= len; i++)
        if (memcmp(archive + i, magic, sizeof magic) == 0) return true;
    return false;
}

static void print_archive(struct buffers *b, const char *name, size_t len, zipnn_options options) {
    static const unsigned threads[] = {2, 3, 7, 16};
    options.cpu = ZIPNN_CPU_SCALAR;
    const size_t n = round_trip(b, len, options);
    require(n != 0, "no context");
    memcpy(b->first, b->archive, n);
    for (int cpu = ZIPNN_CPU_SCALAR + 1; cpu <= ZIPNN_CPU_NEON; cpu++) {
        options.cpu = (zipnn_cpu)cpu;
        const size_t got = round_trip(b, len, options);
        require(got == 0 || (got == n && memcmp(b->first, b->archive, n) == 0), "instruction sets differ");
    }
    options.cpu = (zipnn_cpu)0;
    for (size_t i = 0; i < sizeof threads / sizeof *threads && len > SHORT; i++) {
        options.threads = threads[i];
        require(round_trip(b, len, options) == n && memcmp(b->first, b->archive, n) == 0, "numbers of threads differ");
    }
    printf("%s of %016" PRIx64 ", level %d%s: %zu bytes, %016" PRIx64 "%s\n", name, zn_xxh3_64_scalar(b->original, len),
           options.level, options.n_bases ? " against a base" : "", n, zn_xxh3_64_scalar(b->first, n),
           has_zstd(b->first, n) ? ", with libzstd" : "");
}

static const struct {
    const char *dtype;
    size_t width;
} types[ZT_N_SAMPLES] = {
    [ZT_BF16] = {"BF16", 2},    [ZT_F16] = {"F16", 2},        [ZT_F32] = {"F32", 4},       [ZT_F64] = {"F64", 8},
    [ZT_SPECIALS] = {"F32", 4}, [ZT_EXPONENTS] = {"BF16", 2}, [ZT_SMALL_INTS] = {"I32", 4}};

/* A safetensors file of one tensor, and a base of the same with some of its elements moved by one. */
static void make_files(struct buffers *b, enum zt_sample kind, size_t len) {
    const char *dtype = types[kind].dtype ? types[kind].dtype : "U8";
    const size_t width = types[kind].width ? types[kind].width : 1, n = (len - HEAD) / width;
    uint64_t state = len;
    memset(b->original, ' ', HEAD);
    zn_put_u64(b->original, HEAD - 8);
    const int written =
        snprintf((char *)b->original + 8, HEAD - 8,
                 "{\"w\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", dtype, n, n * width);
    b->original[8 + written] = ' ';
    zt_sample(kind, 7, b->original + HEAD, n * width);
    memcpy(b->base, b->original, HEAD + n * width);
    for (size_t i = 0; i < n; i++)
        if (zt_random(&state) % 100 < NUDGED_OF_100) b->base[HEAD + i * width] ^= 1;
}

int main(void) {
    static struct buffers b;
    for (int kind = 0; kind < ZT_N_SAMPLES; kind++) {
        const char *name = zt_sample_name((enum zt_sample)kind);
        make_files(&b, (enum zt_sample)kind, LONG);
        struct zt_input in = {.data = b.base, .len = LONG};
        const zipnn_source base = zt_map(&in);
        print_archive(&b, name, LONG, (zipnn_options){.level = 1});
        print_archive(&b, name, LONG, (zipnn_options){.level = 3});
        print_archive(&b, name, LONG, (zipnn_options){.level = 3, .bases = &base, .n_bases = 1});
        make_files(&b, (enum zt_sample)kind, SHORT);
        print_archive(&b, name, SHORT, (zipnn_options){.level = 9});
    }
    return 0;
}
