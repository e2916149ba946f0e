#include "readers/safetensors.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/cur.h"
#include "plan/dtype.h"
#include "readers/readers.h"

/* The header of a large model is megabytes of JSON, and a DOM of it would be ten times that. So the outermost object is
 * walked here, by brackets and quotes alone, and the JSON library sees one key or one entry at a time. */

enum {
    LENGTH_BYTES = 8,   /* of the header's length at the start of the file */
    MAX_KEY = 64 << 10, /* longer names and entries are passed over */
    MAX_ENTRY = 64 << 10,
    MAX_DEPTH = 16
};

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

size_t zn_safetensors_want(const uint8_t *head, size_t len) {
    if (len <= LENGTH_BYTES) return 0;
    const uint64_t header = zn_get_u64(head);
    if (header < 2 || header > ZN_MAX_HEAD - LENGTH_BYTES) return 0;
    for (size_t i = LENGTH_BYTES; i < len; i++)
        if (!is_space(head[i])) return head[i] == '{' ? LENGTH_BYTES + (size_t)header : 0;
    return LENGTH_BYTES + (size_t)header; /* only white space so far */
}

/* ---- the outermost object */

struct scan {
    struct zn_cur cur;
    const uint8_t *head; /* of the file, for offsets in messages */
    struct zn_plan *plan;
    uint64_t data_off; /* of the tensors' bytes in the file */
    size_t first;      /* tensors that the plan had before */
    bool metadata_seen;
    zipnn_error *err;
};

struct extent {
    const uint8_t *at;
    size_t len;
    size_t depth; /* brackets open at once, at most */
};

static zipnn_status malformed(struct scan *s, const uint8_t *at, const char *what) {
    return zn_fail(s->err, ZIPNN_E_FORMAT, (uint64_t)(at - s->head), "safetensors header: %s", what);
}

/* The next byte that is not white space, without passing it; 0 at the end. */
static uint8_t peek(struct zn_cur *c) {
    while (c->at < c->end && is_space(*c->at)) c->at++;
    return c->at < c->end ? *c->at : 0;
}

static bool take_char(struct zn_cur *c, char expected) {
    if (peek(c) != (uint8_t)expected) return false;
    c->at++;
    return true;
}

/* Passes white space and a string, which is returned with its quotes. */
static bool take_string(struct zn_cur *c, struct extent *string) {
    if (peek(c) != '"') return false;
    const uint8_t *start = c->at++;
    while (c->at < c->end && *c->at != '"') c->at += *c->at == '\\' && c->end - c->at > 1 ? 2 : 1;
    if (c->at >= c->end) return false;
    c->at++;
    *string = (struct extent){start, (size_t)(c->at - start), 0};
    return true;
}

/* Passes white space and an object. Only brackets (of either kind) and strings are looked at. */
static bool take_object(struct zn_cur *c, struct extent *object) {
    if (peek(c) != '{') return false;
    const uint8_t *start = c->at;
    size_t depth = 0, deepest = 0;
    struct extent string;
    do {
        const uint8_t ch = c->at < c->end ? *c->at : 0;
        if (ch == 0) return false;
        if (ch == '"') {
            if (!take_string(c, &string)) return false;
            continue;
        }
        if (ch == '{' || ch == '[') depth++;
        if (ch == '}' || ch == ']') depth--;
        deepest = ZN_MAX(deepest, depth);
        c->at++;
    } while (depth > 0);
    *object = (struct extent){start, (size_t)(c->at - start), deepest};
    return true;
}

/* ---- one entry */

