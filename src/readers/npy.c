#include "readers/npy.h"

#include "base/cur.h"
#include "plan/dtype.h"
#include "readers/readers.h"

/* The header is {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } and spaces up to a line feed. Of Python's
 * literals only these are read: strings without backslashes, the two truth values, and tuples of integers. */

enum { MAGIC_LEN = 6, MAX_HEADER = 64 << 10 };

static const uint8_t magic[MAGIC_LEN] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* Returns the bytes before the header. Its length has two bytes in version 1, four in versions 2 and 3. */
static size_t start_of(const uint8_t *head) {
    return head[MAGIC_LEN] == 1 ? MAGIC_LEN + 4 : MAGIC_LEN + 6;
}

size_t zn_npy_want(const uint8_t *head, size_t len) {
    if (len < MAGIC_LEN + 6 || memcmp(head, magic, MAGIC_LEN) != 0) return 0;
    if (head[MAGIC_LEN] < 1 || head[MAGIC_LEN] > 3) return 0;
    const size_t start = start_of(head);
    const uint32_t header = head[MAGIC_LEN] == 1 ? zn_get_u16(head + start - 2) : zn_get_u32(head + start - 4);
    return header <= MAX_HEADER ? start + header : 0;
}

/* The contents of the header. */
struct array {
    bool has_descr, has_order, has_shape;
    zipnn_dtype dtype;
    uint32_t meaning;
    uint64_t element; /* bytes of an element */
    uint64_t dims[ZN_MAX_RANK];
    uint32_t rank;
};

struct text {
    const uint8_t *at;
    size_t len;
};

static uint8_t peek(struct zn_cur *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n')) c->at++;
    return c->at < c->end ? *c->at : 0;
}

static bool take_char(struct zn_cur *c, char expected) {
    if (peek(c) != (uint8_t)expected) return false;
    c->at++;
    return true;
}

static bool take_word(struct zn_cur *c, const char *word) {
    const size_t len = strlen(word);
    peek(c);
    if (zn_cur_left(c) < len || memcmp(c->at, word, len) != 0) return false;
    c->at += len;
    return true;
}

static bool take_string(struct zn_cur *c, struct text *s) {
    const uint8_t quote = peek(c);
    if (quote != '\'' && quote != '"') return false;
    const uint8_t *start = ++c->at;
    while (c->at < c->end && *c->at != quote && *c->at != '\\') c->at++;
    if (c->at == c->end || *c->at != quote) return false;
    *s = (struct text){start, (size_t)(c->at++ - start)};
    return true;
}

static bool take_number(struct zn_cur *c, uint64_t *n) {
    const uint8_t first = peek(c);
    if (first < '0' || first > '9') return false;
    for (*n = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (!zn_mul(*n, 10, n) || !zn_add(*n, *c->at - (uint64_t)'0', n)) return false;
    if (c->at < c->end && *c->at == 'L') c->at++; /* the suffix of a long integer in Python 2 */
    return true;
}

static bool take_shape(struct zn_cur *c, struct array *a) {
    if (!take_char(c, '(')) return false;
    for (a->rank = 0; peek(c) != ')'; a->rank++) {
        if (a->rank == ZN_MAX_RANK || !take_number(c, &a->dims[a->rank])) return false;
        if (!take_char(c, ',') && peek(c) != ')') return false;
    }
    return take_char(c, ')');
}

/* Reads byte order, kind and size, as in "<f4". "=" is the order of the machine that wrote the file, which is taken to
 * be little-endian. */
static bool understand(const struct text *descr, struct array *a) {
    static const struct {
        const char *name;
        uint8_t dtype, element, unit;
    } types[] = {
        {"f2", ZIPNN_F16, 2, 2}, {"f4", ZIPNN_F32, 4, 4},    {"f8", ZIPNN_F64, 8, 8},
        {"i1", ZIPNN_I8, 1, 1},  {"i2", ZIPNN_I16, 2, 2},    {"i4", ZIPNN_I32, 4, 4},
        {"i8", ZIPNN_I64, 8, 8}, {"u1", ZIPNN_U8, 1, 1},     {"u2", ZIPNN_U16, 2, 2},
        {"u4", ZIPNN_U32, 4, 4}, {"u8", ZIPNN_U64, 8, 8},    {"b1", ZIPNN_BOOL, 1, 1},
        {"c8", ZIPNN_C64, 8, 4}, {"c16", ZIPNN_C128, 16, 8}, {"V1", 0, 1, 1},
        {"V2", 0, 2, 1}, /* names of types of other packages */
    };
    if (descr->len < 3 || !memchr("<>|=", descr->at[0], 4)) return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const size_t len = strlen(types[i].name);
        if (descr->len != 1 + len || memcmp(descr->at + 1, types[i].name, len) != 0) continue;
        a->dtype = (zipnn_dtype)types[i].dtype;
        a->element = types[i].element;
        if (descr->at[0] == '>' && types[i].unit > 1) a->meaning |= ZN_BIG_ENDIAN;
        if (a->dtype == ZIPNN_C128) a->meaning |= ZN_ALIAS; /* the chunker measures it */
        return true;
    }
    return false;
}

static bool is(const struct text *s, const char *word) {
    return s->len == strlen(word) && memcmp(s->at, word, s->len) == 0;
}

/* Reads one pair of the dictionary. No key may occur twice. */
static bool take_pair(struct zn_cur *c, struct array *a) {
    struct text key, descr;
    if (!take_string(c, &key) || !take_char(c, ':')) return false;
    bool *had = is(&key, "descr") ? &a->has_descr : is(&key, "shape") ? &a->has_shape : &a->has_order;
    if (*had) return false;
    *had = true;
    if (had == &a->has_descr) return take_string(c, &descr) && understand(&descr, a);
    if (had == &a->has_shape) return take_shape(c, a);
    if (!is(&key, "fortran_order")) return false;
    if (take_word(c, "False")) return true;
    a->meaning |= ZN_COLUMN_MAJOR;
    return take_word(c, "True");
}

static bool read_header(struct zn_cur *c, struct array *a) {
    if (!take_char(c, '{')) return false;
    while (peek(c) != '}') {
        if (!take_pair(c, a)) return false;
        if (!take_char(c, ',') && peek(c) != '}') return false;
    }
    c->at++;
    return a->has_descr && a->has_order && a->has_shape && peek(c) == 0 && zn_cur_left(c) == 0;
}

zipnn_status zn_npy_plan(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err) {
    struct array a = {.rank = 0};
    const size_t start = start_of(head);
    struct zn_cur cur = zn_cur_of(head + start, len - start);
    if (!read_header(&cur, &a)) return zn_fail(err, ZIPNN_E_FORMAT, start, "npy: the header is not understood");
    uint64_t size = a.element, end;
    for (uint32_t i = 0; i < a.rank; i++)
        if (!zn_mul(size, a.dims[i], &size)) return zn_fail(err, ZIPNN_E_FORMAT, start, "npy: the shape overflows");
    if (!zn_add(len, size, &end)) return zn_fail(err, ZIPNN_E_FORMAT, start, "npy: the shape overflows");
    const struct zn_plan_mark mark = zn_plan_mark(plan);
    ZN_TRY(zn_plan_add(plan, len, size, a.dtype, "", 0, a.dims, a.rank, err));
    struct zn_tensor *t = zn_plan_last(plan, &mark);
    if (t) t->meaning = a.meaning;
    return ZIPNN_OK;
}
