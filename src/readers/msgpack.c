#include "readers/msgpack.h"

#include <stdio.h>

#include "readers/pickle.h"
#include "readers/readers.h"

/* A file is one value: a number, text, bytes, an extension, or an array or map of values. The walk goes through it once,
 * from front to back. Flax writes an array as an extension that holds [shape, type, bytes]; msgpack-numpy writes a map
 * of "nd", "type", "kind", "shape" and "data", whose keys are bytes or text. */

enum { MAX_DEPTH = 32, MAX_PATH = 4096, MAX_TEXT = 512, MAX_RANK = 16 };

enum kind { NIL, INT, TEXT, BYTES, ARRAY, MAP, EXTENSION, MALFORMED };

enum { NDARRAY = 1 /* extension of Flax */ };

/* The head of a value. Text, bytes and extensions are followed by `n` bytes, arrays by n values, maps by n pairs. */
struct value {
    enum kind kind;
    uint64_t n; /* INT: the value */
    uint8_t extension;
};

/* An array as msgpack-numpy describes it, as far as its map was read. */
struct described {
    bool is_array, has_shape;
    struct zn_pickle_type type;
    uint64_t dims[MAX_RANK];
    uint32_t rank;
    uint64_t off, len; /* len 0: not seen yet */
};

struct walk {
    struct zn_scan s;
    struct zn_plan *plan;
    struct level {
        bool is_map;
        uint64_t n, i;   /* items, or pairs; how many were begun */
        size_t path_len; /* of the path of the container itself */
        struct described array;
    } level[MAX_DEPTH];
    unsigned depth;
    char path[MAX_PATH + 1];
    size_t path_len;
    char key[MAX_TEXT + 1];
    bool malformed;
    zipnn_error *err;
};

/* ---- heads */

static uint64_t take_be(struct zn_scan *s, size_t len) {
    uint64_t n = 0;
    const uint8_t *p = zn_scan_take(s, len);
    for (size_t i = 0; p && i < len; i++) n = n << 8 | p[i];
    return n;
}

static struct value counted(struct zn_scan *s, enum kind kind, size_t len) {
    struct value v = {kind, take_be(s, len), 0};
    if (kind == EXTENSION) v.extension = zn_scan_u8(s);
    return v;
}

/* Takes the head of a value that begins with a byte of 0xc0 to 0xdf. */
static struct value take_long_head(struct zn_scan *s, uint8_t first) {
    static const struct {
        uint8_t kind, len;
    } forms[32] = {
        {NIL, 0},       {MALFORMED, 0}, {NIL, 0},       {NIL, 0},       {BYTES, 1}, {BYTES, 2}, {BYTES, 4},
        {EXTENSION, 1}, {EXTENSION, 2}, {EXTENSION, 4}, {NIL, 4},       {NIL, 8},   {INT, 1},   {INT, 2},
        {INT, 4},       {INT, 8},       {NIL, 1},       {NIL, 2},       {NIL, 4},   {NIL, 8},   {EXTENSION, 0},
        {EXTENSION, 0}, {EXTENSION, 0}, {EXTENSION, 0}, {EXTENSION, 0}, {TEXT, 1},  {TEXT, 2},  {TEXT, 4},
        {ARRAY, 2},     {ARRAY, 4},     {MAP, 2},       {MAP, 4},
    };
    const unsigned form = first - 0xc0u;
    struct value v = counted(s, (enum kind)forms[form].kind, forms[form].len);
    if (first >= 0xd4 && first <= 0xd8) v.n = 1u << (first - 0xd4); /* extensions of fixed length */
    return v;
}

static struct value take_head(struct zn_scan *s) {
    const uint8_t first = zn_scan_u8(s);
    struct value v;
    if (first < 0x80)
        v = (struct value){INT, first, 0};
    else if (first < 0x90)
        v = (struct value){MAP, first & 15, 0};
    else if (first < 0xa0)
        v = (struct value){ARRAY, first & 15, 0};
    else if (first < 0xc0)
        v = (struct value){TEXT, first & 31, 0};
    else if (first < 0xe0)
        v = take_long_head(s, first);
    else
        v = (struct value){NIL, 0, 0}; /* a negative number */
    if (!zn_scan_ok(s)) v = (struct value){MALFORMED, 0, 0};
    return v;
}

