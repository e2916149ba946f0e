#include "readers/ggml.h"

#include "plan/dtype.h"
#include "readers/readers.h"

/* A tensor is a record (number of dimensions, length of its name, type, dimensions, name), padding in one variant of
 * the format, and the data. The file does not say where the first record is, nor how long the blocks of a type are in
 * this version. So the start is the first place where two tensors follow each other, and a block's length is right if
 * the next tensor follows. */

enum {
    MAX_SEARCH = 4 << 20, /* bytes that are searched for the first tensor; vocabularies take about half a MiB */
    MAX_DIMS = 4,
    MAX_NAME = 255,
    PADDED = 32 /* alignment of data in files of llama.cpp */
};

#define MAGIC_GGML 0x67676d6cu
#define MAGIC_GGMF 0x67676d66u
#define MAGIC_GGJT 0x67676a74u

/* The types by number. A block of 32 elements had other lengths in older versions, and rwkv.cpp has its own numbers.
 * The rows of one type are tried in this order. */
static const struct type {
    uint8_t number, dtype, elements, bytes;
} types[] = {
    {0, ZIPNN_F32, 1, 4},    {1, ZIPNN_F16, 1, 2},    {2, ZIPNN_Q4_0, 32, 18}, {2, 0, 32, 20},
    {3, ZIPNN_Q4_1, 32, 20}, {3, 0, 32, 24},          {4, 0, 32, 24},          {5, 0, 16, 10},
    {6, ZIPNN_Q5_0, 32, 22}, {6, 0, 16, 12},          {7, ZIPNN_Q5_1, 32, 24}, {7, ZIPNN_Q5_0, 32, 22},
    {8, ZIPNN_Q8_0, 32, 34}, {8, ZIPNN_Q5_1, 32, 24}, {9, ZIPNN_Q8_0, 32, 34},
};

struct record {
    uint64_t at, data; /* offsets of the record and of its data */
    uint32_t rank, type;
    uint64_t dims[MAX_DIMS]; /* the row length is the last */
    uint64_t n;              /* elements */
    char name[MAX_NAME];
    uint32_t name_len;
};

struct file {
    struct zn_scan s;
    uint64_t alignment; /* alignment of the data */
};

bool zn_ggml_knows(const uint8_t *head, size_t len) {
    if (len < 8) return false;
    const uint32_t magic = zn_get_u32(head);
    return magic == MAGIC_GGML || magic == MAGIC_GGMF || magic == MAGIC_GGJT;
}

static bool is_text(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] < ' ' || p[i] > '~') return false;
    return true;
}

static bool knows_type(uint32_t number) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].number == number) return true;
    return false;
}

/* Reads the record at an offset. Returns false when there is none. The cursor stays usable. */
static bool read_record(struct file *f, uint64_t at, struct record *r) {
    zn_scan_seek(&f->s, at);
    const uint8_t *p = zn_scan_take(&f->s, 12);
    if (!p) return false;
    *r = (struct record){.at = at, .rank = zn_get_u32(p), .name_len = zn_get_u32(p + 4), .type = zn_get_u32(p + 8)};
    if (r->rank < 1 || r->rank > MAX_DIMS || r->name_len < 1 || r->name_len > MAX_NAME || !knows_type(r->type))
        return false;
    r->n = 1;
    for (uint32_t i = 0; i < r->rank; i++) {
        const uint64_t dim = r->dims[r->rank - 1 - i] = zn_scan_u32(&f->s);
        if (dim == 0 || !zn_mul(r->n, dim, &r->n)) return false;
    }
    p = zn_scan_take(&f->s, r->name_len);
    if (!p || !is_text(p, r->name_len)) return false;
    memcpy(r->name, p, r->name_len);
    r->data = (f->s.off + f->alignment - 1) / f->alignment * f->alignment;
    return r->n <= INT64_MAX / 8;
}

/* Makes a cursor that ran into the end usable again. */
static void revive(struct file *f) {
    if (f->s.status == ZIPNN_OK) f->s.bad = false;
}

/* Returns the type whose length makes the record end at the end of the file or before another record; NULL for none. */
static const struct type *find_type(struct file *f, const struct record *r, uint64_t *end) {
    struct record next;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct type *t = &types[i];
        if (t->number != r->type || r->dims[r->rank - 1] % t->elements != 0) continue;
        *end = r->data + r->n / t->elements * t->bytes;
        if (*end == f->s.end || (*end < f->s.end && read_record(f, *end, &next))) return t;
        revive(f);
    }
    return NULL;
}

/* Finds the first record that is followed by another record, or by the end of the file. */
static bool find_first(struct file *f, struct record *r) {
    const uint64_t end = ZN_MIN(f->s.end, (uint64_t)MAX_SEARCH);
    uint64_t after;
    for (uint64_t at = 8; at < end && f->s.status == ZIPNN_OK; at++) {
        if (read_record(f, at, r) && find_type(f, r, &after)) return true;
        revive(f);
    }
    return false;
}

static zipnn_status plan_records(struct file *f, struct record r, enum zn_view_end seen, struct zn_plan *plan,
                                 zipnn_error *err) {
    for (;;) {
        uint64_t end = 0;
        const struct type *t = find_type(f, &r, &end);
        /* When the next record is out of sight, nothing contradicts the first length. */
        for (size_t i = 0; !t && seen == ZN_VIEW_CUT && i < sizeof types / sizeof types[0]; i++)
            if (types[i].number == r.type) t = &types[i];
        if (!t) {
            plan->n_left_out++;
            return ZIPNN_OK;
        }
        const uint64_t len = r.n / t->elements * t->bytes;
        ZN_TRY(zn_plan_add(plan, r.data, len, (zipnn_dtype)t->dtype, r.name, r.name_len, r.dims, r.rank, err));
        if (r.data + len >= f->s.end || !read_record(f, r.data + len, &r)) return ZIPNN_OK;
    }
}

zipnn_status zn_ggml_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err) {
    struct file f = {.alignment = 1};
    struct record first;
    uint64_t len;
    enum zn_view_end seen;
    (void)container;
    ZN_TRY(zn_view_measure(view, &len, &seen, err));
    zn_scan_init(&f.s, view, 0, len, err);
    if (zn_scan_u32(&f.s) == MAGIC_GGJT) f.alignment = PADDED;
    const bool found = find_first(&f, &first);
    if (f.s.status != ZIPNN_OK) return f.s.status;
    if (!found) return zn_fail(err, ZIPNN_E_FORMAT, 0, "ggml: no tensor is found");
    ZN_TRY(plan_records(&f, first, seen, plan, err));
    return f.s.status;
}
