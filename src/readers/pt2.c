#include "readers/pt2.h"

#include "readers/json.h"
#include "readers/pickle.h"
#include "readers/readers.h"

/* {"config": {NAME: {"path_name": FILE, "tensor_meta": {"dtype": NUMBER, "sizes": [{"as_int": N}, ...], "strides": ...,
 * "storage_offset": {"as_int": N}, ...}, ...}, ...}}, beside the members FILE. */

enum { MAX_RANK = 16, MAX_LIST = 4 << 20 };

/* Names of the numbers that torch.export gives to types. */
static const char *const types[] = {
    [1] = "uint8",
    [2] = "int8",
    [3] = "int16",
    [4] = "int32",
    [5] = "int64",
    [6] = "float16",
    [7] = "float32",
    [8] = "float64",
    [9] = "complex32",
    [10] = "complex64",
    [12] = "bool",
    [13] = "bfloat16",
    [28] = "uint16",
    [29] = "float8_e4m3fn",
    [30] = "float8_e5m2",
    [31] = "float8_e4m3fnuz",
    [32] = "float8_e5m2fnuz",
    [33] = "float8_e8m0fnu",
    [34] = "uint32",
    [35] = "uint64",
};

struct numbers {
    uint64_t at[MAX_RANK];
    uint32_t n;
};

struct entry {
    struct zn_json_string name, file;
    struct zn_pickle_type type;
    struct numbers sizes, strides;
    uint64_t first;
};

struct list {
    struct zn_cur cur;
    const struct zn_member *member;
    struct zn_member *const *by_name;
    size_t n;
    struct zn_plan *plan;
    zipnn_error *err;
};

static zipnn_status not_understood(const struct list *l) {
    return zn_fail(l->err, ZIPNN_E_FORMAT, l->member->off, "pt2: a list of weights is not understood");
}

/* Walks the pairs of an object. Each value is taken by `take`. */
typedef zipnn_status take_fn(struct list *l, const struct zn_json_string *key, struct entry *e);

static zipnn_status take_object(struct list *l, take_fn *take, struct entry *e) {
    if (!zn_json_take_char(&l->cur, '{')) return not_understood(l);
    if (zn_json_take_char(&l->cur, '}')) return ZIPNN_OK;
    do {
        struct zn_json_string key;
        ZN_TRY(zn_work_step(l->plan->work, 1, l->err));
        if (!zn_json_take_string(&l->cur, &key) || !zn_json_take_char(&l->cur, ':')) return not_understood(l);
        ZN_TRY(take(l, &key, e));
    } while (zn_json_take_char(&l->cur, ','));
    return zn_json_take_char(&l->cur, '}') ? ZIPNN_OK : not_understood(l);
}

static bool is(const struct zn_json_string *s, const char *word) {
    return s->len == strlen(word) && memcmp(s->at, word, s->len) == 0;
}

static zipnn_status skip(const struct list *l, struct zn_cur *cur) {
    const zipnn_status st = zn_json_skip(cur, l->plan, l->err);
    return st == ZIPNN_E_FORMAT ? not_understood(l) : st;
}

/* Takes {"as_int": N}. */
static bool take_number(struct list *l, uint64_t *n) {
    struct zn_json_string key;
    return zn_json_take_char(&l->cur, '{') && zn_json_take_string(&l->cur, &key) && is(&key, "as_int") &&
           zn_json_take_char(&l->cur, ':') && zn_json_take_u64(&l->cur, n) && zn_json_take_char(&l->cur, '}');
}

static zipnn_status take_numbers(struct list *l, struct numbers *to) {
    to->n = 0;
    if (!zn_json_take_char(&l->cur, '[')) return not_understood(l);
    if (zn_json_take_char(&l->cur, ']')) return ZIPNN_OK;
    do {
        if (to->n == MAX_RANK || !take_number(l, &to->at[to->n++])) return not_understood(l);
    } while (zn_json_take_char(&l->cur, ','));
    return zn_json_take_char(&l->cur, ']') ? ZIPNN_OK : not_understood(l);
}