/* Takes text or bytes of a value whose head was taken. Longer ones are skipped, and give nothing. */
static bool take_text(struct zn_scan *s, struct value v, char *to) {
    to[0] = '\0';
    if (v.n > MAX_TEXT) zn_scan_skip(s, v.n);
    const uint8_t *bytes = v.n <= MAX_TEXT ? zn_scan_take(s, (size_t)v.n) : NULL;
    if (!bytes) return false;
    memcpy(to, bytes, (size_t)v.n);
    to[v.n] = '\0';
    return true;
}

/* ---- arrays */

static bool take_shape(struct zn_scan *s, struct value v, uint64_t *dims, uint32_t *rank) {
    if (v.kind != ARRAY || v.n > MAX_RANK) return false;
    for (uint64_t i = 0; i < v.n; i++) {
        const struct value dim = take_head(s);
        if (dim.kind != INT) return false;
        dims[i] = dim.n;
    }
    *rank = (uint32_t)v.n;
    return true;
}

/* Adds an array under the current path, if its shape and type give the number of its bytes. */
static zipnn_status add_array(struct walk *w, const struct described *a) {
    uint64_t size = a->type.element;
    bool fits = size > 0;
    for (uint32_t i = 0; i < a->rank && fits; i++) fits = zn_mul(size, a->dims[i], &size);
    if (!fits || size != a->len) {
        w->plan->n_left_out++;
        return ZIPNN_OK;
    }
    const struct zn_plan_mark mark = zn_plan_mark(w->plan);
    ZN_TRY(zn_plan_add(w->plan, a->off, a->len, a->type.dtype, w->path, w->path_len, a->dims, a->rank, w->err));
    struct zn_tensor *t = zn_plan_last(w->plan, &mark);
    if (!t) return ZIPNN_OK;
    t->type = a->type.type;
    t->meaning = a->type.meaning;
    if (t->dtype == ZIPNN_DTYPE_UNKNOWN) t->meaning |= ZN_ALIAS;
    return ZIPNN_OK;
}

/* Takes [shape, type, bytes], which end at `end`. Returns false for anything else. */
static bool take_flax(struct walk *w, uint64_t end, struct described *a) {
    char name[MAX_TEXT + 1];
    const struct value triple = take_head(&w->s);
    if (triple.kind != ARRAY || triple.n != 3 || !take_shape(&w->s, take_head(&w->s), a->dims, &a->rank)) return false;
    const struct value type = take_head(&w->s);
    if ((type.kind != TEXT && type.kind != BYTES) || !take_text(&w->s, type, name)) return false;
    const struct value bytes = take_head(&w->s);
    a->type = zn_pickle_type_named(name);
    a->off = w->s.off;
    a->len = bytes.n;
    return (bytes.kind == BYTES || bytes.kind == TEXT) && a->off <= end && a->len == end - a->off;
}

static zipnn_status take_extension(struct walk *w, struct value v) {
    struct described a = {.is_array = true};
    const uint64_t start = w->s.off;
    uint64_t end;
    zipnn_status st = ZIPNN_OK;
    if (!zn_add(start, v.n, &end)) {
        w->malformed = true;
        return ZIPNN_OK;
    }
    if (v.extension == NDARRAY && take_flax(w, end, &a))
        st = add_array(w, &a);
    else if (v.extension == NDARRAY)
        w->plan->n_left_out++;
    if (zn_scan_ok(&w->s)) zn_scan_seek(&w->s, end);
    return st;
}

/* ---- the walk */

/* Sets the path to that of an item of the deepest container. */
static void step_into(struct walk *w, const char *key) {
    const size_t at = w->level[w->depth - 1].path_len, dot = at > 0, len = strlen(key);
    w->path_len = at;
    if (at + dot + len > MAX_PATH) return;
    if (dot) w->path[at] = '.';
    memcpy(w->path + at + dot, key, len);
    w->path_len = at + dot + len;
}

static void enter(struct walk *w, struct value v) {
    if (w->depth == MAX_DEPTH) {
        w->malformed = true;
        return;
    }
    w->level[w->depth++] = (struct level){.is_map = v.kind == MAP, .n = v.n, .path_len = w->path_len};
}

/* Takes a member of a map that may describe an array of msgpack-numpy. Returns whether the member was one of it. */
static bool take_description(struct walk *w, struct described *a, struct value v) {
    char text[MAX_TEXT + 1];
    const bool is_text = v.kind == TEXT || v.kind == BYTES;
    if (strcmp(w->key, "type") == 0 && is_text) {
        const bool known = take_text(&w->s, v, text) && strlen(text) > 1;
        if (known) a->type = zn_pickle_type_coded(text + 1);
        if (known && text[0] == '>') a->type.meaning |= ZN_BIG_ENDIAN;
        return true;
    }
    if (strcmp(w->key, "shape") == 0 && v.kind == ARRAY) {
        a->has_shape = take_shape(&w->s, v, a->dims, &a->rank);
        w->malformed |= !a->has_shape;
        return true;
    }
    if (strcmp(w->key, "data") != 0 || !is_text) return false;
    a->off = w->s.off;
    a->len = v.n;
    zn_scan_skip(&w->s, v.n);
    return true;
}

