#include "readers/torch.h"

#include <stdlib.h>

#include "plan/dtype.h"
#include "readers/readers.h"

enum { COUNT_LEN = 8 }; /* bytes of the count before each storage in old files */

/* ---- tensors of storages */

/* A run of elements in one storage. */
struct piece {
    size_t stored; /* index of the storage */
    uint64_t off, len;
    struct zn_pickle_type type;
    const struct zn_pickle_array *array; /* NULL for the whole storage, which holds what the tensors leave */
};

static int compare_keys(const void *a, const void *b) {
    return strcmp(((const struct zn_stored *)a)->key, ((const struct zn_stored *)b)->key);
}

void zn_torch_sort(struct zn_stored *stored, size_t n) {
    if (n) qsort(stored, n, sizeof *stored, compare_keys);
}

struct zn_stored *zn_torch_find(const struct zn_stored *stored, size_t n, const char *key) {
    const struct zn_stored wanted = {.key = key};
    return n ? bsearch(&wanted, stored, n, sizeof *stored, compare_keys) : NULL;
}

size_t zn_torch_drop_unplaced(struct zn_stored *stored, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (stored[i].off != ZN_UNPLACED) stored[kept++] = stored[i];
    return kept;
}

/* Orders pieces: at each offset the storage comes first, then longer pieces, so that views follow the bytes they
 * repeat. */
static int compare_pieces(const void *a, const void *b) {
    const struct piece *x = a, *y = b;
    if (x->stored != y->stored) return x->stored < y->stored ? -1 : 1;
    if (!x->array != !y->array) return x->array ? 1 : -1;
    if (x->off != y->off) return x->off < y->off ? -1 : 1;
    if (x->len != y->len) return x->len > y->len ? -1 : 1;
    if (x->type.dtype != y->type.dtype) return x->type.dtype < y->type.dtype ? -1 : 1;
    return x->array < y->array ? -1 : x->array > y->array;
}

static bool size_of(const struct zn_pickle *p, const struct zn_pickle_array *a, uint64_t *size) {
    *size = a->type.element;
    for (uint32_t i = 0; i < a->rank; i++)
        if (!zn_mul(*size, zn_pickle_dim(p, a, i), size)) return false;
    return true;
}

/* Computes the bytes from the first element to the end of the last one. Returns false for impossible strides. */
static bool extent_of(const struct zn_pickle *p, const struct zn_pickle_array *a, uint64_t *size) {
    uint64_t n = 1;
    if (a->contiguous) return size_of(p, a, size);
    for (uint32_t i = 0; i < a->rank; i++) n = n && zn_pickle_dim(p, a, i);
    *size = n * a->type.element;
    if (a->strides == ZN_PICKLE_NO_STRIDES || !size_of(p, a, &(uint64_t){0})) return false;
    for (uint32_t i = 0; i < a->rank && n; i++) {
        uint64_t reach;
        if (!zn_mul(zn_pickle_dim(p, a, i) - 1, zn_pickle_stride(p, a, i), &reach) ||
            !zn_mul(reach, a->type.element, &reach) || !zn_add(*size, reach, size))
            return false;
    }
    return true;
}

/* Turns pairs into elements: the last dimension of float4_e2m1fn_x2 counts pairs. */
static void count_elements(const struct zn_pickle_array *a, uint64_t *dims) {
    if (zn_dtype_bits(a->type.type) == 4 && a->rank) dims[a->rank - 1] *= 2;
}

