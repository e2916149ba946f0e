/* Any bytes as the head of a file: the readers plan it, the plan tiles the file. */
#include <stdlib.h>

#include "readers/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    if (zn_reader_want(data, len) > ZN_MAX_HEAD) abort();
    if (zn_reader_plan(data, len, &plan, NULL) != ZIPNN_OK) abort();

    struct zn_plan_walk walk = {&plan, 0, 0};
    for (size_t i = 0; i < 2 * plan.n_tensors + 1; i++) {
        const uint64_t at = walk.at;
        if (zn_plan_next(&walk).off != at) abort();
    }
    if (walk.at != UINT64_MAX) abort();
    zn_plan_free(&plan);
    return 0;
}
