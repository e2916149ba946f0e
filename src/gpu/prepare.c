#include "gpu/prepare.h"

#include <stdio.h>

#include "chunk/layout.h"
#include "codec/bits.h"

enum { NONE = 255, MAX_BITS = 8, LANES_LOG2 = 7, ALIGN = 16 };

/* How the elements of a body fall apart: plane p holds `bits[p]` bits of each, from bit shift[p] up. */
struct recipe {
    unsigned n_planes, width, rotated;
    size_t n;
    uint8_t bits[ZN_MAX_PLANES], shift[ZN_MAX_PLANES];
    unsigned masks;   /* the plane of masks, or NONE */
    unsigned given;   /* the plane that the last one is a context of, or NONE */
    unsigned flipped; /* bits that were inverted */
    bool strict;      /* each plane has the one codec that the layout says */
};

/* What is being made. */
struct making {
    const struct zn_body *body;
    const struct zn_gpu_room *room;
    struct recipe r;
    struct zn_coder *coder;
    struct zn_gpu_chunk *c;
    size_t used; /* of meta */
    unsigned n_models;
};

size_t zn_gpu_meta_bound(uint32_t orig_len) {
    const size_t streams = 2 * (ZN_GPU_STATES + ALIGN) + (ZN_R16_MAX_GIVEN + ZN_R16_MAX_TABLES) * 4 * ZN_GPU_RANKS +
                           (size_t)ZN_R16_MAX_TABLES * ZN_GPU_MAP;
    return streams + orig_len / 8;
}

/* ---- recipes ----------------------------------------------------------------------------------------------------- */

static void add_plane(struct recipe *r, unsigned bits) {
    const unsigned p = r->n_planes++;
    r->shift[p] = (uint8_t)(p ? r->shift[p - 1] + r->bits[p - 1] : 0);
    r->bits[p] = (uint8_t)bits;
}

static bool of_words(const struct zn_body *b, struct recipe *r) {
    const enum zn_layout l = b->layout;
    r->rotated = zn_layout_is_of_floats(l);
    if (l == ZN_LAYOUT_F16) r->masks = 1;
    for (unsigned p = 0; p < b->n_planes; p++) add_plane(r, l == ZN_LAYOUT_F16 && p > 0 ? 1 + 2 * p : MAX_BITS);
    return true;
}

static bool of_floats(const struct zn_body *b, struct recipe *r) {
    const struct zn_parts *parts = zn_parts_of(b->layout, b->inner, b->joint);
    r->rotated = 1;
    r->strict = b->layout == ZN_LAYOUT_JOINT;
    if (!r->strict) r->given = parts->n - 2u;
    for (unsigned p = 0; p < parts->n; p++) add_plane(r, ZN_MIN(parts->bits[p], MAX_BITS));
    return true;
}

/* Records of one field are that many bytes. */
static bool of_records(const struct zn_body *b, struct recipe *r) {
    const struct zn_field *field = &b->record.field[0];
    if (b->record.n_fields != 1) return false;
    r->width = 1;
    r->n = b->n * field->len;
    r->rotated = zn_field_rotation(field->kind);
    r->flipped = zn_field_flip(field->kind);
    const unsigned low = field->kind == ZN_FIELD_BYTES ? 0 : zn_field_low_bits(field->kind);
    if (low) add_plane(r, low);
    if (low) r->given = 0;
    add_plane(r, MAX_BITS - low);
    return true;
}