static zipnn_status add_array(const struct zn_pickle *p, const struct zn_pickle_array *a, uint64_t off, uint64_t len,
                              uint32_t meaning, struct zn_plan *plan, zipnn_error *err) {
    uint64_t dims[ZN_PICKLE_MAX_RANK], strides[ZN_PICKLE_MAX_RANK];
    for (uint32_t i = 0; i < a->rank; i++) dims[i] = zn_pickle_dim(p, a, i);
    count_elements(a, dims);
    const char *name = zn_pickle_text(p, a->name);
    const struct zn_plan_mark mark = zn_plan_mark(plan);
    ZN_TRY(zn_plan_add(plan, off, len, a->type.dtype, name, strlen(name), dims, a->rank, err));
    struct zn_tensor *t = zn_plan_last(plan, &mark);
    if (!t) return ZIPNN_OK;
    t->type = a->type.type;
    t->meaning = a->type.meaning | meaning;
    if (t->type != ZIPNN_DTYPE_UNKNOWN && t->dtype == ZIPNN_DTYPE_UNKNOWN) t->meaning |= ZN_ALIAS;
    if (a->contiguous || (t->meaning & ZN_COLUMN_MAJOR)) return ZIPNN_OK;
    for (uint32_t i = 0; i < a->rank; i++) strides[i] = zn_pickle_stride(p, a, i);
    return zn_plan_set_strides(plan, t, strides, err);
}

static zipnn_status add_rest(const struct zn_stored *s, const struct zn_pickle_type *type, uint64_t off, uint64_t end,
                             struct zn_plan *plan, zipnn_error *err) {
    if (off >= end) return ZIPNN_OK;
    const uint64_t n = (end - off) / ZN_MAX(zn_dtype_bits(type->type) / 8, 1u);
    const struct zn_plan_mark mark = zn_plan_mark(plan);
    ZN_TRY(zn_plan_add(plan, s->off + off, end - off, type->dtype, s->name, strlen(s->name), &n, 1, err));
    struct zn_tensor *t = zn_plan_last(plan, &mark);
    if (!t) return ZIPNN_OK;
    t->type = type->type;
    t->meaning = ZN_REMAINDER | (s->big_endian && zn_dtype_unit(t->type) > 1 ? ZN_BIG_ENDIAN : 0);
    return ZIPNN_OK;
}

/* Adds a name for a tensor whose bytes are already in the plan. */
static zipnn_status add_view(const struct zn_pickle *p, const struct zn_pickle_array *a, const struct zn_stored *s,
                             struct zn_plan *plan, zipnn_error *err) {
    uint64_t off, len;
    const bool packed = zn_dtype_bits(a->type.type) % 8 != 0;
    if (a->type.element == 0 || (packed && !a->contiguous) || !extent_of(p, a, &len) ||
        !zn_mul(a->first, a->type.element, &off) || off > s->len || len > s->len - off) {
        plan->n_left_out++;
        return ZIPNN_OK;
    }
    const uint32_t order = s->big_endian && zn_dtype_unit(a->type.type) > 1 ? ZN_BIG_ENDIAN : 0;
    return add_array(p, a, s->off + off, len, order | ZN_ALIAS, plan, err);
}

/* Adds the pieces of one storage, the storage itself first. */
static zipnn_status add_storage(const struct zn_pickle *p, const struct zn_stored *s, const struct piece *piece,
                                size_t n, struct zn_plan *plan, zipnn_error *err) {
    const uint64_t end = piece[0].array ? 0 : piece[0].len;
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct zn_pickle_array *a = piece[i].array;
        if (!a) continue;
        if (piece[i].off < at) {
            ZN_TRY(add_view(p, a, s, plan, err));
            continue;
        }
        const uint32_t order = s->big_endian && zn_dtype_unit(a->type.type) > 1 ? ZN_BIG_ENDIAN : 0;
        ZN_TRY(add_rest(s, &piece[0].type, at, ZN_MIN(piece[i].off, end), plan, err));
        ZN_TRY(add_array(p, a, s->off + piece[i].off, piece[i].len, order, plan, err));
        at = piece[i].off + piece[i].len;
    }
    return add_rest(s, &piece[0].type, at, end, plan, err);
}

/* Finds the piece of its storage that a tensor is. Returns false if the storage does not hold it, or not row after
 * row. */
