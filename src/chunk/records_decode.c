/* Decodes chunks of records. */
#include "chunk/decoders.h"
#include "chunk/records.h"
#include "codec/bits.h"

enum { PIECE = 256 }; /* records merged at a time; their bytes stay in the L1 cache from field to field */

static zipnn_status too_many_bits(const struct zn_coded *coded, unsigned bits, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_CORRUPT, coded->at, "part of a byte is above %u", (1u << bits) - 1);
}

static bool fits(const uint8_t *plane, size_t n, unsigned bits) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) all |= plane[i];
    return all >> bits == 0;
}

/* Decodes a plane of `size` bytes to scratch. A stored plane is used where it is. */
static zipnn_status decode_part(struct zn_coder *coder, const struct zn_coded *coded, const uint8_t *context,
                                size_t size, const uint8_t **plane, zipnn_error *err) {
    *plane = coded->data;
    if (coded->codec == ZN_CODEC_RAW && coded->len == size) return ZIPNN_OK;
    uint8_t *out = zn_scratch_take(&coder->scratch, size);
    *plane = out;
    return zn_stream_decode_given(&coder->codec, coded, context, out, size, err);
}

/* Decodes the high plane first, because it is the context of the low one. */
static zipnn_status decode_field(struct zn_coder *coder, const struct zn_field *field, const struct zn_coded *coded,
                                 size_t size, const uint8_t **planes, zipnn_error *err) {
    if (field->kind == ZN_FIELD_BYTES) return decode_part(coder, coded, NULL, size, planes, err);
    const unsigned bits = zn_field_low_bits(field->kind);
    ZN_TRY(decode_part(coder, &coded[1], NULL, size, &planes[1], err));
    ZN_TRY(decode_part(coder, &coded[0], planes[1], size, &planes[0], err));
    if (!fits(planes[0], size, bits)) return too_many_bits(&coded[0], bits, err);
    return fits(planes[1], size, 8 - bits) ? ZIPNN_OK : too_many_bits(&coded[1], 8 - bits, err);
}

static void merge_records(const struct zn_body *body, const uint8_t **planes, uint8_t *out) {
    for (size_t done = 0, n; done < body->n; done += n, out += n * body->width) {
        n = ZN_MIN(body->n - done, (size_t)PIECE);
        uint8_t *at = out;
        for (unsigned f = 0, p = 0; f < body->record.n_fields; f++) {
            const struct zn_field *field = &body->record.field[f];
            zn_field_merge(field, &planes[p], n, body->width, at);
            for (unsigned i = 0; i < zn_field_planes(field); i++) planes[p++] += n * field->len;
            at += field->len;
        }
    }
}

/* ---- numbers of 8 bits, one a record, with packed low bits: by one kernel, or piece by piece ---- */

/* Returns the bits of the packed plane. */
static unsigned packed_bits(const struct zn_body *body) {
    return zn_field_low_bits(body->record.field[0].kind);
}

static bool is_packed(const struct zn_body *body) {
    const struct zn_field *field = &body->record.field[0];
    const struct zn_coded *low = &body->plane[0], *high = &body->plane[1];
    const uint8_t mask = (uint8_t)((1u << packed_bits(body)) - 1);
    return body->record.n_fields == 1 && field->kind != ZN_FIELD_BYTES && field->len == 1 && body->n > 0 &&
           (high->codec == ZN_CODEC_R16 || high->codec == ZN_CODEC_R16W) && low->codec == ZN_CODEC_BITS &&
           low->len == zn_bits_len((struct zn_bits){mask, 0}, body->n) && low->data[0] == mask && low->data[1] == 0;
}

static zipnn_status decode_pieces(struct zn_coder *coder, const struct zn_body *body, struct zn_r16_reader *r,
                                  uint8_t *out, zipnn_error *err) {
    uint8_t *const planes[2] = {zn_scratch_take(&coder->scratch, ZN_PIECE), zn_scratch_take(&coder->scratch, ZN_PIECE)};
    const uint8_t *packed = body->plane[0].data + ZN_BITS_HEAD;
    const unsigned bits = packed_bits(body);
    const uint8_t mask = (uint8_t)((1u << bits) - 1);
    for (size_t done = 0, n; done < body->n; done += n, packed += n / 8 * bits) {
        n = ZN_MIN(body->n - done, (size_t)ZN_PIECE);
        if (!coder->codec.k->r16_decode(&r->d, planes[1], n)) return zn_r16_ran_out(r, body->plane[1].at, err);
        for (size_t i = 0; i < n; i++) r->d.halves.seen |= planes[1][i];
        const size_t whole = n / 8, rest = n % 8;
        coder->codec.k->unpack_bits(packed, whole, mask, 0, planes[0]);
        if (rest) {
            uint8_t last[8] = {0}, bytes[8];
            memcpy(last, packed + whole * bits, (rest * bits + 7) / 8);
            zn_kernels_scalar.unpack_bits(last, 1, mask, 0, bytes);
            memcpy(planes[0] + whole * 8, bytes, rest);
        }
        zn_field_merge(&body->record.field[0], (const uint8_t *const *)planes, n, 1, out + done);
    }
    return ZIPNN_OK;
}

/* Returns how zn_field_merge makes a byte. */
static struct zn_r16_halves halves_of(uint8_t kind) {
    return (struct zn_r16_halves){
        .bits = (uint8_t)zn_field_low_bits(kind), .rotated = zn_field_rotation(kind), .flip = zn_field_flip(kind)};
}

static zipnn_status decode_packed(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                                  zipnn_error *err) {
    const struct zn_kernels *k = coder->codec.k;
    const struct zn_coded *low = &body->plane[0], *high = &body->plane[1];
    const unsigned bits = packed_bits(body), used = (unsigned)(body->n % 8 * bits % 8);
    uint8_t *const out = to->out + body->head;
    struct zn_r16_reader *r;
    ZN_TRY(zn_r16_open(&coder->codec, 0, high, body->n, &r, err));
    if (used && low->data[low->len - 1] >> used)
        return zn_fail(err, ZIPNN_E_CORRUPT, low->at, "the unused bits of a packed stream are not 0");
    r->d.ahead = zn_ahead_paced(to->ahead, body->n);
    r->d.halves = halves_of(body->record.field[0].kind);
    if (!k->r16_decode_halves || r->d.lanes_log2 != 7)
        ZN_TRY(decode_pieces(coder, body, r, out, err));
    else if (!k->r16_decode_halves(&r->d, low->data + ZN_BITS_HEAD, out, body->n, to->store))
        return zn_r16_ran_out(r, high->at, err);
    if (r->d.halves.seen >> (8 - bits)) return too_many_bits(high, 8 - bits, err);
    return zn_r16_finish(r, high->at, err);
}

zipnn_status zn_records_decode(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                               zipnn_error *err) {
    const uint8_t *planes[ZN_MAX_PLANES];
    if (is_packed(body)) return decode_packed(coder, body, to, err);
    for (unsigned f = 0, p = 0; f < body->record.n_fields; f++) {
        const struct zn_field *field = &body->record.field[f];
        ZN_TRY(decode_field(coder, field, &body->plane[p], body->n * field->len, &planes[p], err));
        p += zn_field_planes(field);
    }
    merge_records(body, planes, to->out + body->head);
    return ZIPNN_OK;
}
