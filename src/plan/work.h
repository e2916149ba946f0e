/* Limits what reading a file as a model may cost. Hostile files send readers round in circles, and a few bytes of an
 * archive may stand for gigabytes of directory. So all readers of one file pay from one purse, and the bytes of the
 * file fill it. */
#ifndef ZN_PLAN_WORK_H
#define ZN_PLAN_WORK_H

#include "base/err.h"

struct zn_work {
    uint64_t present;             /* bytes that the file takes where it is stored; in an archive, the archive's */
    uint64_t seen;                /* end of the furthest byte that was read */
    uint64_t steps, most_steps;   /* steps spent, and their limit; a step looks at a field or reads eight bytes */
    uint64_t memory, most_memory; /* bytes taken for results, and their limit; they are never given back */
};

/* What a file may cost: 0.1 s and 128 MiB, and in addition what its bytes pay for, both those seen and those present. A
 * checkpoint of 100 000 tensors, 32 MB with almost no data, takes 15 M steps and 119 MB, most of them for its pickle,
 * however small its archive is. */
enum {
    ZN_WORK_FREE_STEPS = 16 << 20,
    ZN_WORK_FREE_MEMORY = 128 << 20,
    ZN_WORK_SEEN = 64 << 20, /* bytes; more bytes seen pay for nothing more */
    ZN_WORK_STEPS_SEEN = 8,
    ZN_WORK_STEPS_PRESENT = 512,
    ZN_WORK_MEMORY_SEEN = 4,
    ZN_WORK_MEMORY_PRESENT = 64,
    ZN_WORK_PLAN = 2 /* the plan itself takes at most half of the memory */
};

/* Returns a purse for a file of so many bytes; UINT64_MAX if that is unknown. */
struct zn_work zn_work_of(uint64_t present);

/* Notes that bytes up to `end` were fetched. */
void zn_work_see(struct zn_work *work, uint64_t end);

/* Pays from the purse, or returns ZIPNN_E_LIMIT. Without a purse (NULL) everything is free. */
static inline zipnn_status zn_work_step(struct zn_work *work, uint64_t n, zipnn_error *err);
zipnn_status zn_work_keep(struct zn_work *work, uint64_t bytes, zipnn_error *err);

zipnn_status zn_work_refuse_step(const struct zn_work *work, zipnn_error *err);

/* Defined here because most opcodes of a pickle pay one step. */
static inline zipnn_status zn_work_step(struct zn_work *work, uint64_t n, zipnn_error *err) {
    if (!work || (work->steps += n) <= work->most_steps) return ZIPNN_OK;
    return zn_work_refuse_step(work, err);
}

#endif