static json_t *parse(const struct extent *text, zipnn_status *st, struct scan *s) {
    json_error_t fault;
    json_t *json = json_loadb((const char *)text->at, text->len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &fault);
    if (json)
        *st = ZIPNN_OK;
    else if (json_error_code(&fault) == json_error_out_of_memory)
        *st = zn_fail(s->err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory reading a safetensors header");
    else
        *st = malformed(s, text->at, "not JSON");
    return json;
}

static bool get_u64(const json_t *json, uint64_t *value) {
    if (!json_is_integer(json) || json_integer_value(json) < 0) return false;
    *value = (uint64_t)json_integer_value(json);
    return true;
}

/* What an entry says; false when it lacks a field or has one of another type. A rank above ZN_MAX_RANK is reported, its
 * dimensions are not. */
struct entry {
    zipnn_dtype dtype;
    uint64_t dims[ZN_MAX_RANK];
    size_t rank;
    uint64_t begin, end; /* relative to data_off */
};

static bool read_entry(const json_t *json, struct entry *e) {
    const json_t *dtype = json_object_get(json, "dtype");
    const json_t *shape = json_object_get(json, "shape");
    const json_t *offsets = json_object_get(json, "data_offsets");
    if (!json_is_string(dtype) || !json_is_array(shape) || json_array_size(offsets) != 2) return false;

    e->dtype = zn_dtype_from_safetensors(json_string_value(dtype), json_string_length(dtype));
    e->rank = json_array_size(shape);
    for (size_t i = 0; i < e->rank; i++) {
        uint64_t dim;
        if (!get_u64(json_array_get(shape, i), &dim)) return false;
        if (i < ZN_MAX_RANK) e->dims[i] = dim;
    }
    return get_u64(json_array_get(offsets, 0), &e->begin) && get_u64(json_array_get(offsets, 1), &e->end);
}

/* Whether the entry's offsets, shape and type agree. An unknown type has no size to agree with. */
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

static zipnn_status add_entry(struct scan *s, const json_t *key, const struct extent *text) {
    zipnn_status st;
    json_t *json = parse(text, &st, s);
    if (!json) return st;
    struct entry e;
    const bool complete = read_entry(json, &e);
    json_decref(json);
    if (!complete) return malformed(s, text->at, "a tensor lacks dtype, shape or data_offsets");
    if (!makes_sense(&e, s->data_off)) return ZIPNN_OK;
    const struct zn_plan_mark mark = zn_plan_mark(s->plan);
    ZN_TRY(zn_plan_add(s->plan, s->data_off + e.begin, e.end - e.begin, e.dtype, json_string_value(key),
                       json_string_length(key), e.dims, (uint32_t)e.rank, s->err));
    struct zn_tensor *t = zn_plan_last(s->plan, &mark);
    if (t) t->meaning = ZN_ALONE;
    return ZIPNN_OK;
}

/* One member of the outermost object. */
static zipnn_status take_member(struct scan *s) {
    const uint8_t *at = s->cur.at;
    struct extent key_text, text;
    if (!take_string(&s->cur, &key_text)) return malformed(s, at, "a name is missing");
    if (!take_char(&s->cur, ':') || !take_object(&s->cur, &text))
        return malformed(s, s->cur.at, "no object after a name");
    if (key_text.len > MAX_KEY) return ZIPNN_OK;

    zipnn_status st;
    json_t *key = parse(&key_text, &st, s);
    if (!key) return st;
    if (strcmp(json_string_value(key), "__metadata__") == 0) {
        if (s->metadata_seen) st = malformed(s, at, "__metadata__ occurs twice");
        s->metadata_seen = true;
    } else if (text.len <= MAX_ENTRY && text.depth <= MAX_DEPTH) {
        st = add_entry(s, key, &text);
    }
    json_decref(key);
    return st;
}

/* ---- the whole header */

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The specification forbids two tensors of one name. */
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

    if (!take_char(&s.cur, '{')) return malformed(&s, s.cur.at, "no object");
    if (peek(&s.cur) != '}') {
        do {
            ZN_TRY(take_member(&s));
        } while (take_char(&s.cur, ','));
    }
    if (!take_char(&s.cur, '}')) return malformed(&s, s.cur.at, "the object does not end");
    if (peek(&s.cur) != 0 || zn_cur_left(&s.cur) > 0) return malformed(&s, s.cur.at, "bytes after the object");
    return refuse_duplicates(&s);
}
