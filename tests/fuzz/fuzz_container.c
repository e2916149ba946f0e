/* Any bytes as an archive, as they are and with their checksums put right: an error or success, never more, and what
 * two ways of restoring both accept is the same. Salvaging finds the same where all is right, and otherwise counts what
 * it writes. */
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "mutate_archive.h"
#include "support/restore.h"
#include "support/seal.h"
#include "support/streams.h"
#include "zipnn/matrix.h"

enum { CAP = 1 << 20, N_TILED = 4 /* tensors that are read by tiles */ };

static struct zt_bounds bounds;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int count_damage(void *user, const zipnn_damage *damage) {
    uint64_t *bytes = user;
    *bytes += damage->length;
    return 0;
}

static void look_at_chunks(const zipnn_archive *a) {
    zipnn_archive_info info;
    zipnn_archive_get_info(a, &info);
    for (uint64_t i = 0; i < info.n_chunks; i++) {
        zipnn_coding coding;
        if (zipnn_archive_coding(a, i, &coding, NULL) != ZIPNN_OK || coding.n_planes > 16) abort();
    }
}

/* The rows of one tensor as they come, at most CAP bytes of them. */
struct taken {
    uint8_t bytes[CAP];
    uint64_t next;
    size_t row, len;
};

static zipnn_status take(void *user, uint64_t first, uint64_t n, const void *rows, zipnn_error *err) {
    struct taken *t = user;
    (void)err;
    if (first != t->next || n == 0) abort();
    t->next += n;
    if (t->row == 0) return ZIPNN_OK;
    if (n > (CAP - t->len) / t->row) return ZIPNN_E_CANCELLED;
    memcpy(t->bytes + t->len, rows, (size_t)n * t->row);
    t->len += (size_t)n * t->row;
    return ZIPNN_OK;
}

/* A matrix that was packed is the matrix. */
static void pack_tensor(zipnn_ctx *ctx, zipnn_archive *a, uint64_t index, const uint8_t *whole) {
    static uint8_t rows[CAP];
    zipnn_matrix *m;
    zipnn_matrix_info info;
    if (zipnn_matrix_open(ctx, a, index, ZIPNN_MATRIX_FAST, &m, NULL) != ZIPNN_OK) return;
    zipnn_matrix_get_info(m, &info);
    if (zipnn_matrix_read(NULL, m, 0, info.n_rows, rows, CAP, NULL) != ZIPNN_OK) abort();
    if (memcmp(whole, rows, (size_t)(2 * info.n_rows * info.n_columns)) != 0) abort();
    zipnn_matrix_close(m);
}

/* A tensor by tiles is the tensor. */
static void tile_tensor(zipnn_ctx *ctx, zipnn_archive *a, uint64_t index) {
    static uint8_t whole[CAP], buffer[5000];
    static struct taken taken;
    zipnn_tensor_info t;
    zipnn_tensor_layout layout = {.size = sizeof layout};
    if (zipnn_archive_tensor(a, index, &t, NULL) != ZIPNN_OK) abort();
    if (zipnn_archive_tensor_layout(a, index, &layout, NULL) != ZIPNN_OK) return;
    const uint64_t n = t.rank ? t.shape[0] : 1;
    const zipnn_tiles tiles = {buffer, sizeof buffer, take, &taken};
    taken.next = taken.len = 0;
    taken.row = n ? (size_t)(layout.values / n) : 0;
    const zipnn_status status = zipnn_archive_tiles(ctx, a, index, 0, n, &tiles, NULL);
    if (status != ZIPNN_OK) return;
    if (taken.next != n || taken.len != layout.values) abort();
    if (zipnn_archive_read_tensor(a, index, whole, CAP, NULL) != ZIPNN_OK) abort();
    if (memcmp(whole, taken.bytes, taken.len) != 0) abort();
    pack_tensor(ctx, a, index, whole);
}

static void tile_tensors(zipnn_ctx *ctx, const uint8_t *archive, size_t len) {
    struct zt_input in = {.data = archive, .len = len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *a;
    zipnn_archive_info info;
    if (zipnn_archive_open(ctx, &source, &a, NULL) != ZIPNN_OK) return;
    zipnn_archive_get_info(a, &info);
    for (uint64_t i = 0; i < info.n_tensors && i < N_TILED; i++) tile_tensor(ctx, a, i);
    if (in.overrun) abort();
    zipnn_archive_close(a);
}

/* `whole`, if not NULL, is what the archive restores to. */
static void salvage(zipnn_ctx *ctx, const uint8_t *archive, size_t len, const uint8_t *whole, size_t n_whole) {
    static uint8_t saved[CAP];
    struct zt_input in = {.data = archive, .len = len};
    struct zt_output out = {.data = saved, .cap = CAP};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    zipnn_archive *a;
    zipnn_verified found;
    uint64_t damaged = 0;
    if (zipnn_archive_open_damaged(ctx, &source, &a, NULL) != ZIPNN_OK) return;
    look_at_chunks(a);
    const zipnn_status status = zipnn_archive_salvage(a, &sink, count_damage, &damaged, &found, NULL);
    if (status > ZIPNN_E_CANCELLED || in.overrun) abort();
    if (status == ZIPNN_OK && whole && (out.len != n_whole || memcmp(saved, whole, n_whole) != 0)) abort();
    if (!out.overrun && (status == ZIPNN_OK || status == ZIPNN_E_CORRUPT) && zipnn_archive_fault(a) == NULL &&
        found.intact + damaged < found.original)
        abort();
    zipnn_archive_close(a);
}

static void restore_all_ways(zipnn_ctx *ctx, const uint8_t *archive, size_t len) {
    static uint8_t first[CAP], again[CAP];
    const uint64_t claimed = zt_claimed(archive, len);
    size_t n_first = 0;
    bool some = false;
    for (const struct zt_way *way = zt_ways; way < zt_ways + ZT_N_WAYS; way++) {
        size_t n = 0;
        zt_bounds_begin(&bounds, ctx);
        zipnn_status status = way->restore(ctx, archive, len, some ? again : first, CAP, &n, NULL);
        zt_bounds_end(&bounds, ctx, len, claimed, 2);
        if (status > ZIPNN_E_BASE) abort();
        if (status != ZIPNN_OK) continue;
        if (n > CAP || (some && (n != n_first || memcmp(first, again, n) != 0))) abort();
        some = true;
        n_first = n;
    }
    zt_bounds_begin(&bounds, ctx);
    salvage(ctx, archive, len, some ? first : NULL, n_first);
    zt_bounds_end(&bounds, ctx, len, claimed, 3);
    zt_bounds_begin(&bounds, ctx);
    tile_tensors(ctx, archive, len);
    zt_bounds_end(&bounds, ctx, len, claimed, 1 + 2 * N_TILED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static zipnn_ctx *ctx;
    uint8_t *archive = malloc(len ? len : 1);
    const zipnn_options options = {.size = sizeof options, .allocator = zt_heap_hooks(&bounds.heap)};
    if (!archive || (!ctx && zipnn_create(&options, &ctx, NULL) != ZIPNN_OK)) abort();
    memcpy(archive, data, len);
    restore_all_ways(ctx, archive, len);
    zt_seal(archive, len);
    restore_all_ways(ctx, archive, len);
    free(archive);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t cap, unsigned seed) {
    return zt_mutate_archive(data, len, cap, seed);
}