static zipnn_status take_meta(struct list *l, const struct zn_json_string *key, struct entry *e) {
    uint64_t type;
    if (is(key, "sizes")) return take_numbers(l, &e->sizes);
    if (is(key, "strides")) return take_numbers(l, &e->strides);
    if (is(key, "storage_offset")) return take_number(l, &e->first) ? ZIPNN_OK : not_understood(l);
    if (!is(key, "dtype")) return skip(l, &l->cur);
    if (!zn_json_take_u64(&l->cur, &type)) return not_understood(l);
    if (type < sizeof types / sizeof types[0] && types[type]) e->type = zn_pickle_type_named(types[type]);
    return ZIPNN_OK;
}

static zipnn_status take_entry(struct list *l, const struct zn_json_string *key, struct entry *e) {
    if (is(key, "path_name")) return zn_json_take_string(&l->cur, &e->file) ? ZIPNN_OK : not_understood(l);
    const bool has_meta = is(key, "tensor_meta") && zn_json_peek(&l->cur) == '{';
    return has_meta ? take_object(l, take_meta, e) : skip(l, &l->cur);
}

/* Returns the bytes of a tensor that is row after row; false for any other. */
static bool size_of(const struct entry *e, uint64_t *size) {
    uint64_t expected = 1;
    *size = e->type.element;
    if (e->type.element == 0 || e->strides.n != e->sizes.n) return false;
    for (uint32_t i = e->sizes.n; i-- > 0;) {
        if (e->sizes.at[i] != 1 && e->strides.at[i] != expected) return false;
        if (!zn_mul(expected, e->sizes.at[i], &expected) || !zn_mul(*size, e->sizes.at[i], size)) return false;
    }
    return true;
}

/* Adds a tensor whose values are in the member. Others are left out. */
static zipnn_status take_tensor(struct list *l, const struct zn_json_string *name, struct entry *unused) {
    struct entry e = {.first = 0};
    uint64_t size, first, end;
    (void)unused;
    ZN_TRY(take_object(l, take_entry, &e));
    struct zn_member *m =
        e.file.at ? zn_zip_find(l->by_name, l->n, l->member, (const char *)e.file.at, e.file.len) : NULL;
    if (!m || !m->stored || !size_of(&e, &size) || !zn_mul(e.first, e.type.element, &first) ||
        !zn_add(first, size, &end) || end > m->len || !zn_json_is_utf8(name->at, name->len)) {
        l->plan->n_left_out++;
        return ZIPNN_OK;
    }
    m->done = true;
    const struct zn_plan_mark mark = zn_plan_mark(l->plan);
    ZN_TRY(zn_plan_add(l->plan, m->off + first, size, e.type.dtype, (const char *)name->at, name->len, e.sizes.at,
                       e.sizes.n, l->err));
    struct zn_tensor *t = zn_plan_last(l->plan, &mark);
    if (!t) return ZIPNN_OK;
    t->type = e.type.type;
    if (t->dtype == ZIPNN_DTYPE_UNKNOWN) t->meaning |= ZN_ALIAS;
    return ZIPNN_OK;
}

static zipnn_status take_config(struct list *l, const struct zn_json_string *key, struct entry *unused) {
    return is(key, "config") ? take_object(l, take_tensor, unused) : skip(l, &l->cur);
}

bool zn_pt2_is_list(const struct zn_member *m) {
    const char *base = m->name + m->folder_len;
    return strcmp(base, "model_weights_config.json") == 0 || strcmp(base, "model_constants_config.json") == 0;
}

zipnn_status zn_pt2_plan(const struct zn_view *view, const struct zn_member *list, struct zn_member *const *by_name,
                         size_t n, struct zn_plan *plan, zipnn_error *err) {
    struct list l = {.member = list, .by_name = by_name, .n = n, .plan = plan, .err = err};
    size_t got;
    if (list->len == 0 || list->len > MAX_LIST) return ZIPNN_OK;
    ZN_TRY(zn_work_keep(plan->work, list->len, err));
    uint8_t *text = zn_alloc(&plan->alloc, (size_t)list->len);
    if (!text) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a list of weights");
    zipnn_status st = zn_view_read(view, list->off, text, (size_t)list->len, &got, err);
    l.cur = zn_cur_of(text, st == ZIPNN_OK ? got : 0);
    if (st == ZIPNN_OK) st = take_object(&l, take_config, NULL);
    if (st == ZIPNN_E_FORMAT) {
        plan->n_left_out++;
        st = ZIPNN_OK;
    }
    zn_free(&plan->alloc, text);
    return st;
}
