#include "base/cur.h"
#include "plan/dtype.h"
#include "readers/hdf5.h"

/* An object's header is a run of messages, each with a type and a length. It may continue elsewhere. */

enum {
    SPACE = 1,
    LINK_INFO = 2,
    TYPE = 3,
    OLD_FILL = 4,
    FILL = 5,
    LINK = 6,
    EXTERNAL_FILES = 7,
    LAYOUT = 8,
    FILTERS = 11,
    CONTINUATION = 16,
    SYMBOL_TABLE = 17
};

enum { MAX_BLOCKS = 64, MAX_MESSAGE = 512, OLD_HEAD = 8 /* bytes before a message */ };

/* Reads the rank, flags and dimensions. The second version has no reserved bytes. */
static bool read_space(struct zn_cur c, struct zn_hdf5_object *o) {
    const uint8_t version = zn_cur_u8(&c);
    o->rank = zn_cur_u8(&c);
    zn_cur_u8(&c); /* flags */
    const bool none = zn_cur_u8(&c) == 2 && version == 2;
    zn_cur_take(&c, version == 1 ? 4 : 0);
    if (o->rank > ZN_HDF5_MAX_RANK || version < 1 || version > 2) return false;
    for (uint32_t i = 0; i < o->rank; i++) o->dims[i] = zn_cur_u64(&c);
    o->has_space = !none;
    return zn_cur_ok(&c);
}

enum { FIXED = 0, FLOAT = 1, OPAQUE = 5, COMPOUND = 6, ENUM = 8 };

/* The positions of a float's parts, in bits, and the exponent's bias. */
struct parts {
    unsigned sign, exponent, exponent_bits, mantissa, mantissa_bits;
    uint32_t bias;
};

/* Returns whether the parts are the usual ones of a type of floats, with a leading one that is not stored. */
static bool is_usual(zipnn_dtype type, uint8_t flags, const struct parts *p) {
    enum { NORMALISATION = 0x30, LEADING_ONE = 0x20, VAX = 0x40 };
    const unsigned e = zn_dtype_facts(type)->exponent, bits = zn_dtype_facts(type)->bits;
    return (flags & NORMALISATION) == LEADING_ONE && !(flags & VAX) && e != 0 && p->sign == bits - 1 &&
           p->exponent == bits - 1 - e && p->exponent_bits == e && p->mantissa == 0 &&
           p->mantissa_bits == bits - 1 - e && p->bias == (1u << (e - 1)) - 1;
}

static zipnn_dtype type_of(unsigned kind, uint32_t size, bool is_signed, unsigned exponent_bits) {
    static const uint8_t ints[2][9] = {{[1] = ZIPNN_U8, [2] = ZIPNN_U16, [4] = ZIPNN_U32, [8] = ZIPNN_U64},
                                       {[1] = ZIPNN_I8, [2] = ZIPNN_I16, [4] = ZIPNN_I32, [8] = ZIPNN_I64}};
    static const uint8_t floats[9] = {[2] = ZIPNN_F16, [4] = ZIPNN_F32, [8] = ZIPNN_F64};
    if (size > 8) return ZIPNN_DTYPE_UNKNOWN;
    if (kind == FIXED) return (zipnn_dtype)ints[is_signed][size];
    if (kind == FLOAT && size == 2 && exponent_bits == 8) return ZIPNN_BF16;
    return kind == FLOAT ? (zipnn_dtype)floats[size] : ZIPNN_DTYPE_UNKNOWN;
}

/* A type of numbers. */
struct number {
    zipnn_dtype dtype, type; /* as in zn_hdf5_object */
    uint32_t size, meaning;
    unsigned version, kind, n_members;
};

static void take_parts(struct zn_cur *c, struct parts *p) {
    p->exponent = zn_cur_u8(c);
    p->exponent_bits = zn_cur_u8(c);
    p->mantissa = zn_cur_u8(c);
    p->mantissa_bits = zn_cur_u8(c);
    p->bias = zn_cur_u32(c);
}

