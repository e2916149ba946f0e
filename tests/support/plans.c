#include "support/plans.h"

#include <stdlib.h>

zipnn_status zt_plan(const uint8_t *bytes, size_t len, const zipnn_allocator *alloc, struct zn_plan *plan) {
    struct zn_memory_view memory = {bytes, len, ZN_VIEW_WHOLE};
    const struct zn_view view = zn_view_of_memory(&memory);
    zn_plan_init(plan, alloc);
    return zn_reader_plan(&view, plan, NULL);
}

struct zn_plan zt_plan_of(const uint8_t *bytes, size_t len, enum zn_view_end end) {
    struct zn_work work = zn_work_of(UINT64_MAX);
    return zt_plan_paid(bytes, len, end, &work);
}

struct zn_plan zt_plan_paid(const uint8_t *bytes, size_t len, enum zn_view_end end, struct zn_work *work) {
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    struct zn_memory_view memory = {bytes, len, end};
    struct zn_view view = zn_view_of_memory(&memory);
    view.work = work;
    struct zn_plan plan;
    zn_plan_init(&plan, &alloc);
    if (zn_reader_plan(&view, &plan, NULL) != ZIPNN_OK) abort();
    return plan;
}

static void *budget_alloc(void *user, size_t size) {
    int *left = user;
    return (*left)-- > 0 ? malloc(size) : NULL;
}

static void budget_release(void *user, void *ptr) {
    (void)user;
    free(ptr);
}

zipnn_allocator zt_budget(int *left) {
    return (zipnn_allocator){budget_alloc, budget_release, left};
}
