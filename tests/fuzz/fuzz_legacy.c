/* Any bytes as a file of the old format: an error or success, never more, and the ways of restoring that succeed agree
 * with each other. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "support/restore.h"

enum { CAP = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void restore_all_ways(zipnn_ctx *ctx, const uint8_t *file, size_t len) {
    static uint8_t first[CAP], again[CAP];
    size_t n_first = 0;
    bool some = false;
    for (const struct zt_way *way = zt_ways; way < zt_ways + ZT_N_WAYS; way++) {
        size_t n = 0;
        zipnn_status status = way->restore(ctx, file, len, some ? again : first, CAP, &n, NULL);
        if (status > ZIPNN_E_CANCELLED) abort();
        if (status != ZIPNN_OK) continue;
        if (n > CAP || (some && (n != n_first || memcmp(first, again, n) != 0))) abort();
        some = true;
        n_first = n;
    }
}

/* The first byte says whether the rest is the file as it is or behind what makes it a record, or a safetensors file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static zipnn_ctx *ctx;
    if (len < 33 || len > CAP) return 0;
    uint8_t *file = malloc(len - 1);
    if (!file || (!ctx && zipnn_create(NULL, &ctx, NULL) != ZIPNN_OK)) abort();
    memcpy(file, data + 1, len - 1);
    if (data[0] & 1) {
        file[0] = 'Z';
        file[1] = 'N';
        zn_put_u64(file + 24, len - 1);
    }
    restore_all_ways(ctx, file, len - 1);
    free(file);
    return 0;
}
