#include "readers/gguf.h"

#include "base/cur.h"
#include "plan/dtype.h"
#include "readers/readers.h"

/* The file does not say how long its head is, so it is read record by record. This happens twice: first over the bytes
 * that are there, to learn whether they suffice, and then over the whole head, to collect the tensors. Values of
 * key-value pairs are skipped; vocabularies of a hundred thousand strings are common. */

enum {
    COUNTS_LEN = 24, /* magic, version and the two counts */
    FIRST_HEAD = 64 << 10,
    MAX_DIMS = 4,
    MAX_NESTING = 16, /* arrays in arrays */
    MIN_PAIR = 13,    /* an empty key, its type, a value of one byte */
    MIN_TENSOR = 24,  /* an empty name, no dimensions */
    DEFAULT_ALIGNMENT = 32
};

enum value_type { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, N_VALUE_TYPES };

static const uint8_t value_size[N_VALUE_TYPES] = {[U8] = 1,  [I8] = 1,   [U16] = 2, [I16] = 2, [U32] = 4, [I32] = 4,
                                                  [F32] = 4, [BOOL] = 1, [U64] = 8, [I64] = 8, [F64] = 8};

/* The dtypes by the type's number in the file; 0 where a number has no meaning, or no longer has one. */
static const uint8_t dtypes[] = {
    [0] = ZIPNN_F32,     [1] = ZIPNN_F16,      [2] = ZIPNN_Q4_0,   [3] = ZIPNN_Q4_1,    [6] = ZIPNN_Q5_0,
    [7] = ZIPNN_Q5_1,    [8] = ZIPNN_Q8_0,     [9] = ZIPNN_Q8_1,   [10] = ZIPNN_Q2_K,   [11] = ZIPNN_Q3_K,
    [12] = ZIPNN_Q4_K,   [13] = ZIPNN_Q5_K,    [14] = ZIPNN_Q6_K,  [15] = ZIPNN_Q8_K,   [16] = ZIPNN_IQ2_XXS,
    [17] = ZIPNN_IQ2_XS, [18] = ZIPNN_IQ3_XXS, [19] = ZIPNN_IQ1_S, [20] = ZIPNN_IQ4_NL, [21] = ZIPNN_IQ3_S,
    [22] = ZIPNN_IQ2_S,  [23] = ZIPNN_IQ4_XS,  [24] = ZIPNN_I8,    [25] = ZIPNN_I16,    [26] = ZIPNN_I32,
    [27] = ZIPNN_I64,    [28] = ZIPNN_F64,     [29] = ZIPNN_IQ1_M, [30] = ZIPNN_BF16,   [34] = ZIPNN_TQ1_0,
    [35] = ZIPNN_TQ2_0,  [39] = ZIPNN_MXFP4,   [40] = ZIPNN_NVFP4, [41] = ZIPNN_Q1_0,   [42] = ZIPNN_Q2_0,
};

struct walk {
    struct zn_cur cur;
    const uint8_t *head;
    bool big_endian;
    bool malformed;
    uint64_t
        need; /* bytes that the head has at least, once the cursor is stuck: the end of the record that was cut short */
    uint64_t n_tensors, n_pairs;
    uint64_t alignment;
};

struct string {
    const uint8_t *at;
    uint64_t len;
};

/* ---- fields; each reader returns zero when the bytes end or the file is malformed */

static bool goes_on(const struct walk *w) {
    return zn_cur_ok(&w->cur) && !w->malformed;
}

static const uint8_t *take(struct walk *w, uint64_t len) {
    const uint64_t at = (uint64_t)(w->cur.at - w->head);
    if (!goes_on(w)) return NULL;
    const uint8_t *p = zn_cur_take(&w->cur, len);
    if (!p && !zn_add(at, len, &w->need)) w->need = UINT64_MAX;
    return p;
}

static uint32_t take_u32(struct walk *w) {
    const uint8_t *p = take(w, 4);
    if (!p) return 0;
    return w->big_endian ? __builtin_bswap32(zn_get_u32(p)) : zn_get_u32(p);
}

