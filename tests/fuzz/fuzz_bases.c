/* Any bytes as an archive and any bytes as the base that it is made against, with the digests and checks of the base
 * put right so that the code behind them is reached: an error or success, and the ways that succeed agree, among them
 * decoding from fetched bytes. */
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "format/reference.h"
#include "kernels/hash/hash.h"
#include "mutate_archive.h"
#include "support/restore.h"
#include "support/seal.h"
#include "support/streams.h"

enum { CAP = 1 << 18, PREFIX = 2, MAX_PIECES = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void digest(const uint8_t *data, size_t len, uint8_t out[16]) {
    static _Alignas(ZN_XXH3_STATE_ALIGN) uint8_t state[ZN_XXH3_STATE_SIZE];
    zn_xxh3_128_reset(state);
    zn_xxh3_update_scalar(state, data, len);
    zn_xxh3_128_digest(state, out);
}

/* Makes a table name the base, and a reference what it finds there. */
static void refer(uint8_t *body, size_t len, const uint8_t *base, size_t base_len) {
    if (body[0] == ZN_KIND_BASES && len >= ZN_BASES_LEN + ZN_BASE_LEN) {
        digest(base, base_len, body + ZN_BASES_LEN);
        zn_put_u64(body + ZN_BASES_LEN + 16, base_len);
    }
    if (body[0] != ZN_KIND_REFERENCE || len < ZN_REFERENCE_LEN || body[2] == ZN_SOURCE_SELF) return;
    const uint64_t n = zn_get_u32(body + 4), off = zn_get_u64(body + 8);
    if (off <= base_len && n <= base_len - off) zn_put_u64(body + 16, zn_xxh3_64_scalar(base + off, (size_t)n));
}

static void refer_all(uint8_t *archive, size_t len, const uint8_t *base, size_t base_len) {
    for (size_t at = ZN_HEADER_LEN; len > at && len - at > ZN_FRAME_LEN;) {
        const size_t body_len = zn_get_u32(archive + at + 8);
        if (body_len == 0 || body_len > len - at - ZN_FRAME_LEN) return;
        refer(archive + at + ZN_FRAME_LEN, body_len, base, base_len);
        at += ZN_FRAME_LEN + body_len;
    }
}

static struct zt_bounds bounds;

static void restore_all_ways(zipnn_ctx *ctx, const uint8_t *archive, size_t len) {
    static uint8_t first[CAP], again[CAP];
    const uint64_t claimed = zt_claimed(archive, len);
    size_t n_first = 0;
    bool some = false;
    for (const struct zt_way *way = zt_ways; way < zt_ways + ZT_N_WAYS; way++) {
        size_t n = 0;
        zt_bounds_begin(&bounds, ctx);
        const zipnn_status status = way->restore(ctx, archive, len, some ? again : first, CAP, &n, NULL);
        zt_bounds_end(&bounds, ctx, len, claimed, 2);
        if (status > ZIPNN_E_BASE) abort();
        if (status != ZIPNN_OK) continue;
        if (n > CAP || (some && (n != n_first || memcmp(first, again, n) != 0))) abort();
        some = true;
        n_first = n;
    }
}

/* The archive as its callers fetch it: from these bytes and the base's. */
struct fetching {
    const uint8_t *bytes[2];
    size_t len[2];
    zipnn_piece piece[MAX_PIECES];
    size_t n;
};

static int by_place(const void *a, const void *b) {
    const zipnn_range *x = &((const zipnn_piece *)a)->range, *y = &((const zipnn_piece *)b)->range;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* What is missing is inside its source, and was not given before: so this ends. */
static void fetch(struct fetching *f, const zipnn_range *missing, size_t n) {
    for (size_t i = 0; i < n && f->n < MAX_PIECES; i++) {
        const zipnn_range r = missing[i];
        if (r.source > 1 || r.offset > f->len[r.source] || r.length > f->len[r.source] - r.offset) abort();
        f->piece[f->n++] = (zipnn_piece){r, f->bytes[r.source] + r.offset};
    }
    qsort(f->piece, f->n, sizeof f->piece[0], by_place);
}

/* Decoding from fetched bytes comes to the same end as a read, at no higher cost. */
static void decode(zipnn_ctx *ctx, const zipnn_archive *a, struct fetching *f, uint64_t original) {
    static uint8_t read[CAP], decoded[CAP];
    zipnn_range missing[8];
    zipnn_fetched fetched = {.size = sizeof fetched, .missing = missing, .cap = 8, .n_missing = 1};
    const zipnn_status expected = zipnn_archive_read_in(ctx, a, 0, original, read, NULL);
    zipnn_status status = ZIPNN_OK;
    for (unsigned i = 0; i < MAX_PIECES && status == ZIPNN_OK && fetched.n_missing && f->n < MAX_PIECES; i++) {
        fetched.pieces = f->piece;
        fetched.n_pieces = f->n;
        zt_bounds_begin(&bounds, ctx);
        status = zipnn_archive_decode(ctx, a, 0, original, decoded, &fetched, NULL);
        zt_bounds_end(&bounds, ctx, f->len[0], original, 1);
        if (status == ZIPNN_OK) fetch(f, missing, fetched.n_missing);
    }
    if (status == ZIPNN_OK && fetched.n_missing) return; /* more pieces than there is room for */
    if ((status == ZIPNN_OK) != (expected == ZIPNN_OK)) abort();
    if (status == ZIPNN_OK && memcmp(read, decoded, (size_t)original) != 0) abort();
}

static void decode_fetched(zipnn_ctx *ctx, const uint8_t *archive, size_t len, const uint8_t *base, size_t base_len) {
    static struct fetching f;
    struct zt_input in = {.data = archive, .len = len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *a = NULL;
    zipnn_archive_info info;
    if (zipnn_archive_open(ctx, &source, &a, NULL) != ZIPNN_OK) return;
    zipnn_archive_get_info(a, &info);
    f = (struct fetching){.bytes = {archive, base}, .len = {len, base_len}};
    if (info.original && info.original <= CAP && !info.unverified) decode(ctx, a, &f, info.original);
    zipnn_archive_close(a);
}

/* Memory that is the base becomes the result, or an error: none of it may crash. */
static void apply(zipnn_ctx *ctx, const uint8_t *archive, size_t len, const uint8_t *base, size_t base_len) {
    struct zt_input in = {.data = archive, .len = len};
    const zipnn_source source = zt_file(&in);
    uint8_t *memory = malloc(base_len + 1);
    if (!memory) abort();
    memcpy(memory, base, base_len);
    if (zipnn_apply(ctx, &source, memory, base_len, NULL, NULL) > ZIPNN_E_BASE || in.overrun) abort();
    free(memory);
}

/* Bytes 0 and 1: length of the base, which follows; the archive is the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len < PREFIX) return 0;
    const size_t base_len = ZN_MIN((size_t)zn_get_u16(data), len - PREFIX), archive_len = len - PREFIX - base_len;
    uint8_t *base = malloc(base_len + 1), *archive = malloc(archive_len + 1);
    if (!base || !archive) abort();
    memcpy(base, data + PREFIX, base_len);
    memcpy(archive, data + PREFIX + base_len, archive_len);
    refer_all(archive, archive_len, base, base_len);
    zt_seal(archive, archive_len);

    struct zt_input in = {.data = base, .len = base_len};
    const zipnn_source source = zt_file(&in);
    const zipnn_options options = {.size = sizeof options,
                                   .bases = &source,
                                   .n_bases = 1,
                                   .max_original = CAP,
                                   .allocator = zt_heap_hooks(&bounds.heap)};
    zipnn_ctx *ctx;
    if (zipnn_create(&options, &ctx, NULL) != ZIPNN_OK) abort();
    restore_all_ways(ctx, archive, archive_len);
    zt_bounds_begin(&bounds, ctx);
    apply(ctx, archive, archive_len, base, base_len);
    zt_bounds_end(&bounds, ctx, archive_len, zt_claimed(archive, archive_len), 1);
    decode_fetched(ctx, archive, archive_len, base, base_len);
    zipnn_destroy(ctx);
    if (in.overrun) abort();
    free(base);
    free(archive);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t cap, unsigned seed) {
    if (len < PREFIX || seed % 4 == 0) return LLVMFuzzerMutate(data, len, cap);
    const size_t before = PREFIX + ZN_MIN((size_t)zn_get_u16(data), len - PREFIX);
    return before + zt_mutate_archive(data + before, len - before, cap - before, seed / 4);
}
