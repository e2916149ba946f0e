#include "readers/tar.h"

#include "base/cur.h"
#include "readers/readers.h"

/* A member is a header of one block, then its bytes, filled up to whole blocks. A member whose name or size does not fit
 * into its header follows a member that says so: records of text (pax) or a long name (GNU). */

enum {
    BLOCK = 512,
    MAX_NAME = 4096,
    MAX_RECORDS = ZN_SCAN_MAX /* bytes of pax records that are read; longer ones are skipped */
};

/* The fields of a header: their place and length. */
enum { NAME_LEN = 100, SIZE = 124, SIZE_LEN = 12, SUM = 148, SUM_LEN = 8, TYPE = 156, MAGIC = 257, PREFIX = 345 };
enum { PREFIX_LEN = 155 };

/* Reads an octal number that ends with a space or a zero. Returns false for anything else. */
static bool read_octal(const uint8_t *p, size_t len, uint64_t *n) {
    size_t i = 0;
    *n = 0;
    while (i < len && p[i] == ' ') i++;
    for (; i < len && p[i] >= '0' && p[i] <= '7'; i++) *n = *n << 3 | (p[i] - (unsigned)'0');
    return i == len || p[i] == ' ' || p[i] == '\0';
}

/* Reads the size of a member: octal digits, or with the top bit set a number in base 256, big-endian. */
static bool read_size(const uint8_t *block, uint64_t *size) {
    const uint8_t *p = block + SIZE;
    if (p[0] != 0x80) return read_octal(p, SIZE_LEN, size);
    *size = 0;
    for (unsigned i = 1; i < SIZE_LEN; i++) {
        if (*size >> 56) return false;
        *size = *size << 8 | p[i];
    }
    return true;
}

/* The sum of a header's bytes, with spaces in place of the sum itself, stands in the header. */
static bool is_header(const uint8_t *block) {
    uint64_t said, sum = 0;
    if (memcmp(block + MAGIC, "ustar", 5) != 0 || !read_octal(block + SUM, SUM_LEN, &said)) return false;
    for (unsigned i = 0; i < BLOCK; i++) sum += i >= SUM && i < SUM + SUM_LEN ? ' ' : block[i];
    return sum == said;
}

/* A name is filled up with zeros. That is all the first bytes show; the whole header decides. */
bool zn_tar_knows(const uint8_t *head, size_t len) {
    size_t name = 0;
    while (name < len && head[name] >= ' ') name++;
    for (size_t i = name; i < len; i++)
        if (head[i] != 0) return false;
    return name > 0;
}

/* A member, and what the members before it say about it. */
struct member {
    char name[MAX_NAME + 1];
    bool has_name, has_size; /* said before */
    uint64_t size;
};

static size_t field_len(const uint8_t *field, size_t max) {
    const uint8_t *end = memchr(field, 0, max);
    return end ? (size_t)(end - field) : max;
}

/* Takes the name from the header: in POSIX's format it may have a prefix. */
static void take_name(const uint8_t *block, struct member *m) {
    const bool posix = block[MAGIC + 5] == '\0';
    const size_t prefix = posix ? field_len(block + PREFIX, PREFIX_LEN) : 0, len = field_len(block, NAME_LEN);
    memcpy(m->name, block + PREFIX, prefix);
    if (prefix) m->name[prefix] = '/';
    memcpy(m->name + prefix + (prefix > 0), block, len);
    m->name[prefix + (prefix > 0) + len] = '\0';
}

/* Takes one record, "LENGTH KEY=VALUE\n", where the length is that of the whole record. Returns false for anything
 * else. */
static bool take_record(struct zn_cur *c, struct member *m) {
    const uint8_t *start = c->at;
    uint64_t len = 0, size = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && len <= MAX_RECORDS)
        len = 10 * len + (uint64_t)(*c->at++ - '0');
    const size_t digits = (size_t)(c->at - start);
    const uint8_t *text = len > digits + 1 ? zn_cur_take(c, len - digits) : NULL;
    if (!text || text[0] != ' ') return false;
    const size_t text_len = (size_t)len - digits - 2; /* without space and line feed */
    text++;
    if (text_len > 5 && memcmp(text, "path=", 5) == 0 && text_len - 5 <= MAX_NAME) {
        memcpy(m->name, text + 5, text_len - 5);
        m->name[text_len - 5] = '\0';
        m->has_name = true;
    }
    if (text_len <= 5 || memcmp(text, "size=", 5) != 0) return true;
    for (size_t i = 5; i < text_len; i++) {
        if (text[i] < '0' || text[i] > '9' || !zn_mul(size, 10, &size) || !zn_add(size, text[i] - (uint64_t)'0', &size))
            return false;
    }
    m->size = size;
    m->has_size = true;
    return true;
}

