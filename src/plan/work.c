#include "plan/work.h"

#include "base/bytes.h"

struct zn_work zn_work_of(uint64_t present) {
    struct zn_work work = {.present = present};
    zn_work_see(&work, 0);
    return work;
}

/* Returns the smaller of what the bytes seen and the bytes present pay for. */
static uint64_t pay(const struct zn_work *work, uint64_t for_seen, uint64_t for_present) {
    const uint64_t seen = ZN_MIN(work->seen, (uint64_t)ZN_WORK_SEEN), present = ZN_MIN(work->present, seen);
    return ZN_MIN(for_seen * seen, for_present * present);
}

void zn_work_see(struct zn_work *work, uint64_t end) {
    if (!work || (end <= work->seen && work->most_steps)) return;
    work->seen = end;
    work->most_steps = ZN_WORK_FREE_STEPS + pay(work, ZN_WORK_STEPS_SEEN, ZN_WORK_STEPS_PRESENT);
    work->most_memory = ZN_WORK_FREE_MEMORY + pay(work, ZN_WORK_MEMORY_SEEN, ZN_WORK_MEMORY_PRESENT);
}

zipnn_status zn_work_refuse_step(const struct zn_work *work, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE,
                   "reading the file's directory takes more than the %llu steps that its bytes allow",
                   (unsigned long long)work->most_steps);
}

zipnn_status zn_work_keep(struct zn_work *work, uint64_t bytes, zipnn_error *err) {
    if (!work) return ZIPNN_OK;
    if (bytes > work->most_memory || work->memory > work->most_memory - bytes)
        return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE,
                       "the file's directory takes more than the %llu bytes of memory that its bytes allow",
                       (unsigned long long)work->most_memory);
    work->memory += bytes;
    return ZIPNN_OK;
}
