#include "readers/safetensors.h"

#include <jansson.h>
#include <stdlib.h>

#include "plan/dtype.h"
#include "readers/json.h"
#include "readers/readers.h"

/* Reads what the package safetensors accepts, with headers as long as it allows. Entries that the package refuses are
 * counted as left out; the other entries still give their hints. */

enum { LENGTH_BYTES = 8 /* of the header's length at the start of the file */ };

size_t zn_safetensors_want(const uint8_t *head, size_t len) {
    if (len <= LENGTH_BYTES) return 0;
    const uint64_t header = zn_get_u64(head);
    if (header < 2 || header > ZN_SAFETENSORS_MAX_HEADER) return 0;
    for (size_t i = LENGTH_BYTES; i < len; i++)
        if (!zn_json_is_space(head[i])) return head[i] == '{' ? LENGTH_BYTES + (size_t)header : 0;
    return LENGTH_BYTES + (size_t)header; /* so far, the header is all white space */
}

struct scan {
    struct zn_cur cur;
    const uint8_t *head; /* of the file; offsets in messages are relative to it */
    struct zn_plan *plan;
    uint64_t data_off; /* offset of the tensors' bytes in the file */
    size_t first;      /* number of tensors that the plan had before */
    bool metadata_seen;
    zipnn_error *err;
};

static zipnn_status malformed(struct scan *s, const uint8_t *at, const char *what) {
    return zn_fail(s->err, ZIPNN_E_FORMAT, (uint64_t)(at - s->head), "safetensors header: %s", what);
}

static zipnn_status skip_value(struct scan *s) {
    const uint8_t *at = s->cur.at;
    const zipnn_status st = zn_json_skip(&s->cur, s->plan, s->err);
    return st == ZIPNN_E_FORMAT ? malformed(s, at, "not JSON") : st;
}

/* ---- strings without their escapes */

struct text {
    const char *at; /* `len` bytes, which may include zeros */
    size_t len;
    json_t *owner; /* owns the text of a string that had escapes; else NULL */
};

static void free_text(struct text *t) {
    json_decref(t->owner);
}