static struct number take_number(struct zn_cur *c) {
    struct number n = {.dtype = ZIPNN_DTYPE_UNKNOWN};
    const uint8_t first = zn_cur_u8(c), flags = zn_cur_u8(c), place = zn_cur_u8(c);
    n.version = first >> 4;
    n.kind = first & 15;
    n.n_members = flags | (unsigned)place << 8;
    zn_cur_u8(c);
    n.size = zn_cur_u32(c);
    if (n.kind != FIXED && n.kind != FLOAT) return n;
    const unsigned bit_offset = zn_cur_u16(c), precision = zn_cur_u16(c);
    struct parts parts = {.sign = place};
    if (n.kind == FLOAT) take_parts(c, &parts);
    n.dtype = n.type = type_of(n.kind, n.size, (flags & 8) != 0, parts.exponent_bits);
    if (bit_offset != 0 || precision != 8 * n.size || (n.kind == FLOAT && !is_usual(n.type, flags, &parts)))
        n.type = ZIPNN_DTYPE_UNKNOWN;
    if ((flags & 1) && n.size > 1) n.meaning = ZN_BIG_ENDIAN;
    return n;
}

/* Reads a name in a type. In the first versions, names fill words of 8 bytes. */
static bool take_name(struct zn_cur *c, unsigned version, const char *expected) {
    const size_t len = strlen(expected) + 1;
    const uint8_t *text = zn_cur_take(c, version < 3 ? (len + 7) / 8 * 8 : len);
    return text && memcmp(text, expected, len) == 0;
}

/* Reads one half of a complex number as h5py writes it. */
static struct number take_part(struct zn_cur *c, unsigned version, const char *name, uint32_t at) {
    const struct number none = {.dtype = ZIPNN_DTYPE_UNKNOWN};
    if (!take_name(c, version, name)) return none;
    const uint32_t off = version < 3 ? zn_cur_u32(c) : zn_cur_u8(c);
    if (version == 1) zn_cur_take(c, 28); /* dimensions */
    const struct number part = take_number(c);
    return off == at && part.kind == FLOAT ? part : none;
}

static void read_complex(struct zn_cur c, struct number *n) {
    const struct number re = take_part(&c, n->version, "r", 0), im = take_part(&c, n->version, "i", n->size / 2);
    if (!zn_cur_ok(&c) || n->n_members != 2 || re.type != im.type || re.meaning != im.meaning || re.size * 2 != n->size)
        return;
    n->meaning = re.meaning;
    if (re.type == ZIPNN_F32) n->type = ZIPNN_C64;
    if (re.type == ZIPNN_F64) n->type = ZIPNN_C128;
}

/* Reads an enumeration as integers, and that of h5py's booleans as booleans. */
static void read_enum(struct zn_cur c, struct number *n) {
    const struct number base = take_number(&c);
    if (!zn_cur_ok(&c) || base.size != n->size) return;
    n->type = base.type;
    n->meaning = base.meaning;
    if (n->n_members == 2 && n->size == 1 && take_name(&c, n->version, "FALSE") && take_name(&c, n->version, "TRUE"))
        n->type = ZIPNN_BOOL;
}

static bool read_type(struct zn_cur c, struct zn_hdf5_object *o) {
    struct number n = take_number(&c);
    if (n.kind == COMPOUND) read_complex(c, &n);
    if (n.kind == ENUM) read_enum(c, &n);
    if (n.kind == OPAQUE && n.size == 2) n.dtype = n.type = ZIPNN_BF16; /* as Keras writes and reads it */
    o->element = n.size;
    o->dtype = n.dtype;
    o->type = n.type;
    o->meaning = n.meaning;
    o->has_type = n.dtype != ZIPNN_DTYPE_UNKNOWN || n.type != ZIPNN_DTYPE_UNKNOWN;
    return o->has_type;
}

/* Reads the value of what was never written; it is zero unless it is given. */
static void read_fill(unsigned type, struct zn_cur c, struct zn_hdf5_object *o) {
    bool given = true;
    if (type == FILL) {
        const uint8_t version = zn_cur_u8(&c), flags = zn_cur_u8(&c);
        const bool plain = version < 3;
        if (plain) zn_cur_u8(&c); /* when it is written: ignored */
        given = plain ? zn_cur_u8(&c) != 0 || version == 1 : (flags & 32) != 0;
    }
    const uint32_t len = given ? zn_cur_u32(&c) : 0;
    const uint8_t *value = len && len <= ZN_MAX_FILL ? zn_cur_take(&c, len) : NULL;
    if (value) memcpy(o->fill, value, len);
}

enum { COMPACT = 0, CONTIGUOUS = 1, CHUNKED = 2 };