/* Every layout stands here, so that the compiler names one that is new. */
static bool find_recipe(const struct zn_body *b, struct recipe *r) {
    if (b->n == 0) return false;
    *r = (struct recipe){.width = b->width, .n = b->n, .masks = NONE, .given = NONE};
    switch ((enum zn_layout)b->layout) {
        case ZN_LAYOUT_8:
        case ZN_LAYOUT_16:
        case ZN_LAYOUT_16R:
        case ZN_LAYOUT_32:
        case ZN_LAYOUT_32R:
        case ZN_LAYOUT_F16:
            return of_words(b, r);
        case ZN_LAYOUT_TOPS:
        case ZN_LAYOUT_JOINT:
            return of_floats(b, r);
        case ZN_LAYOUT_RECORDS:
            return of_records(b, r);
        case ZN_LAYOUT_64: /* words of 64 bits */
        case ZN_LAYOUT_64R:
        case ZN_LAYOUT_COLUMNS: /* what is added to a symbol depends on rows before it */
        case ZN_LAYOUT_VALUES:  /* symbols that are looked up in tables of the chunk */
        case ZN_LAYOUT_DELTA:   /* made with a reference */
        case ZN_LAYOUT_SPARSE:
        case ZN_LAYOUT_GIVEN:
        case ZN_LAYOUT_SIGNS:
        case ZN_LAYOUT_DIFFERENCES: /* chunks made of chunks */
        case ZN_LAYOUT_REPEATS:
        case ZN_LAYOUT_FREQUENT:
        case ZN_LAYOUT_SCALED:
        case ZN_LAYOUT_KEYED:
        case ZN_LAYOUT_REWRITTEN:
        case ZN_N_LAYOUTS:
            return false;
    }
    return false;
}