static bool piece_of(const struct zn_pickle *p, const struct zn_pickle_array *a, const struct zn_stored *stored,
                     size_t n, struct piece *piece) {
    if (a->where != ZN_ARRAY_STORED || a->type.element == 0 || a->type.dtype == ZIPNN_DTYPE_UNKNOWN) return false;
    const struct zn_stored *s = zn_torch_find(stored, n, zn_pickle_text(p, zn_pickle_storages(p)[a->source].key));
    if (!s) return false;
    *piece = (struct piece){.stored = (size_t)(s - stored), .type = a->type, .array = a};
    if (!a->contiguous || !size_of(p, a, &piece->len) || !zn_mul(a->first, a->type.element, &piece->off)) return false;
    return piece->off <= s->len && piece->len <= s->len - piece->off;
}

/* Returns the whole storage as a piece. */
static bool whole_of(const struct zn_pickle *p, const struct zn_pickle_storage *storage, struct zn_pickle_type type,
                     const struct zn_stored *stored, size_t n, struct piece *piece) {
    const struct zn_stored *s = zn_torch_find(stored, n, zn_pickle_text(p, storage->key));
    uint64_t len;
    if (!s || type.dtype == ZIPNN_DTYPE_UNKNOWN ||
        !zn_mul(storage->n_elements, ZN_MAX(storage->type.element, 1u), &len))
        return false;
    *piece = (struct piece){(size_t)(s - stored), 0, ZN_MIN(len, s->len), type, NULL};
    return true;
}

/* Collects the pieces. An untyped storage has the type of the tensors that use it. */
static size_t collect(const struct zn_pickle *p, const struct zn_stored *stored, size_t n, struct piece *pieces) {
    size_t n_pieces = 0;
    for (size_t i = 0; i < p->storages.n; i++) {
        const struct zn_pickle_storage *s = &zn_pickle_storages(p)[i];
        if (whole_of(p, s, s->type, stored, n, &pieces[n_pieces])) n_pieces++;
    }
    for (size_t i = 0; i < p->arrays.n; i++) {
        const struct zn_pickle_array *a = &zn_pickle_arrays(p)[i];
        if (a->where != ZN_ARRAY_STORED) continue;
        if (piece_of(p, a, stored, n, &pieces[n_pieces])) n_pieces++;
        const struct zn_pickle_storage *s = &zn_pickle_storages(p)[a->source];
        if (s->type.element == 0 && whole_of(p, s, a->type, stored, n, &pieces[n_pieces])) n_pieces++;
    }
    if (n_pieces) qsort(pieces, n_pieces, sizeof *pieces, compare_pieces);
    return n_pieces;
}

static zipnn_status add_stored(const struct zn_pickle *p, const struct zn_stored *stored, size_t n,
                               struct zn_plan *plan, zipnn_error *err) {
    struct piece *pieces = zn_alloc(&plan->alloc, (2 * p->arrays.n + p->storages.n + 1) * sizeof *pieces);
    if (!pieces) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory for %zu tensors", p->arrays.n);
    const size_t n_pieces = collect(p, stored, n, pieces);
    zipnn_status st = ZIPNN_OK;
    for (size_t i = 0, end; i < n_pieces && st == ZIPNN_OK; i = end) {
        for (end = i + 1; end < n_pieces && pieces[end].stored == pieces[i].stored;) end++;
        st = add_storage(p, &stored[pieces[i].stored], pieces + i, end - i, plan, err);
    }
    zn_free(&plan->alloc, pieces);
    return st;
}

/* Adds the tensors that are not a piece of their storage. */
static zipnn_status add_views(const struct zn_pickle *p, const struct zn_stored *stored, size_t n, struct zn_plan *plan,
                              zipnn_error *err) {
    struct piece unused;
    for (size_t i = 0; i < p->arrays.n; i++) {
        const struct zn_pickle_array *a = &zn_pickle_arrays(p)[i];
        if (a->where != ZN_ARRAY_STORED || piece_of(p, a, stored, n, &unused)) continue;
        const struct zn_stored *s = zn_torch_find(stored, n, zn_pickle_text(p, zn_pickle_storages(p)[a->source].key));
        if (s)
            ZN_TRY(add_view(p, a, s, plan, err));
        else
            plan->n_left_out++;
    }
    return ZIPNN_OK;
}

