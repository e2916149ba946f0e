/* Any bytes as a file of the old format: an error or success, never more, and the ways of restoring that succeed agree
 * with each other. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "bounds.h"
#include "support/restore.h"
#include "support/streams.h"

enum { CAP = 1 << 20 };

static struct zt_bounds bounds;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void restore_all_ways(zipnn_ctx *ctx, const uint8_t *file, size_t len) {
    static uint8_t first[CAP], again[CAP];
    size_t n_first = 0;
    bool some = false;
    for (const struct zt_way *way = zt_ways; way < zt_ways + ZT_N_WAYS; way++) {
        size_t n = 0;
        zt_bounds_begin(&bounds, ctx);
        zipnn_status status = way->restore(ctx, file, len, some ? again : first, CAP, &n, NULL);
        zt_bounds_end(&bounds, ctx, len, 0, 1);
        if (status > ZIPNN_E_BASE) abort();
        if (status != ZIPNN_OK) continue;
        if (n > CAP || (some && (n != n_first || memcmp(first, again, n) != 0))) abort();
        some = true;
        n_first = n;
    }
}

static zipnn_status take(void *user, const void *buf, size_t len, zipnn_error *err) {
    struct zt_output *out = user;
    (void)err;
    if (len > out->cap - out->len) abort();
    memcpy(out->data + out->len, buf, len);
    out->len += len;
    return ZIPNN_OK;
}

/* Whatever can be written restores. */
static void go_there_and_back(zipnn_ctx *ctx, zipnn_old_form form, const uint8_t *original, size_t len) {
    static uint8_t written[3 * CAP], restored[CAP + 4096];
    struct zt_input in = {.data = original, .len = len};
    struct zt_output out = {.data = written, .cap = sizeof written};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = {.write = take, .user = &out};
    size_t got;
    if (zipnn_pack_old(ctx, form, &source, &sink, NULL, NULL) != ZIPNN_OK) return;
    if (zipnn_decompress(ctx, written, out.len, restored, sizeof restored, &got, NULL) != ZIPNN_OK) abort();
    if (form == ZIPNN_OLD_RECORD && (got != len || memcmp(restored, original, len) != 0)) abort();
}

/* The first byte says whether the rest is the file as it is or behind what makes it a record, or a safetensors file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static zipnn_ctx *ctx;
    if (len < 33 || len > CAP) return 0;
    uint8_t *file = malloc(len - 1);
    const zipnn_options options = {.size = sizeof options, .allocator = zt_heap_hooks(&bounds.heap)};
    if (!file || (!ctx && zipnn_create(&options, &ctx, NULL) != ZIPNN_OK)) abort();
    memcpy(file, data + 1, len - 1);
    if (data[0] & 1) {
        file[0] = 'Z';
        file[1] = 'N';
        zn_put_u64(file + 24, len - 1);
    }
    if (data[0] & 2)
        go_there_and_back(ctx, data[0] & 4 ? ZIPNN_OLD_SAFETENSORS : ZIPNN_OLD_RECORD, file, len - 1);
    else
        restore_all_ways(ctx, file, len - 1);
    free(file);
    return 0;
}