static void set_chunks(struct zn_hdf5_object *o, uint64_t tree, struct zn_cur *c, unsigned n) {
    uint64_t len = 1;
    for (unsigned i = 0; i < n; i++) {
        const uint32_t dim = zn_cur_u32(c);
        if (!zn_mul(len, dim, &len) || len > UINT32_MAX) return;
        if (i + 1 < n) o->chunk[i] = dim;
    }
    o->chunk_rank = n ? n - 1 : 0;
    o->storage = ZN_HDF5_CHUNKS;
    o->chunks = tree;
    o->chunk_len = (uint32_t)len; /* the last dimension is the bytes of an element */
}

/* Reads the layout of a data set, version 3 or 4, from a message at offset `at`. */
static bool read_layout(struct zn_cur c, uint64_t at, struct zn_hdf5_object *o) {
    const uint8_t version = zn_cur_u8(&c), class = zn_cur_u8(&c);
    if (version != 3 && version != 4) return false;
    if (version == 4 && class == CHUNKED) {
        o->is_filtered = true; /* the index of its chunks is not read */
        return zn_cur_ok(&c);
    }
    switch (class) {
        case COMPACT:
            o->len = zn_cur_u16(&c);
            o->off = at + 4;
            o->storage = ZN_HDF5_WHOLE;
            break;
        case CONTIGUOUS:
            o->off = zn_cur_u64(&c);
            o->len = zn_cur_u64(&c);
            o->storage = ZN_HDF5_WHOLE;
            break;
        case CHUNKED: {
            const unsigned n = zn_cur_u8(&c);
            const uint64_t tree = zn_cur_u64(&c);
            if (n <= ZN_HDF5_MAX_RANK + 1) set_chunks(o, tree, &c, n);
            break;
        }
        default:
            return false;
    }
    return zn_cur_ok(&c);
}

struct blocks {
    struct {
        uint64_t at, len;
    } block[MAX_BLOCKS];
    unsigned n;
    unsigned left; /* messages of a header of the first generation that were not read yet */
};

/* Reads where the links are when there are too many for the header. */
static bool read_link_info(struct zn_cur c, struct zn_hdf5_object *o) {
    zn_cur_take(&c, 1);
    const uint8_t flags = zn_cur_u8(&c);
    if (flags & 1) zn_cur_take(&c, 8); /* numbers of links in order of creation */
    o->link_heap = zn_cur_u64(&c);
    return zn_cur_ok(&c);
}

static void note_link(uint64_t at, struct zn_hdf5_object *o) {
    if (o->n_links < ZN_HDF5_MAX_LINKS)
        o->links[o->n_links++] = at;
    else
        o->n_left_out++;
}

enum zn_hdf5_link zn_hdf5_read_link(struct zn_scan *s, uint64_t at, char *name, size_t max, uint64_t *object) {
    enum { HAS_ORDER = 4, HAS_TYPE = 8, HAS_CHARSET = 16, HARD = 0 };
    zn_scan_seek(s, at);
    const uint8_t version = zn_scan_u8(s), flags = zn_scan_u8(s);
    const uint8_t type = flags & HAS_TYPE ? zn_scan_u8(s) : HARD;
    if (flags & HAS_ORDER) zn_scan_skip(s, 8);
    if (flags & HAS_CHARSET) zn_scan_skip(s, 1);
    uint64_t len = 0;
    for (unsigned i = 0; i < 1u << (flags & 3); i++) len |= (uint64_t)zn_scan_u8(s) << 8 * i;
    if (!zn_scan_ok(s) || version != 1) return ZN_HDF5_UNREADABLE;
    if (type != HARD) {
        zn_scan_skip(s, len);
        zn_scan_skip(s, zn_scan_u16(s));
        return ZN_HDF5_ELSEWHERE;
    }
    const uint8_t *text = len <= max ? zn_scan_take(s, (size_t)len) : NULL;
    if (!text) return ZN_HDF5_UNREADABLE;
    memcpy(name, text, (size_t)len);
    name[len] = '\0';
    *object = zn_scan_u64(s);
    return zn_scan_ok(s) ? ZN_HDF5_HARD : ZN_HDF5_UNREADABLE;
}

static bool read_message(unsigned type, struct zn_cur c, uint64_t at, struct blocks *b, struct zn_hdf5_object *o) {
    switch (type) {
        case SPACE:
            return read_space(c, o);
        case TYPE:
            return read_type(c, o);
        case LAYOUT:
            return read_layout(c, at, o);
        case OLD_FILL:
        case FILL:
            read_fill(type, c, o);
            return true;
        case FILTERS:
            o->is_filtered = true;
            return true;
        case EXTERNAL_FILES:
            o->is_elsewhere = true;
            return true;
        case SYMBOL_TABLE:
            o->is_group = true;
            o->tree = zn_cur_u64(&c);
            o->heap = zn_cur_u64(&c);
            return zn_cur_ok(&c);
        case LINK_INFO:
            return read_link_info(c, o);
        case LINK:
            note_link(at, o);
            return true;
        case CONTINUATION:
            if (b->n == MAX_BLOCKS) return false;
            b->block[b->n].at = zn_cur_u64(&c);
            b->block[b->n++].len = zn_cur_u64(&c);
            return zn_cur_ok(&c);
        default:
            return true;
    }
}

