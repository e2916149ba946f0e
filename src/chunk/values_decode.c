/* Decodes chunks of values. */
#include "chunk/decoders.h"
#include "chunk/records.h"
#include "chunk/values.h"

enum {
    PIECE = 64
}; /* records rebuilt at a time: they are in the first cache when other bytes are put beside the values */

/* A chunk while it is decoded. */
struct values {
    const struct zn_values_type *type;
    struct zn_values_shape shape;
    struct zn_values_code code;
    unsigned n_sides;
    size_t n; /* records */
    const uint8_t *sides[ZN_MAX_SIDES];
    const uint8_t *symbols;
    struct zn_low_bits low;
};

static void begin(const struct zn_body *body, struct values *v) {
    const struct zn_values_head *h = &body->values;
    v->type = &zn_values_types[h->type];
    v->shape = zn_values_shape_of(v->type);
    v->n_sides = zn_values_sides(v->type);
    v->n = body->n;
    v->code = (struct zn_values_code){.group_log2 = v->type->group_log2,
                                      .low_bits = h->low_bits,
                                      .n_bins = 1u << (zn_values_bits(v->type) - h->low_bits),
                                      .n_exact = h->n_exact,
                                      .flip = v->type->low.bits == 8 ? 128 : 0};
    memcpy(v->code.exact, h->exact, sizeof v->code.exact);
}

/* Decodes a plane to scratch. A stored plane is used where it is. */
static zipnn_status decode_plane(struct zn_coder *coder, const struct zn_coded *coded, size_t size,
                                 const uint8_t **plane, zipnn_error *err) {
    *plane = coded->data;
    if (coded->codec == ZN_CODEC_RAW && coded->len == size) return ZIPNN_OK;
    uint8_t *out = zn_scratch_take(&coder->scratch, size);
    *plane = out;
    return zn_stream_decode(&coder->codec, 0, coded, out, size, err);
}

/* Checks that every symbol is known. When the tables of R16 list no higher symbol, the symbols themselves need no
 * look. */
static zipnn_status check_symbols(struct zn_coder *coder, const struct zn_coded *coded, const struct values *v,
                                  size_t n, zipnn_error *err) {
    const unsigned known = v->code.n_bins + v->code.n_exact;
    uint8_t highest = 0;
    if (coded->codec == ZN_CODEC_R16 && zn_r16_highest(&coder->codec.reader[0]) < known) return ZIPNN_OK;
    for (size_t i = 0; i < n; i++) highest = ZN_MAX(highest, v->symbols[i]);
    if (highest < known) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, coded->at, "symbol %u of %u", highest, known);
}

static zipnn_status decode_planes(struct zn_coder *coder, const struct zn_body *body, struct values *v,
                                  zipnn_error *err) {
    const struct zn_coded *low = &body->plane[v->n_sides], *symbols = low + 1;
    const size_t n_symbols = v->n * v->type->n;
    for (unsigned p = 0; p < v->n_sides; p++)
        ZN_TRY(decode_plane(coder, &body->plane[p], v->n * v->type->side[p].len, &v->sides[p], err));
    if (low->codec != ZN_CODEC_RAW)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, low->at, "codec %u for low bits of values is not supported",
                       low->codec);
    v->low = (struct zn_low_bits){low->data, low->len, 0};
    if (zn_values_are_escapes_many(symbols->codec, symbols->data, symbols->len, body->orig_len))
        return zn_fail(err, ZIPNN_E_CORRUPT, symbols->at, "more escapes than the chunk has bytes, %u", body->orig_len);
    ZN_TRY(decode_plane(coder, symbols, n_symbols, &v->symbols, err));
    return check_symbols(coder, symbols, v, n_symbols, err);
}

/* The sides of one byte stand side by side: one number of a byte, or one or two of 16 bits. The kernel puts them beside
 * the values. */
struct beside {
    unsigned at, len;
    uint8_t bytes[PIECE * ZN_VALUES_BESIDE];
};

static inline void put_together(const uint8_t *const *plane, unsigned len, size_t n, uint8_t *bytes) {
    for (size_t r = 0; r < n; r++)
        for (unsigned i = 0; i < len; i++) bytes[len * r + i] = plane[i][r];
}

/* Puts the bytes of n records, from record `from` on, together. */
static void find_beside(const struct values *v, size_t from, size_t n, struct beside *b) {
    const uint8_t *plane[ZN_VALUES_BESIDE];
    b->at = b->len = 0;
    for (unsigned p = 0; p < v->n_sides; p++) {
        if (v->type->side[p].len != 1) continue;
        if (b->len == 0) b->at = v->type->side[p].at;
        plane[b->len++] = v->sides[p] + from;
    }
    switch (b->len) { /* constants, for the compiler */
        case 2:
            put_together(plane, 2, n, b->bytes);
            break;
        case 4:
            put_together(plane, 4, n, b->bytes);
            break;
        default:
            put_together(plane, b->len, n, b->bytes);
    }
}

/* Puts the longer sides into n records, from record `from` on. */
static void put_sides(const struct values *v, size_t from, size_t n, uint8_t *records) {
    for (unsigned p = 0; p < v->n_sides; p++) {
        const size_t len = v->type->side[p].len;
        const struct zn_field field = {ZN_FIELD_BYTES, (uint16_t)len};
        const uint8_t *const plane = v->sides[p] + from * len;
        if (len > 1) zn_field_merge(&field, &plane, n, v->type->width, records + v->type->side[p].at);
    }
}

/* Rebuilds n records, from record `from` on. Returns false when low bits run out. */
static bool rebuild(const struct zn_values_kernels *k, struct values *v, const uint32_t *places, size_t from, size_t n,
                    uint8_t *records) {
    struct beside beside;
    find_beside(v, from, n, &beside);
    const struct zn_values_rebuilt rebuilt = {.shape = &v->shape,
                                              .code = &v->code,
                                              .symbols = v->symbols,
                                              .places = places + from * (v->type->n >> v->type->group_log2),
                                              .beside = beside.bytes,
                                              .beside_at = beside.at,
                                              .beside_len = beside.len};
    if (!k->rebuild(&rebuilt, n, &v->low, records)) return false;
    put_sides(v, from, n, records);
    return true;
}

/* Returns whether all low bits were used and the unused bits of the last byte are 0. */
static bool used_up(const struct zn_low_bits *low) {
    if ((low->bit + 7) / 8 != low->len) return false;
    return low->bit % 8 == 0 || low->data[low->len - 1] >> low->bit % 8 == 0;
}

zipnn_status zn_values_decode(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                              zipnn_error *err) {
    struct values v;
    begin(body, &v);
    ZN_TRY(decode_planes(coder, body, &v, err));
    uint8_t *room = zn_scratch_take(&coder->scratch, v.n * v.type->width);
    const uint32_t *places = zn_values_places(v.type, coder->codec.k->values, v.sides, v.n, body->values.sorted, room);
    uint8_t *out = to->out + body->head;
    for (size_t r = 0, n; r < v.n; r += n, out += n * v.type->width) {
        n = ZN_MIN(v.n - r, (size_t)PIECE);
        if (!rebuild(coder->codec.k->values, &v, places, r, n, out)) break;
    }
    if (!used_up(&v.low))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->plane[v.n_sides].at, "low bits of values: %zu bytes for %zu bits",
                       v.low.len, v.low.bit);
    return ZIPNN_OK;
}