/* Adds an array whose bytes are spelled as text: where it lies, and its name. */
static zipnn_status add_spelled(const struct zn_pickle *p, struct zn_pickle_array a, struct zn_plan *plan,
                                zipnn_error *err) {
    uint64_t size;
    if (a.type.element == 0 || !size_of(p, &a, &size) || size > a.first || size < a.first / 2) {
        plan->n_left_out++;
        return ZIPNN_OK;
    }
    a.type.dtype = ZIPNN_DTYPE_UNKNOWN;
    const struct zn_plan_mark mark = zn_plan_mark(plan);
    ZN_TRY(add_array(p, &a, a.source, a.first, ZN_UNREADABLE, plan, err));
    struct zn_tensor *t = zn_plan_last(plan, &mark);
    if (t) t->meaning &= ~(uint32_t)ZN_ALIAS; /* the chunker sees where it begins */
    return ZIPNN_OK;
}

static zipnn_status add_inline(const struct zn_pickle *p, struct zn_plan *plan, zipnn_error *err) {
    for (size_t i = 0; i < p->arrays.n; i++) {
        const struct zn_pickle_array *a = &zn_pickle_arrays(p)[i];
        uint64_t size;
        if (a->where == ZN_ARRAY_STORED) continue;
        if (a->where == ZN_ARRAY_SPELLED)
            ZN_TRY(add_spelled(p, *a, plan, err));
        else if (a->where == ZN_ARRAY_INLINE && a->type.element && size_of(p, a, &size) && size == a->first)
            ZN_TRY(add_array(p, a, a->source, size, 0, plan, err));
        else
            plan->n_left_out++;
    }
    return ZIPNN_OK;
}

zipnn_status zn_torch_add(struct zn_pickle *p, const struct zn_stored *stored, size_t n, struct zn_plan *plan,
                          zipnn_error *err) {
    if (zn_pickle_name_arrays(p) == ZIPNN_E_MEMORY) return ZIPNN_E_MEMORY; /* a plan without names is still useful */
    ZN_TRY(add_stored(p, stored, n, plan, err));
    ZN_TRY(add_views(p, stored, n, plan, err));
    return add_inline(p, plan, err);
}

/* ---- old files */