static uint64_t take_u64(struct walk *w) {
    const uint8_t *p = take(w, 8);
    if (!p) return 0;
    return w->big_endian ? __builtin_bswap64(zn_get_u64(p)) : zn_get_u64(p);
}

static struct string take_string(struct walk *w) {
    const uint64_t len = take_u64(w);
    const uint8_t *at = take(w, len);
    return (struct string){at, at ? len : 0};
}

static bool equals(const struct string *s, const char *text) {
    return s->len == strlen(text) && memcmp(s->at, text, (size_t)s->len) == 0;
}

/* ---- key-value pairs */

/* Skips the items of an array up to the first array in it, or to its end. Returns how many arrays follow. */
static uint64_t pass_items(struct walk *w) {
    const uint32_t type = take_u32(w);
    const uint64_t n = take_u64(w);
    uint64_t size;
    if (type == ARRAY) return n;
    if (type >= N_VALUE_TYPES || !zn_mul(n, ZN_MAX(value_size[type], 1), &size))
        w->malformed = true;
    else if (type != STRING)
        take(w, size);
    else
        for (uint64_t i = 0; i < n && goes_on(w); i++) take_string(w);
    return 0;
}

static void pass_array(struct walk *w) {
    uint64_t left[MAX_NESTING] = {1}; /* arrays to come, by depth */
    for (unsigned depth = 1; depth > 0 && goes_on(w);) {
        if (left[depth - 1] == 0) {
            depth--;
            continue;
        }
        left[depth - 1]--;
        const uint64_t inside = pass_items(w);
        if (inside && depth == MAX_NESTING) w->malformed = true;
        if (inside && depth < MAX_NESTING) left[depth++] = inside;
    }
}

static void pass_value(struct walk *w, uint32_t type) {
    if (type >= N_VALUE_TYPES)
        w->malformed = true;
    else if (type == STRING)
        take_string(w);
    else if (type == ARRAY)
        pass_array(w);
    else
        take(w, value_size[type]);
}

static void pass_pair(struct walk *w) {
    const struct string key = take_string(w);
    const uint32_t type = take_u32(w);
    if (!goes_on(w)) return;
    if (!equals(&key, "general.alignment")) {
        pass_value(w, type);
        return;
    }
    w->alignment = take_u32(w);
    if (goes_on(w) && (type != U32 || w->alignment == 0 || (w->alignment & (w->alignment - 1)) != 0))
        w->malformed = true;
}

/* ---- tensor records */

struct record {
    struct string name;
    uint32_t rank, type;
    uint64_t dims[MAX_DIMS]; /* the row length is the last */
    uint64_t off;            /* offset of the data from the start of all data */
};

static struct record take_record(struct walk *w) {
    struct record r = {.name = take_string(w)};
    r.rank = take_u32(w); /* on a line of its own, because initializers have no order */
    if (r.rank > MAX_DIMS) {
        w->malformed = true;
        return r;
    }
    for (uint32_t i = 0; i < r.rank; i++) r.dims[r.rank - 1 - i] = take_u64(w);
    r.type = take_u32(w);
    r.off = take_u64(w);
    if (goes_on(w) && r.off % w->alignment != 0) w->malformed = true;
    return r;
}

/* Computes the bytes of a tensor. Returns false when its row is not a whole number of blocks, or the product
 * overflows. */
static bool size_of(const struct record *r, zipnn_dtype dtype, uint64_t *size) {
    const unsigned elements = zn_dtype_elements(dtype);
    const uint64_t row = r->rank > 0 ? r->dims[r->rank - 1] : 1;
    *size = elements ? zn_dtype_word(dtype) : zn_dtype_bits(dtype) / 8;
    if (elements && row % elements != 0) return false;
    if (!zn_mul(*size, elements ? row / elements : row, size)) return false;
    for (uint32_t i = 0; i + 1 < r->rank; i++)
        if (!zn_mul(*size, r->dims[i], size)) return false;
    return true;
}

