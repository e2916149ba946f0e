#include "readers/readers.h"

#include "readers/ggml.h"
#include "readers/gguf.h"
#include "readers/hdf5.h"
#include "readers/msgpack.h"
#include "readers/npy.h"
#include "readers/onnx.h"
#include "readers/safetensors.h"
#include "readers/tar.h"
#include "readers/tflite.h"
#include "readers/torch.h"
#include "readers/zip.h"

/* Formats whose header comes first. `want` returns how many leading bytes the header needs, judging by the first `len`;
 * 0 if the file is of another format. If that is more than `len`, the caller reads that many and asks again. If the
 * format does not say how long its header is, the number grows each time, at least to twice as many. */
struct head_reader {
    const char *container;
    size_t max; /* a file with a longer head is treated as opaque */
    size_t (*want)(const uint8_t *head, size_t len);
    zipnn_status (*plan)(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err);
};

/* Formats that are recognised by looking around in the file. A reader may set a more special container. */
struct view_reader {
    const char *container;
    bool (*knows)(const uint8_t *head, size_t len);
    zipnn_status (*plan)(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err);
};

/* The first row that knows the file is used. A new format is a new row. */
static const struct head_reader head_readers[] = {
    {"gguf", ZN_MAX_HEAD, zn_gguf_want, zn_gguf_plan},
    {"npy", ZN_MAX_HEAD, zn_npy_want, zn_npy_plan},
    {"safetensors", 8 + ZN_SAFETENSORS_MAX_HEADER, zn_safetensors_want, zn_safetensors_plan},
};
static const struct view_reader view_readers[] = {
    {"zip", zn_zip_knows, zn_zip_plan},
    {"torch", zn_torch_knows_old, zn_torch_plan_old},
    {"pickle", zn_torch_knows_pickle, zn_torch_plan_pickle},
    {"hdf5", zn_hdf5_knows, zn_hdf5_plan},
    {"ggml", zn_ggml_knows, zn_ggml_plan},
    {"tflite", zn_tflite_knows, zn_tflite_plan},
    {"onnx", zn_onnx_knows, zn_onnx_plan},
    {"msgpack", zn_msgpack_knows, zn_msgpack_plan},
    {"tar", zn_tar_knows, zn_tar_plan},
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

struct head {
    const struct zn_view *view;
    void *bytes;
    size_t len, cap;
};

/* Reads the first `want` bytes, or all there are. */
static zipnn_status fetch(struct head *h, size_t want, const struct zn_plan *plan, zipnn_error *err) {
    size_t got;
    if (want <= h->len) return ZIPNN_OK;
    ZN_TRY(zn_grow(&plan->alloc, &h->bytes, &h->cap, want, 1, err));
    ZN_TRY(zn_view_read(h->view, h->len, (uint8_t *)h->bytes + h->len, want - h->len, &got, err));
    h->len += got;
    return ZIPNN_OK;
}

static size_t ask(const struct head_reader *r, const struct head *h) {
    const size_t want = r->want(h->bytes, h->len);
    return want <= r->max ? want : 0;
}

/* Checks whether a head of unusual length can be there, before memory is taken for it. */
static zipnn_status check_length(const struct head *h, size_t want, zipnn_error *err) {
    uint64_t seen = want;
    enum zn_view_end end;
    if (want > ZN_MAX_HEAD) ZN_TRY(zn_view_measure(h->view, &seen, &end, err));
    return seen < want ? ZIPNN_E_FORMAT : ZIPNN_OK;
}

/* Sets the container's name when the reader knows the file. No other reader is then tried, even if this one fails. */
static zipnn_status try_head(const struct head_reader *r, struct head *h, struct zn_plan *plan, const char **container,
                             zipnn_error *err) {
    size_t want = ask(r, h);
    while (want > h->len) {
        const size_t asked = want;
        ZN_TRY(check_length(h, want, err));
        ZN_TRY(fetch(h, asked, plan, err));
        want = ask(r, h);
        if (h->len < asked && want > h->len) return ZIPNN_E_FORMAT; /* the file is shorter than its header says */
    }
    if (want == 0) return ZIPNN_OK;
    *container = r->container;
    return r->plan(h->bytes, want, plan, err);
}

static zipnn_status try_all(struct head *h, struct zn_plan *plan, const char **container, zipnn_error *err) {
    ZN_TRY(fetch(h, ZN_SNIFF_LEN, plan, err));
    for (size_t i = 0; i < COUNT(head_readers) && !*container; i++)
        ZN_TRY(try_head(&head_readers[i], h, plan, container, err));
    for (size_t i = 0; i < COUNT(view_readers) && !*container; i++) {
        if (!view_readers[i].knows(h->bytes, ZN_MIN(h->len, (size_t)ZN_SNIFF_LEN))) continue;
        *container = view_readers[i].container;
        return view_readers[i].plan(h->view, plan, container, err);
    }
    return ZIPNN_OK;
}

zipnn_status zn_reader_plan_part(const struct zn_view *part, struct zn_plan *plan, const char **container,
                                 zipnn_error *err) {
    struct head h = {.view = part};
    const struct zn_plan_mark mark = zn_plan_mark(plan);
    const char *known = NULL;
    zipnn_error fault = {ZIPNN_OK, ZN_NOWHERE, ""};
    zipnn_status st = try_all(&h, plan, &known, &fault);
    zn_free(&plan->alloc, h.bytes);
    if (st == ZIPNN_OK) {
        if (container && known) *container = known;
        return ZIPNN_OK;
    }
    if (st == ZIPNN_E_LIMIT && known) { /* what was read before the limit is right */
        plan->n_left_out++;
        if (container) *container = known;
        return ZIPNN_OK;
    }
    zn_plan_rewind(plan, &mark);
    if (st == ZIPNN_E_FORMAT || st == ZIPNN_E_LIMIT) return ZIPNN_OK; /* not understood: opaque bytes */
    if (err) *err = fault;
    return st;
}

/* Returns the prefix of the names inside a member. */
static char *make_prefix(const struct zn_plan *plan, const char *name) {
    const size_t len = strlen(name), outer_len = plan->prefix ? strlen(plan->prefix) : 0, end = strlen(".npy");
    const bool array = len >= end && strcmp(name + len - end, ".npy") == 0;
    const size_t name_len = len - (array ? end : 0);
    char *prefix = zn_alloc(&plan->alloc, outer_len + name_len + 2);
    if (!prefix) return NULL;
    if (outer_len) memcpy(prefix, plan->prefix, outer_len);
    memcpy(prefix + outer_len, name, name_len);
    memcpy(prefix + outer_len + name_len, array ? "" : "/", array ? 1 : 2);
    return prefix;
}

zipnn_status zn_reader_plan_member(const struct zn_view *view, const char *name, uint64_t off, uint64_t len,
                                   struct zn_plan *plan, zipnn_error *err) {
    if (view->depth >= ZN_MAX_INSIDE) {
        plan->n_left_out++;
        return ZIPNN_OK;
    }
    const char *outer_prefix = plan->prefix;
    const uint64_t outer_origin = plan->origin;
    const struct zn_view part = zn_view_part(view, off, len);
    char *prefix = make_prefix(plan, name);
    if (!prefix) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a member's name");
    plan->prefix = prefix;
    plan->origin = part.first;
    const zipnn_status st = zn_reader_plan_part(&part, plan, NULL, err);
    plan->prefix = outer_prefix;
    plan->origin = outer_origin;
    zn_free(&plan->alloc, prefix);
    return st;
}

zipnn_status zn_reader_plan(const struct zn_view *view, struct zn_plan *plan, zipnn_error *err) {
    const char *container = NULL;
    struct zn_work work = zn_work_of(UINT64_MAX);
    struct zn_view paid = *view;
    if (!paid.work) paid.work = &work;
    plan->work = paid.work;
    zipnn_status st = zn_reader_plan_part(&paid, plan, &container, err);
    plan->work = NULL;
    if (st == ZIPNN_OK) st = zn_plan_finish(plan, err);
    if (st != ZIPNN_OK)
        zn_plan_free(plan);
    else if (container)
        plan->container = container;
    return st;
}