static const uint8_t old_magic[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

bool zn_torch_knows_old(const uint8_t *head, size_t len) {
    return len >= sizeof old_magic && memcmp(head, old_magic, sizeof old_magic) == 0;
}

static zipnn_status read_pickle(struct zn_pickle *p, struct zn_scan *s, const struct zn_plan *plan, zipnn_error *err) {
    zn_pickle_free(p);
    zn_pickle_init(p, plan, err);
    return zn_pickle_read(p, s);
}

zipnn_status zn_torch_list(struct zn_pickle *p, struct zn_stored **stored, size_t *n, zipnn_error *err) {
    if (zn_pickle_name_arrays(p) == ZIPNN_E_MEMORY) return ZIPNN_E_MEMORY; /* now, since naming moves texts */
    *stored = zn_alloc(&p->alloc, (p->storages.n + 1) * sizeof **stored);
    if (!*stored) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory for %zu storages", p->storages.n);
    *n = 0;
    for (size_t i = 0; i < p->storages.n; i++) {
        const struct zn_pickle_storage *s = &zn_pickle_storages(p)[i];
        const char *key = zn_pickle_text(p, s->key);
        uint64_t len;
        if (zn_mul(s->n_elements, ZN_MAX(s->type.element, 1u), &len))
            (*stored)[(*n)++] = (struct zn_stored){key, ZN_UNPLACED, len, key, false};
    }
    zn_torch_sort(*stored, *n);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (kept == 0 || strcmp((*stored)[kept - 1].key, (*stored)[i].key) != 0) (*stored)[kept++] = (*stored)[i];
    *n = kept;
    return ZIPNN_OK;
}

/* Checks whether a storage of `len` bytes may begin after offset `at`, where its number of elements stands. It also may
 * if that number is out of sight. */
static zipnn_status check_count(const struct zn_view *view, uint64_t at, uint64_t len, bool *fits, zipnn_error *err) {
    uint8_t count[COUNT_LEN];
    size_t got;
    ZN_TRY(zn_view_read(view, at, count, sizeof count, &got, err));
    if (got == sizeof count) {
        const uint64_t n = zn_get_u64(count);
        *fits = n == 0 ? len == 0 : len % n == 0 && len / n - 1 < 16;
        return ZIPNN_OK;
    }
    uint64_t seen;
    enum zn_view_end end;
    ZN_TRY(zn_view_measure(view, &seen, &end, err));
    *fits = end == ZN_VIEW_CUT;
    return ZIPNN_OK;
}

/* Places the storages in the order of their keys, from offset `at` on, up to the first that contradicts the pickle.
 * Drops the others. */
static zipnn_status place_storages(const struct zn_pickle *keys, const struct zn_view *view, uint64_t at,
                                   struct zn_stored *stored, size_t *n, zipnn_error *err) {
    size_t run = 0, i = 0;
    bool fits = true;
    while (fits) {
        const struct zn_pickle_value key = zn_pickle_root_item(keys, &run, &i);
        const char *text = key.kind == ZN_PICKLE_TEXT ? zn_pickle_text(keys, (size_t)key.what) : NULL;
        struct zn_stored *found = text ? zn_torch_find(stored, *n, text) : NULL;
        if (!found || found->off != ZN_UNPLACED) break;
        ZN_TRY(check_count(view, at, found->len, &fits, err));
        uint64_t end;
        if (!fits || !zn_add(at, COUNT_LEN, &at) || !zn_add(at, found->len, &end)) break;
        found->off = at;
        at = end;
    }
    *n = zn_torch_drop_unplaced(stored, *n);
    return ZIPNN_OK;
}

/* Reads the pickles of magic number, version and system, which are of no interest, then the object and the keys. */
static zipnn_status read_pickles(struct zn_pickle *object, struct zn_pickle *keys, struct zn_scan *s,
                                 const struct zn_plan *plan, zipnn_error *err) {
    for (unsigned i = 0; i < 3; i++) ZN_TRY(read_pickle(object, s, plan, err));
    ZN_TRY(read_pickle(object, s, plan, err));
    return read_pickle(keys, s, plan, err);
}

zipnn_status zn_torch_plan_old(const struct zn_view *view, struct zn_plan *plan, const char **container,
                               zipnn_error *err) {
    (void)container;
    struct zn_pickle object, keys;
    struct zn_stored *stored = NULL;
    size_t n = 0;
    struct zn_scan s;
    zn_pickle_init(&object, plan, err);
    zn_pickle_init(&keys, plan, err);
    zn_scan_init(&s, view, 0, UINT64_MAX, err);
    zipnn_status st = read_pickles(&object, &keys, &s, plan, err);
    if (st == ZIPNN_OK) st = zn_torch_list(&object, &stored, &n, err);
    if (st == ZIPNN_OK) st = place_storages(&keys, view, s.off, stored, &n, err);
    if (st == ZIPNN_OK) st = zn_torch_add(&object, stored, n, plan, err);
    zn_free(&plan->alloc, stored);
    zn_pickle_free(&object);
    zn_pickle_free(&keys);
    return st;
}

/* ---- other pickles */

bool zn_torch_knows_pickle(const uint8_t *head, size_t len) {
    return len >= 4 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5 && memchr("c(}]\x95", head[2], 5);
}

zipnn_status zn_torch_plan_pickle(const struct zn_view *view, struct zn_plan *plan, const char **container,
                                  zipnn_error *err) {
    (void)container;
    struct zn_pickle p;
    struct zn_scan s;
    zn_pickle_init(&p, plan, err);
    zn_scan_init(&s, view, 0, UINT64_MAX, err);
    zipnn_status st = zn_pickle_read(&p, &s);
    if (st == ZIPNN_OK) st = zn_torch_add(&p, NULL, 0, plan, err);
    zn_pickle_free(&p);
    return st;
}
