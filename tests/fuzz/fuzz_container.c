/* Any bytes as an archive, as they are and with their checksums put right: an error or success, never more, and what
 * two ways of restoring both accept is the same. */
#include <stdlib.h>
#include <string.h>

#include "support/restore.h"
#include "support/seal.h"

enum { CAP = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void restore_all_ways(zipnn_ctx *ctx, const uint8_t *archive, size_t len) {
    static uint8_t first[CAP], again[CAP];
    size_t n_first = 0;
    bool some = false;
    for (const struct zt_way *way = zt_ways; way < zt_ways + ZT_N_WAYS; way++) {
        size_t n = 0;
        zipnn_status status = way->restore(ctx, archive, len, some ? again : first, CAP, &n, NULL);
        if (status > ZIPNN_E_BASE) abort();
        if (status != ZIPNN_OK) continue;
        if (n > CAP || (some && (n != n_first || memcmp(first, again, n) != 0))) abort();
        some = true;
        n_first = n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static zipnn_ctx *ctx;
    uint8_t *archive = malloc(len ? len : 1);
    if (!archive || (!ctx && zipnn_create(NULL, &ctx, NULL) != ZIPNN_OK)) abort();
    memcpy(archive, data, len);
    restore_all_ways(ctx, archive, len);
    zt_seal(archive, len);
    restore_all_ways(ctx, archive, len);
    free(archive);
    return 0;
}