/* ---- the whole head */

static void take_counts(struct walk *w) {
    take(w, 4);
    const uint32_t version = take_u32(w);
    w->big_endian = goes_on(w) && (version & 0xffff) == 0;
    const uint32_t number = w->big_endian ? __builtin_bswap32(version) : version;
    w->n_tensors = take_u64(w);
    w->n_pairs = take_u64(w);
    w->malformed = goes_on(w) && number != 2 && number != 3;
    /* Records have a least length, so counts that no head can hold end here and not in a loop. */
    if (w->n_tensors > ZN_MAX_HEAD / MIN_TENSOR || w->n_pairs > ZN_MAX_HEAD / MIN_PAIR) w->malformed = true;
}

static struct walk start(const uint8_t *head, size_t len) {
    struct walk w = {.cur = zn_cur_of(head, len), .head = head, .alignment = DEFAULT_ALIGNMENT};
    take_counts(&w);
    for (uint64_t i = 0; i < w.n_pairs && goes_on(&w); i++) pass_pair(&w);
    return w;
}

size_t zn_gguf_want(const uint8_t *head, size_t len) {
    if (len < 8 || memcmp(head, "GGUF", 4) != 0) return 0;
    if (len < COUNTS_LEN) return FIRST_HEAD;
    struct walk w = start(head, len);
    for (uint64_t i = 0; i < w.n_tensors && goes_on(&w); i++) take_record(&w);
    if (w.malformed) return 0;
    if (zn_cur_ok(&w.cur)) return (size_t)(w.cur.at - head);
    if (w.need > ZN_MAX_HEAD || len >= ZN_MAX_HEAD) return 0;
    const size_t twice = ZN_MIN(ZN_MAX(2 * len, (size_t)FIRST_HEAD), (size_t)ZN_MAX_HEAD);
    return ZN_MAX((size_t)w.need, twice);
}

static zipnn_status malformed(const struct walk *w, const char *what, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_FORMAT, (uint64_t)(w->cur.at - w->head), "GGUF: %s", what);
}

static zipnn_status add_record(const struct walk *w, const struct record *r, uint64_t data_off, struct zn_plan *plan,
                               zipnn_error *err) {
    const bool known = r->type < sizeof dtypes / sizeof dtypes[0] && dtypes[r->type] != 0;
    const zipnn_dtype dtype = known ? (zipnn_dtype)dtypes[r->type] : ZIPNN_DTYPE_UNKNOWN;
    uint64_t size, off, end;
    if (!known || !size_of(r, dtype, &size) || !zn_add(data_off, r->off, &off) || !zn_add(off, size, &end)) {
        plan->n_left_out++;
        return ZIPNN_OK;
    }
    const struct zn_plan_mark mark = zn_plan_mark(plan);
    ZN_TRY(zn_plan_add(plan, off, size, dtype, (const char *)r->name.at, (size_t)r->name.len, r->dims, r->rank, err));
    struct zn_tensor *t = zn_plan_last(plan, &mark);
    if (t && w->big_endian && zn_dtype_unit(dtype) > 1) t->meaning |= ZN_BIG_ENDIAN;
    return ZIPNN_OK;
}

/* Finds the start of the data: the end of the records, rounded up. */
static bool find_data(struct walk w, uint64_t *data_off) {
    for (uint64_t i = 0; i < w.n_tensors && goes_on(&w); i++) take_record(&w);
    if (!goes_on(&w)) return false;
    *data_off = ((uint64_t)(w.cur.at - w.head) + w.alignment - 1) / w.alignment * w.alignment;
    return true;
}

zipnn_status zn_gguf_plan(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err) {
    struct walk w = start(head, len);
    uint64_t data_off;
    if (!find_data(w, &data_off)) return malformed(&w, "the head is cut short or makes no sense", err);
    for (uint64_t i = 0; i < w.n_tensors; i++) {
        const struct record r = take_record(&w);
        ZN_TRY(add_record(&w, &r, data_off, plan, err));
    }
    return ZIPNN_OK;
}