/* In joint symbols only one codec is right for each plane; the host refuses the others. */
static bool has_right_codecs(const struct zn_body *b, const struct recipe *r) {
    const unsigned top = r->n_planes - 1;
    for (unsigned p = 0; p < top && r->strict; p++)
        if (b->plane[p].codec != (r->bits[p] == MAX_BITS ? ZN_CODEC_RAW : ZN_CODEC_BITS)) return false;
    return !r->strict || b->plane[top].codec == (b->joint == 2 ? ZN_CODEC_R16W : ZN_CODEC_R16);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static uint8_t *take(struct making *m, size_t len) {
    if (len > m->room->cap - m->used) return NULL;
    uint8_t *at = m->room->bytes + m->used;
    m->used += len;
    return at;
}

/* Begins a stream's meta with its states. */
static bool begin_meta(struct making *m, struct zn_gpu_stream *s, const uint16_t *states) {
    const size_t gap = (ALIGN - m->used % ALIGN) % ALIGN;
    if (!take(m, gap)) return false;
    s->meta = m->room->meta + m->used;
    uint8_t *at = take(m, ZN_GPU_STATES);
    for (unsigned i = 0; at && i < ZN_R16_LANES; i++) zn_put_u16(at + 2 * i, states[i]);
    return at != NULL;
}

static uint32_t offset_of(const struct making *m, const struct zn_gpu_stream *s) {
    return (uint32_t)(m->room->meta + m->used - s->meta);
}

static bool put_table(struct making *m, const struct zn_r16_table *t, bool wide) {
    uint8_t *at = take(m, 4 * ZN_GPU_RANKS);
    if (!at) return false;
    memset(at, 0, 4 * ZN_GPU_RANKS);
    for (unsigned rank = 0; rank <= t->last; rank++) {
        const bool escape = rank == t->last;
        at[4 * rank] = t->rank_freq[rank];
        at[4 * rank + 1] = t->rank_first[rank];
        at[4 * rank + 2] = escape ? (uint8_t)(wide ? t->base - 128 : 0) : t->rank_sym[rank];
        at[4 * rank + 3] = escape ? (uint8_t)(1 | (wide ? t->last << 1 : 0)) : 0;
    }
    return true;
}

/* Maps a symbol above to a table, for each model. */
static bool put_maps(struct making *m, struct zn_gpu_stream *s, const struct zn_r16_contexts *contexts) {
    s->maps = offset_of(m, s);
    for (unsigned model = 0; model < s->n_models; model++) {
        uint8_t *map = take(m, ZN_GPU_MAP);
        if (!map) return false;
        for (unsigned v = 0; v < ZN_GPU_MAP; v++)
            map[v] = (uint8_t)(contexts ? model * contexts->n + contexts->table_of[model][v] : model);
    }
    return true;
}

static bool put_bytes(struct making *m, const struct zn_gpu_stream *s, const uint8_t *bytes, size_t len, uint32_t *at) {
    *at = offset_of(m, s);
    uint8_t *to = take(m, len);
    if (to && len) memcpy(to, bytes, len);
    return to != NULL;
}

static uint64_t address(const struct making *m, const uint8_t *in_body) {
    return m->room->body + (uint64_t)(in_body - m->body->data);
}

/* Describes the stream of plane p, by R16 or R16W, or by R16C for the second stream. */
static bool put_stream(struct making *m, unsigned p, struct zn_gpu_stream *s, bool second) {
    const struct zn_coded *coded = &m->body->plane[p];
    const bool wide = coded->codec == ZN_CODEC_R16W;
    struct zn_codec *codec = &m->coder->codec;
    const struct zn_r16_contexts *contexts = coded->codec == ZN_CODEC_R16C ? codec->contexts : NULL;
    struct zn_r16_reader *r;
    if (zn_r16_open(codec, 0, coded, m->r.n, &r, NULL) != ZIPNN_OK || r->d.lanes_log2 != LANES_LOG2) return false;
    if (zn_r16_highest(r) >> m->r.bits[p]) return false;
    s->n_models = (uint8_t)r->n_models;
    s->n_tables = (uint8_t)(r->n_models * (contexts ? contexts->n : 1));
    s->block_log2 = (uint8_t)r->d.block_log2;
    s->in = address(m, r->d.in);
    s->in_len = (uint32_t)(r->d.in_end - r->d.in);
    s->n_esc = (uint32_t)(r->d.esc_end - r->d.esc);
    if (!begin_meta(m, s, r->d.state)) return false;
    for (unsigned t = 0; t < s->n_tables; t++)
        if (!put_table(m, &r->tables[t], wide)) return false;
    if (second && !put_maps(m, s, contexts)) return false;
    if (!put_bytes(m, s, r->d.esc, s->n_esc, &s->esc)) return false;
    return !r->d.ids || put_bytes(m, s, r->d.ids, ((m->r.n - 1) >> r->d.block_log2) + 1, &s->ids);
}

/* Describes a constant as a stream: one symbol has all slots, so that no state ever changes. */
static bool put_constant_stream(struct making *m, unsigned p, struct zn_gpu_stream *s) {
    const struct zn_coded *coded = &m->body->plane[p];
    struct zn_r16_table table = {.rank_freq = {ZN_R16_SLOTS}, .last = 1};
    uint16_t states[ZN_R16_LANES];
    if (coded->len != 1 || coded->data[0] >> m->r.bits[p]) return false;
    for (unsigned i = 0; i < ZN_R16_LANES; i++) states[i] = ZN_R16_LOW;
    table.rank_sym[0] = coded->data[0];
    s->n_models = s->n_tables = 1;
    s->block_log2 = LANES_LOG2;
    s->in = m->room->body;
    return begin_meta(m, s, states) && put_table(m, &table, false);
}

/* ---- planes ------------------------------------------------------------------------------------------------------ */

static void add_fixed(struct making *m, unsigned p, unsigned value) {
    m->c->fixed |= (uint32_t)value << m->r.shift[p];
}

/* Numbers of `bits` bits from `at` on, that belong `up` bits above the plane's lowest one. */
static bool add_numbers(struct making *m, unsigned p, const uint8_t *at, unsigned bits, unsigned up) {
    struct zn_gpu_shape *s = &m->c->shape;
    if (s->n_planes == ZN_GPU_PLANES) return false;
    m->c->plane[s->n_planes] = address(m, at);
    s->bits[s->n_planes] = (uint8_t)bits;
    s->shift[s->n_planes++] = (uint8_t)(m->r.shift[p] + up);
    return true;
}

static bool put_raw(struct making *m, unsigned p) {
    const struct zn_coded *in = &m->body->plane[p];
    const bool masks = p == m->r.masks;
    const size_t size = masks ? zn_plane_size(ZN_LAYOUT_F16, 1, m->r.n) : m->r.n;
    uint8_t any = 0;
    if (in->len != size) return false;
    for (size_t i = 0; i < size && !masks && m->r.bits[p] < MAX_BITS; i++) any |= in->data[i];
    if (any >> m->r.bits[p] || (masks && !zn_f16_masks_are_legal(in->data, m->r.n))) return false;
    return add_numbers(m, p, in->data, masks ? ZN_GPU_MASKS : MAX_BITS, 0);
}

static bool put_constant(struct making *m, unsigned p) {
    const struct zn_coded *in = &m->body->plane[p];
    if (in->len != 1 || in->data[0] >> (p == m->r.masks ? 0 : m->r.bits[p])) return false;
    add_fixed(m, p, in->data[0]);
    return true;
}

/* The same where the numbers are all that the plane has left. */
static bool put_packed(struct making *m, unsigned p, const uint8_t *at, unsigned bits, unsigned up) {
    const struct zn_coded *in = &m->body->plane[p];
    const size_t len = m->r.n / 8 * bits + (m->r.n % 8 * bits + 7) / 8, have = in->len - (size_t)(at - in->data);
    const unsigned used = (unsigned)(m->r.n % 8 * bits % 8);
    if (have != len || (used && at[len - 1] >> used)) return false;
    return add_numbers(m, p, at, bits, up);
}

/* The varying bits must stand beside each other. */
static bool put_bits(struct making *m, unsigned p) {
    const struct zn_coded *in = &m->body->plane[p];
    if (in->len < ZN_BITS_HEAD) return false;
    const unsigned mask = in->data[0], base = in->data[1], lowest = mask & (0u - mask);
    if (mask == 0 || mask & (mask + lowest) || mask & base || (mask | base) >> m->r.bits[p]) return false;
    if (m->r.strict && (base || mask + 1 != 1u << m->r.bits[p])) return false;
    add_fixed(m, p, base);
    return put_packed(m, p, in->data + ZN_BITS_HEAD, (unsigned)__builtin_popcount(mask), (unsigned)__builtin_ctz(mask));
}

static bool put_second(struct making *m, unsigned p) {
    struct zn_gpu_shape *s = &m->c->shape;
    if (s->second || (m->body->plane[p].codec == ZN_CODEC_R16C && p != m->r.given)) return false;
    s->second = 1;
    s->second_shift = m->r.shift[p];
    return put_stream(m, p, &m->c->second, true);
}

static bool put_plane(struct making *m, unsigned p) {
    const struct zn_coded *in = &m->body->plane[p];
    const unsigned codec = in->codec;
    if (p == m->r.masks && codec != ZN_CODEC_RAW && codec != ZN_CODEC_CONSTANT) return false;
    switch (codec) {
        case ZN_CODEC_RAW:
            return put_raw(m, p);
        case ZN_CODEC_CONSTANT:
            return put_constant(m, p);
        case ZN_CODEC_NIBBLES:
            return m->r.bits[p] >= 4 && put_packed(m, p, in->data, 4, 0);
        case ZN_CODEC_BITS:
            return put_bits(m, p);
        case ZN_CODEC_R16:
        case ZN_CODEC_R16C:
            return put_second(m, p);
        default:
            return false;
    }
}

static bool put_top(struct making *m, unsigned p) {
    const unsigned codec = m->body->plane[p].codec;
    m->c->shape.top_shift = m->r.shift[p];
    m->c->shape.slots_log2 = codec == ZN_CODEC_R16W ? ZN_R16W_SLOTS_LOG2 : ZN_R16_SLOTS_LOG2;
    if (codec == ZN_CODEC_CONSTANT) return put_constant_stream(m, p, &m->c->top);
    return (codec == ZN_CODEC_R16 || codec == ZN_CODEC_R16W) && put_stream(m, p, &m->c->top, false);
}

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

static uint32_t repeated(uint32_t value, unsigned width) {
    return width == 1 ? value * 0x01010101u : width == 2 ? value * 0x00010001u : value;
}

static void lay_out(struct zn_gpu_chunk *c) {
    struct zn_gpu_shared *s = &c->shared;
    s->second = (uint32_t)c->top.n_tables << (c->shape.slots_log2 + 2);
    s->maps = s->second + ((uint32_t)c->second.n_tables << (ZN_R16_SLOTS_LOG2 + 2));
    s->ring = s->maps + (uint32_t)c->second.n_models * ZN_GPU_MAP;
    s->second_ring = s->ring + ZN_GPU_RING_ROOM;
    s->size = s->second_ring + (c->shape.second ? ZN_GPU_RING_ROOM : 0);
}

static void finish(struct making *m) {
    const struct zn_body *b = m->body;
    struct zn_gpu_chunk *c = m->c;
    const bool joint = b->layout == ZN_LAYOUT_JOINT && b->inner != ZN_LAYOUT_F16;
    c->dst = m->room->dst;
    c->edges = address(m, b->edges);
    c->head = b->head;
    c->tail = b->tail;
    c->n = (uint32_t)m->r.n;
    c->shape.width = (uint8_t)m->r.width;
    c->shape.rotated = (uint8_t)m->r.rotated;
    c->shape.based = joint;
    c->fixed = repeated(c->fixed ^ m->r.flipped, m->r.width);
    c->base = joint ? repeated((uint32_t)b->base << 8, 2) : 0;
    lay_out(c);
}

bool zn_gpu_prepare(struct zn_coder *coder, const struct zn_chunk_body *in, uint32_t orig_len,
                    const struct zn_gpu_room *room, struct zn_gpu_chunk *chunk, size_t *meta_len) {
    struct zn_body body = {.data = in->data, .len = in->len, .at = in->at, .orig_len = orig_len};
    struct making m = {.body = &body, .room = room, .coder = coder, .c = chunk};
    *chunk = (struct zn_gpu_chunk){0};
    if (zn_body_read(&body, NULL) != ZIPNN_OK || !find_recipe(&body, &m.r) || !has_right_codecs(&body, &m.r))
        return false;
    const unsigned top = m.r.n_planes - 1;
    if (!put_top(&m, top)) return false;
    for (unsigned p = 0; p < top; p++)
        if (!put_plane(&m, p)) return false;
    finish(&m);
    *meta_len = m.used;
    return true;
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

static const struct zn_gpu_shape shapes[] = {
#define SHAPE(id, width, second, slots, rotated, based, n_planes, top, low, b0, b1, b2, s0, s1, s2) \
    {width, second, slots, rotated, based, n_planes, top, low, {b0, b1, b2, 0}, {s0, s1, s2, 0}},
#include "gpu/shapes.def"
#undef SHAPE
};

static bool is_same(const struct zn_gpu_shape *a, const struct zn_gpu_shape *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

enum zn_gpu_kernel zn_gpu_kernel_of(const struct zn_gpu_shape *shape) {
    for (unsigned k = 0; k < ZN_GPU_GENERAL_1; k++)
        if (is_same(&shapes[k], shape)) return (enum zn_gpu_kernel)k;
    const unsigned width_log2 = shape->width == 4 ? 2 : shape->width == 2 ? 1 : 0;
    return (enum zn_gpu_kernel)((shape->second ? ZN_GPU_SECOND_1 : ZN_GPU_GENERAL_1) + width_log2);
}

const char *zn_gpu_kernel_name(enum zn_gpu_kernel kernel) {
    static const char *const names[ZN_GPU_N_KERNELS] = {
#define SHAPE(id, ...) #id,
#include "gpu/shapes.def"
#undef SHAPE
        "GENERAL_1", "GENERAL_2", "GENERAL_4", "SECOND_1", "SECOND_2", "SECOND_4"};
    return names[kernel];
}

void zn_gpu_kernel_symbol(enum zn_gpu_kernel kernel, char *name, size_t cap) {
    snprintf(name, cap, "zipnn_decode_%u_%s", (unsigned)ZN_GPU_VERSION, zn_gpu_kernel_name(kernel));
}