static zipnn_status decode(struct scan *s, const struct zn_json_string *string, struct text *t) {
    *t = (struct text){(const char *)string->at, string->len, NULL};
    if (string->plain) return ZIPNN_OK;
    json_error_t fault;
    t->owner = json_loadb((const char *)string->at - 1, string->len + 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
    if (!t->owner && json_error_code(&fault) == json_error_out_of_memory)
        return zn_fail(s->err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory reading a safetensors header");
    if (!t->owner) return malformed(s, string->at, "not JSON");
    t->at = json_string_value(t->owner);
    t->len = json_string_length(t->owner);
    return ZIPNN_OK;
}

static bool equals(const struct text *t, const char *word) {
    return t->len == strlen(word) && memcmp(t->at, word, t->len) == 0;
}

/* ---- one entry */

/* One entry. A rank above ZN_MAX_RANK is kept, but the dimensions beyond are not. */
struct entry {
    bool has_dtype, has_shape, has_offsets;
    zipnn_dtype dtype;
    uint64_t dims[ZN_MAX_RANK];
    size_t rank;
    uint64_t begin, end; /* relative to data_off */
};

static bool take_shape(struct zn_cur *c, struct entry *e) {
    uint64_t dim;
    if (!zn_json_take_char(c, '[')) return false;
    if (zn_json_take_char(c, ']')) return true;
    do {
        if (!zn_json_take_u64(c, &dim)) return false;
        if (e->rank < ZN_MAX_RANK) e->dims[e->rank] = dim;
        e->rank++;
    } while (zn_json_take_char(c, ','));
    return zn_json_take_char(c, ']');
}

static bool take_offsets(struct zn_cur *c, struct entry *e) {
    return zn_json_take_char(c, '[') && zn_json_take_u64(c, &e->begin) && zn_json_take_char(c, ',') &&
           zn_json_take_u64(c, &e->end) && zn_json_take_char(c, ']');
}

static zipnn_status take_dtype(struct scan *s, struct entry *e) {
    struct zn_json_string string;
    struct text name;
    if (!zn_json_take_string(&s->cur, &string)) return malformed(s, s->cur.at, "a dtype is no string");
    ZN_TRY(decode(s, &string, &name));
    e->dtype = zn_dtype_from_safetensors(name.at, name.len);
    free_text(&name);
    return ZIPNN_OK;
}

/* Takes the value of a field. Fields of other names are skipped, as the package does. */
static zipnn_status take_value(struct scan *s, const struct text *key, struct entry *e) {
    const uint8_t *at = s->cur.at;
    bool *had = equals(key, "dtype")          ? &e->has_dtype
                : equals(key, "shape")        ? &e->has_shape
                : equals(key, "data_offsets") ? &e->has_offsets
                                              : NULL;
    if (!had) return skip_value(s);
    if (*had) return malformed(s, at, "a field occurs twice");
    *had = true;
    if (had == &e->has_dtype) return take_dtype(s, e);
    const bool well = had == &e->has_shape ? take_shape(&s->cur, e) : take_offsets(&s->cur, e);
    return well ? ZIPNN_OK : malformed(s, at, "a shape or data_offsets are no list of numbers");
}

static zipnn_status take_field(struct scan *s, struct entry *e) {
    struct zn_json_string string;
    struct text key;
    if (!zn_json_take_string(&s->cur, &string) || !zn_json_take_char(&s->cur, ':'))
        return malformed(s, s->cur.at, "a field's name is missing");
    ZN_TRY(decode(s, &string, &key));
    const zipnn_status st = take_value(s, &key, e);
    free_text(&key);
    return st;
}

static zipnn_status take_entry(struct scan *s, struct entry *e) {
    const uint8_t *at = s->cur.at;
    if (!zn_json_take_char(&s->cur, '{')) return malformed(s, at, "no object after a name");
    if (!zn_json_take_char(&s->cur, '}')) {
        do {
            ZN_TRY(take_field(s, e));
        } while (zn_json_take_char(&s->cur, ','));
        if (!zn_json_take_char(&s->cur, '}')) return malformed(s, s->cur.at, "an object does not end");
    }
    if (e->has_dtype && e->has_shape && e->has_offsets) return ZIPNN_OK;
    return malformed(s, at, "a tensor lacks dtype, shape or data_offsets");
}

/* Returns whether the entry's offsets, shape and type agree. The size of an unknown type is not checked. */
static bool makes_sense(const struct entry *e, uint64_t data_off) {
    uint64_t end, bits = zn_dtype_bits(e->dtype);
    if (e->rank > ZN_MAX_RANK || e->begin > e->end || !zn_add(data_off, e->end, &end)) return false;
    if (bits == 0) return true;
    bool zero = false;
    for (size_t i = 0; i < e->rank; i++) zero = zero || e->dims[i] == 0;
    if (zero) return e->begin == e->end;
    for (size_t i = 0; i < e->rank; i++)
        if (!zn_mul(bits, e->dims[i], &bits)) return false;
    return bits % 8 == 0 && e->end - e->begin == bits / 8;
}

static zipnn_status add_entry(struct scan *s, const struct text *name) {
    struct entry e = {.rank = 0};
    ZN_TRY(take_entry(s, &e));
    const bool sense = makes_sense(&e, s->data_off);
    if (!sense || e.dtype == ZIPNN_DTYPE_UNKNOWN) s->plan->n_left_out++;
    if (!sense) return ZIPNN_OK;
    const struct zn_plan_mark mark = zn_plan_mark(s->plan);
    ZN_TRY(zn_plan_add(s->plan, s->data_off + e.begin, e.end - e.begin, e.dtype, name->at, name->len, e.dims,
                       (uint32_t)e.rank, s->err));
    struct zn_tensor *t = zn_plan_last(s->plan, &mark);
    if (t) t->meaning = ZN_ALONE;
    return ZIPNN_OK;
}

/* Skips the metadata. Only their end matters here. */
static zipnn_status pass_metadata(struct scan *s) {
    const uint8_t *at = s->cur.at;
    if (s->metadata_seen) return malformed(s, at, "__metadata__ occurs twice");
    s->metadata_seen = true;
    const uint8_t first = zn_json_peek(&s->cur);
    if (first != '{' && first != 'n') return malformed(s, at, "__metadata__ is no object");
    return skip_value(s);
}

/* Takes one member of the outermost object. */
static zipnn_status take_member(struct scan *s) {
    struct zn_json_string string;
    struct text name;
    if (!zn_json_take_string(&s->cur, &string) || !zn_json_take_char(&s->cur, ':'))
        return malformed(s, s->cur.at, "a name is missing");
    ZN_TRY(decode(s, &string, &name));
    const zipnn_status st = equals(&name, "__metadata__") ? pass_metadata(s) : add_entry(s, &name);
    free_text(&name);
    return st;
}

/* ---- the whole header */

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Refuses two tensors of one name, which the specification forbids. */
static zipnn_status refuse_duplicates(struct scan *s) {
    const struct zn_plan *plan = s->plan;
    const size_t n = plan->n_tensors - s->first;
    if (n < 2) return ZIPNN_OK;
    const char **names = zn_alloc(&plan->alloc, n * sizeof *names);
    if (!names) return zn_fail(s->err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory for %zu names", n);
    for (size_t i = 0; i < n; i++) names[i] = plan->names + plan->tensors[s->first + i].name;
    qsort(names, n, sizeof *names, compare_names);
    zipnn_status st = ZIPNN_OK;
    for (size_t i = 1; i < n && st == ZIPNN_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0) st = malformed(s, s->head + LENGTH_BYTES, "two tensors of one name");
    zn_free(&plan->alloc, names);
    return st;
}

zipnn_status zn_safetensors_plan(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err) {
    struct scan s = {.head = head, .plan = plan, .first = plan->n_tensors, .data_off = len, .err = err};
    s.cur = zn_cur_of(head + LENGTH_BYTES, len - LENGTH_BYTES);

    if (!zn_json_is_utf8(s.cur.at, zn_cur_left(&s.cur))) return malformed(&s, s.cur.at, "not UTF-8");
    if (!zn_json_take_char(&s.cur, '{')) return malformed(&s, s.cur.at, "no object");
    if (zn_json_peek(&s.cur) != '}') {
        do {
            ZN_TRY(take_member(&s));
        } while (zn_json_take_char(&s.cur, ','));
    }
    if (!zn_json_take_char(&s.cur, '}')) return malformed(&s, s.cur.at, "the object does not end");
    if (zn_json_peek(&s.cur) != 0 || zn_cur_left(&s.cur) > 0) return malformed(&s, s.cur.at, "bytes after the object");
    return refuse_duplicates(&s);
}
