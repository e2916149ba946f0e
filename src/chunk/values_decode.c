/* Decodes chunks of values. */
#include "chunk/decoders.h"
#include "chunk/records.h"
#include "chunk/values.h"

enum { PIECE = 4096 / 256 }; /* records merged at a time where a record has the most values */

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

/* Returns whether values are whole bytes with one group per record. They are then restored without packing. */
static bool goes_at_once(const struct zn_values_type *t) {
    return t->low.bits == 8 && t->n == 1u << t->group_log2;
}

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
                                      .flip = goes_at_once(v->type) ? 128 : 0};
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
    if (symbols->codec == ZN_CODEC_R16 && zn_values_are_escapes_many(symbols->data, symbols->len, body->orig_len))
        return zn_fail(err, ZIPNN_E_CORRUPT, symbols->at, "more escapes than the chunk has bytes, %u", body->orig_len);
    ZN_TRY(decode_plane(coder, symbols, n_symbols, &v->symbols, err));
    return check_symbols(coder, symbols, v, n_symbols, err);
}

/* Restores the values of n records, from record `from` on. `values` is scratch. Returns false when low bits run out. */
static bool put_values(const struct zn_values_kernels *k, struct values *v, const uint32_t *places, size_t from,
                       size_t n, uint8_t *values, uint8_t *records) {
    const size_t groups = v->type->n >> v->type->group_log2, group = (size_t)1 << v->type->group_log2;
    const uint32_t *at = places + from * groups;
    if (goes_at_once(v->type))
        return k->restore(&v->code, v->symbols, at, n, &v->low, records + v->type->low.at, v->type->width);
    if (!k->restore(&v->code, v->symbols, at, n * groups, &v->low, values, group)) return false;
    k->pack(&v->shape, values, n, records);
    return true;
}

/* Puts the bytes beside the values into n records, from record `from` on. */
static void put_sides(const struct values *v, size_t from, size_t n, uint8_t *records) {
    for (unsigned p = 0; p < v->n_sides; p++) {
        const size_t len = v->type->side[p].len;
        const struct zn_field field = {ZN_FIELD_BYTES, (uint16_t)len};
        const uint8_t *const plane = v->sides[p] + from * len;
        zn_field_merge(&field, &plane, n, v->type->width, records + v->type->side[p].at);
    }
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
    uint8_t *values = zn_scratch_take(&coder->scratch, ZN_PIECE);
    const uint32_t *places = zn_values_places(v.type, coder->codec.k->values, v.sides, v.n, body->values.sorted, room);
    const size_t most = PIECE * 256u / v.type->n;
    uint8_t *out = to->out + body->head;
    for (size_t r = 0, n; r < v.n; r += n, out += n * v.type->width) {
        n = ZN_MIN(v.n - r, most);
        if (!put_values(coder->codec.k->values, &v, places, r, n, values, out)) break;
        put_sides(&v, r, n, out);
    }
    if (!used_up(&v.low))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->plane[v.n_sides].at, "low bits of values: %zu bytes for %zu bits",
                       v.low.len, v.low.bit);
    return ZIPNN_OK;
}
