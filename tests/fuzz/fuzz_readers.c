/* Any bytes as the head of a file, as the header of a safetensors file and as what follows the counts of a GGUF file:
 * the readers plan it, the plan tiles the file, and so do the cuts. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "chunk/cut.h"
#include "plan/dtype.h"
#include "support/plans.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(int holds) {
    if (!holds) abort();
}

static void check_spans(const struct zn_plan *plan) {
    struct zn_plan_walk walk = {plan, 0, 0};
    for (size_t i = 0; i < 2 * plan->n_tensors + 1; i++) {
        const uint64_t at = walk.at;
        require(zn_plan_next(&walk).off == at);
    }
    require(walk.at == UINT64_MAX);
}

static void check_cuts(const struct zn_plan *plan) {
    struct zn_cutter cutter;
    zn_cutter_init(&cutter, plan);
    uint64_t at = 0;
    for (int i = 0; i < 100; i++) {
        const struct zn_cut cut = zn_cut_next(&cutter);
        require(cut.off == at && cut.len > 0 && cut.len <= ZN_CUT_MAX && cut.head < zn_dtype_word(cut.dtype));
        at += cut.len;
    }
}

static void plan_file(const uint8_t *data, size_t len) {
    struct zn_plan plan = zt_plan_of(data, len, ZN_VIEW_WHOLE);
    check_spans(&plan);
    check_cuts(&plan);
    zn_plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    plan_file(data, len);
    uint8_t *file = malloc(24 + len);
    require(file != NULL);
    zn_put_u64(file, len);
    if (len) memcpy(file + 8, data, len);
    plan_file(file, 8 + len);
    memcpy(file, "GGUF\3\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 24); /* two tensors, three pairs */
    if (len) memcpy(file + 24, data, len);
    plan_file(file, 24 + len);
    free(file);
    return 0;
}