/* Takes what a member of the types 'x' and 'L' says about the next one. */
static bool take_hint(struct zn_scan *s, uint8_t type, uint64_t len, struct member *m) {
    const uint8_t *bytes = len <= MAX_RECORDS ? zn_scan_take(s, (size_t)len) : NULL;
    if (!bytes) return true; /* too long, or out of sight: the header's own fields are used */
    if (type == 'L') {
        const size_t name_len = field_len(bytes, (size_t)len);
        if (name_len > MAX_NAME) return true;
        memcpy(m->name, bytes, name_len);
        m->name[name_len] = '\0';
        m->has_name = true;
        return true;
    }
    struct zn_cur c = zn_cur_of(bytes, (size_t)len);
    while (zn_cur_left(&c) > 0)
        if (!take_record(&c, m)) return false;
    return true;
}

/* Links, devices and folders have no bytes, whatever their size says. */
static bool has_no_bytes(uint8_t type) {
    return type >= '1' && type <= '6';
}

static zipnn_status give_up(struct zn_plan *plan) {
    plan->n_left_out++;
    return ZIPNN_OK;
}

/* Takes the member whose header was read. *next becomes the offset of the next header. */
static zipnn_status take_member(const struct zn_view *view, struct zn_scan *s, const uint8_t *block, struct member *m,
                                uint64_t *next, struct zn_plan *plan, zipnn_error *err) {
    const uint8_t type = block[TYPE];
    const bool is_hint = type == 'x' || type == 'L', is_of_no_interest = type == 'g' || type == 'K';
    const uint64_t off = *next + BLOCK;
    uint64_t size, end;
    if (!read_size(block, &size)) return zn_fail(err, ZIPNN_E_FORMAT, off, "tar: a size makes no sense");
    if (!is_hint && m->has_size) size = m->size;
    if (has_no_bytes(type)) size = 0;
    if (!zn_add(off, size, &end) || !zn_add(end, BLOCK - 1, next))
        return zn_fail(err, ZIPNN_E_FORMAT, off, "tar: a size makes no sense");
    *next -= *next % BLOCK;
    if (is_hint) {
        if (take_hint(s, type, size, m)) return ZIPNN_OK;
        return zn_fail(err, ZIPNN_E_FORMAT, off, "tar: a record makes no sense");
    }
    if (is_of_no_interest) return ZIPNN_OK;
    zipnn_status st = ZIPNN_OK;
    if (!m->has_name) take_name(block, m);
    if (type == '0' || type == '\0' || type == '7')
        st = zn_reader_plan_member(view, m->name, off, size, plan, err);
    else if (size > 0)
        st = give_up(plan);
    m->has_name = m->has_size = false;
    return st;
}

static zipnn_status walk(const struct zn_view *view, struct zn_scan *s, struct member *m, struct zn_plan *plan,
                         zipnn_error *err) {
    uint8_t block[BLOCK];
    for (uint64_t at = 0;;) {
        zn_scan_seek(s, at);
        const uint8_t *seen = zn_scan_take(s, BLOCK);
        if (!seen && (s->status != ZIPNN_OK || at > 0)) return s->status; /* the end, or out of sight */
        if (!seen || (!is_header(seen) && at == 0)) return zn_fail(err, ZIPNN_E_FORMAT, at, "tar: no header");
        if (!is_header(seen)) return seen[0] == '\0' ? ZIPNN_OK : give_up(plan);
        memcpy(block, seen, BLOCK);
        ZN_TRY(take_member(view, s, block, m, &at, plan, err));
        if (s->status != ZIPNN_OK) return s->status;
        s->bad = false; /* a hint that is out of sight does not end the walk: the next header decides */
    }
}

zipnn_status zn_tar_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err) {
    struct zn_scan s;
    struct member *m = zn_alloc(&plan->alloc, sizeof *m);
    (void)container;
    if (!m) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory reading a tar archive");
    m->has_name = m->has_size = false;
    zn_scan_init(&s, view, 0, UINT64_MAX, err);
    const zipnn_status st = walk(view, &s, m, plan, err);
    zn_free(&plan->alloc, m);
    return st;
}