/* Reads the messages of a block. Those of the second generation have shorter heads. Returns false if one is not
 * understood. */
static bool read_block(struct zn_scan *s, uint64_t from, uint64_t to, unsigned head_len, struct blocks *b,
                       struct zn_hdf5_object *o) {
    const bool is_old = head_len == OLD_HEAD;
    zn_scan_seek(s, from);
    while (zn_scan_ok(s) && s->off + head_len <= to && (!is_old || b->left > 0)) {
        const unsigned type = is_old ? zn_scan_u16(s) : zn_scan_u8(s);
        const uint16_t len = zn_scan_u16(s);
        zn_scan_skip(s, head_len - (is_old ? 4 : 3));
        const uint64_t body = s->off;
        const size_t seen = ZN_MIN(len, (uint16_t)MAX_MESSAGE);
        const uint8_t *bytes = zn_scan_take(s, seen);
        if (!bytes || !read_message(type, zn_cur_of(bytes, seen), body, b, o)) return false;
        zn_scan_skip(s, len - seen);
        b->left--;
    }
    return true;
}

/* Reads the rest of a header of the first generation: a number of messages, in blocks. */
static bool read_old(struct zn_scan *s, uint64_t at, const uint8_t *start, struct blocks *b, struct zn_hdf5_object *o) {
    b->left = zn_get_u16(start + 2);
    b->block[0].at = at + 16;
    b->block[0].len = zn_get_u32(start + 8);
    for (unsigned i = 0; i < b->n; i++) {
        const uint64_t from = b->block[i].at, len = b->block[i].len;
        if (len > UINT64_MAX - from || !read_block(s, from, from + len, OLD_HEAD, b, o)) return false;
    }
    return true;
}

/* Reads the rest of a header of the second generation. Each block ends with a checksum; all but the first begin with a
 * signature. */
static bool read_new(struct zn_scan *s, uint64_t at, uint8_t flags, struct blocks *b, struct zn_hdf5_object *o) {
    enum { SUM = 4, SIGNATURE = 4, HAS_TIMES = 0x20, HAS_LIMITS = 0x10, HAS_ORDER = 4 };
    const unsigned head_len = flags & HAS_ORDER ? 6 : 4;
    uint64_t len = 0;
    zn_scan_seek(s, at + 6);
    zn_scan_skip(s, (flags & HAS_TIMES ? 16 : 0) + (flags & HAS_LIMITS ? 4 : 0));
    for (unsigned i = 0; i < 1u << (flags & 3); i++) len |= (uint64_t)zn_scan_u8(s) << 8 * i;
    const uint64_t first = s->off;
    if (!zn_scan_ok(s) || len > UINT64_MAX - first || !read_block(s, first, first + len, head_len, b, o)) return false;
    for (unsigned i = 1; i < b->n; i++) {
        const uint64_t from = b->block[i].at;
        len = b->block[i].len;
        zn_scan_seek(s, from);
        const uint8_t *p = zn_scan_take(s, SIGNATURE);
        if (!p || memcmp(p, "OCHK", SIGNATURE) != 0 || len < SIGNATURE + SUM || len > UINT64_MAX - from) return false;
        if (!read_block(s, from + SIGNATURE, from + len - SUM, head_len, b, o)) return false;
    }
    return true;
}

bool zn_hdf5_read_object(struct zn_scan *s, uint64_t at, struct zn_hdf5_object *o) {
    struct blocks b = {.n = 1};
    *o = (struct zn_hdf5_object){.link_heap = ZN_HDF5_NOWHERE_AT};
    zn_scan_seek(s, at);
    const uint8_t *p = zn_scan_take(s, 16);
    if (!p) return false;
    const bool is_new = memcmp(p, "OHDR\2", 5) == 0;
    if (!is_new && p[0] != 1) return false;
    return (is_new ? read_new(s, at, p[5], &b, o) : read_old(s, at, p, &b, o)) && zn_scan_ok(s);
}
