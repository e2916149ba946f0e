#include "readers/npy.h"

#include "base/cur.h"
#include "plan/dtype.h"
#include "readers/readers.h"

/* {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } and spaces up to a line feed. Of Python's literals only
 * these are read: strings without backslashes, the two truth values, and tuples of integers. */

enum { MAGIC_LEN = 6, MAX_HEADER = 64 << 10 };

static const uint8_t magic[MAGIC_LEN] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* Bytes before the header: version 1 has a length of two bytes, 2 and 3 of four. */
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

/* What the header says. */
struct array {
    bool has_descr, has_order, has_shape;
    zipnn_dtype dtype;
    uint64_t element; /* bytes */
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
    if (c->at < c->end && *c->at == 'L') c->at++; /* a long of Python 2 */
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

/* Byte order, kind and size, as in "<f4". Both orders give the same type: it is a hint, and the chunk looks closer. */
static bool understand(const struct text *descr, struct array *a) {
    static const struct {
        char kind, size;
        uint8_t dtype;
    } types[] = {
        {'f', '2', ZIPNN_F16}, {'f', '4', ZIPNN_F32}, {'f', '8', ZIPNN_F64}, {'i', '1', ZIPNN_I8},
        {'i', '2', ZIPNN_I16}, {'i', '4', ZIPNN_I32}, {'i', '8', ZIPNN_I64}, {'u', '1', ZIPNN_U8},
        {'u', '2', ZIPNN_U16}, {'u', '4', ZIPNN_U32}, {'u', '8', ZIPNN_U64}, {'b', '1', ZIPNN_BOOL},
        {'c', '8', ZIPNN_C64}, {'V', '1', 0},         {'V', '2', 0}, /* numpy's names of types it does not have */
    };
    if (descr->len != 3 || !memchr("<>|=", descr->at[0], 4)) return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].kind != (char)descr->at[1] || types[i].size != (char)descr->at[2]) continue;
        a->dtype = (zipnn_dtype)types[i].dtype;
        a->element = (uint64_t)(types[i].size - '0');
        return true;
    }
    return false;
}

static bool is(const struct text *s, const char *word) {
    return s->len == strlen(word) && memcmp(s->at, word, s->len) == 0;
}

/* One pair of the dictionary; no key may occur twice. */
static bool take_pair(struct zn_cur *c, struct array *a) {
    struct text key, descr;
    if (!take_string(c, &key) || !take_char(c, ':')) return false;
    bool *had = is(&key, "descr") ? &a->has_descr : is(&key, "shape") ? &a->has_shape : &a->has_order;
    if (*had) return false;
    *had = true;
    if (had == &a->has_descr) return take_string(c, &descr) && understand(&descr, a);
    if (had == &a->has_shape) return take_shape(c, a);
    return is(&key, "fortran_order") && (take_word(c, "False") || take_word(c, "True"));
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
    return zn_plan_add(plan, len, size, a.dtype, "", 0, a.dims, a.rank, err);
}
