#include "readers/readers.h"

#include "base/bytes.h"
#include "readers/gguf.h"
#include "readers/npy.h"
#include "readers/safetensors.h"

struct reader {
    const char *container;
    size_t (*want)(const uint8_t *head, size_t len);
    zipnn_status (*plan)(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err);
};

/* The first that wants bytes is the one; the next formats are further rows. */
static const struct reader readers[] = {
    {"gguf", zn_gguf_want, zn_gguf_plan},
    {"npy", zn_npy_want, zn_npy_plan},
    {"safetensors", zn_safetensors_want, zn_safetensors_plan},
};

enum { N_READERS = sizeof readers / sizeof readers[0] };

static const struct reader *find(const uint8_t *head, size_t len, size_t *want) {
    for (size_t i = 0; i < N_READERS; i++) {
        *want = readers[i].want(head, len);
        if (*want > 0 && *want <= ZN_MAX_HEAD) return &readers[i];
    }
    *want = 0;
    return NULL;
}

size_t zn_reader_want(const uint8_t *head, size_t len) {
    size_t want;
    find(head, len, &want);
    return want;
}

zipnn_status zn_reader_plan(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err) {
    size_t want;
    const struct reader *reader = find(head, len, &want);
    if (!reader || len < want) return ZIPNN_OK;

    zipnn_error fault;
    zipnn_status st = reader->plan(head, want, plan, &fault);
    if (st == ZIPNN_OK) {
        plan->container = reader->container;
        zn_plan_finish(plan);
        return ZIPNN_OK;
    }
    zn_plan_free(plan);
    if (st != ZIPNN_E_MEMORY) return ZIPNN_OK; /* not understood: the file is raw bytes */
    if (err) *err = fault;
    return st;
}