/* Takes the key of the next pair. Keys that are no text give their number. */
static void take_key(struct walk *w, const struct level *l) {
    const struct value key = take_head(&w->s);
    const bool is_text = key.kind == TEXT || key.kind == BYTES;
    if (is_text)
        take_text(&w->s, key, w->key);
    else if (key.kind == INT || key.kind == NIL)
        snprintf(w->key, sizeof w->key, "%llu", (unsigned long long)(key.kind == INT ? key.n : l->i));
    else
        w->malformed = true;
}

static zipnn_status take_value(struct walk *w, struct level *l) {
    const struct value v = take_head(&w->s);
    const bool is_sign = strcmp(w->key, "nd") == 0 && v.kind == NIL; /* True; of a scalar, False */
    if (l->is_map && is_sign) l->array.is_array = true;
    if (l->is_map && l->array.is_array && take_description(w, &l->array, v)) return ZIPNN_OK;
    switch (v.kind) {
        case TEXT:
        case BYTES:
            zn_scan_skip(&w->s, v.n);
            break;
        case ARRAY:
        case MAP:
            enter(w, v);
            break;
        case EXTENSION:
            return take_extension(w, v);
        case MALFORMED:
            w->malformed = true;
            break;
        default:
            break;
    }
    return ZIPNN_OK;
}

/* Takes the next item of the deepest container, or leaves it. */
static zipnn_status step(struct walk *w) {
    struct level *l = &w->level[w->depth - 1];
    if (l->i == l->n) {
        w->depth--;
        w->path_len = l->path_len;
        return l->array.is_array && l->array.has_shape ? add_array(w, &l->array) : ZIPNN_OK;
    }
    if (l->is_map)
        take_key(w, l);
    else
        snprintf(w->key, sizeof w->key, "%llu", (unsigned long long)l->i);
    l->i++;
    if (w->malformed) return ZIPNN_OK;
    step_into(w, w->key);
    return take_value(w, l);
}

static zipnn_status walk_all(struct walk *w) {
    const struct value root = take_head(&w->s);
    if (w->s.status != ZIPNN_OK) return w->s.status;
    if (root.kind != MAP) return zn_fail(w->err, ZIPNN_E_FORMAT, 0, "MessagePack: the file is no map");
    enter(w, root);
    while (w->depth > 0 && zn_scan_ok(&w->s) && !w->malformed) ZN_TRY(step(w));
    if (w->s.status != ZIPNN_OK) return w->s.status;
    if (zn_scan_ok(&w->s) && !w->malformed) return ZIPNN_OK;
    if (w->plan->n_tensors == 0)
        return zn_fail(w->err, ZIPNN_E_FORMAT, w->s.off, "MessagePack: a value makes no sense");
    w->plan->n_left_out++; /* what was read is right; a pipe ends at its window */
    return ZIPNN_OK;
}

bool zn_msgpack_knows(const uint8_t *head, size_t len) {
    /* a map that is not empty, and the head of a key: text, or bytes of fewer than 256 */
    if (len == 0) return false;
    const size_t at = head[0] == 0xde ? 3 : head[0] == 0xdf ? 5 : 1;
    const bool is_map = (head[0] > 0x80 && head[0] < 0x90) || at > 1;
    return len > at && is_map && ((head[at] >= 0xa0 && head[at] < 0xc0) || head[at] == 0xd9 || head[at] == 0xc4);
}

zipnn_status zn_msgpack_plan(const struct zn_view *view, struct zn_plan *plan, const char **container,
                             zipnn_error *err) {
    struct walk *w = zn_alloc(&plan->alloc, sizeof *w);
    (void)container;
    if (!w) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory reading a MessagePack file");
    w->plan = plan;
    w->err = err;
    w->depth = 0;
    w->path_len = 0;
    w->malformed = false;
    zn_scan_init(&w->s, view, 0, UINT64_MAX, err);
    const zipnn_status st = walk_all(w);
    zn_free(&plan->alloc, w);
    return st;
}
