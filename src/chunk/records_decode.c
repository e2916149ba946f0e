/* Decodes chunks of records. */
#include "chunk/decoders.h"
#include "chunk/records.h"

enum { PIECE = 256 }; /* merged at a time: their bytes stay in the first-level cache from field to field */

static bool fits(const uint8_t *plane, size_t n, unsigned bits) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) all |= plane[i];
    return all >> bits == 0;
}

/* Decodes a plane of `size` bytes to scratch; one that is stored stays where it is. */
static zipnn_status decode_part(struct zn_coder *coder, const struct zn_coded *coded, const uint8_t *context,
                                size_t size, const uint8_t **plane, zipnn_error *err) {
    *plane = coded->data;
    if (coded->codec == ZN_CODEC_RAW && coded->len == size) return ZIPNN_OK;
    uint8_t *out = zn_scratch_take(&coder->scratch, size);
    *plane = out;
    return zn_stream_decode_given(&coder->codec, coded, context, out, size, err);
}

/* The high plane is the context of the low one. */
static zipnn_status decode_field(struct zn_coder *coder, const struct zn_field *field, const struct zn_coded *coded,
                                 size_t size, const uint8_t **planes, zipnn_error *err) {
    if (field->kind == ZN_FIELD_BYTES) return decode_part(coder, coded, NULL, size, planes, err);
    const unsigned bits = zn_field_low_bits(field->kind);
    ZN_TRY(decode_part(coder, &coded[1], NULL, size, &planes[1], err));
    ZN_TRY(decode_part(coder, &coded[0], planes[1], size, &planes[0], err));
    for (unsigned i = 0; i < 2; i++)
        if (!fits(planes[i], size, i == 0 ? bits : 8 - bits))
            return zn_fail(err, ZIPNN_E_CORRUPT, coded[i].at, "part of a byte is above %u",
                           (1u << (i == 0 ? bits : 8 - bits)) - 1);
    return ZIPNN_OK;
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

zipnn_status zn_records_decode(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                               zipnn_error *err) {
    const uint8_t *planes[ZN_MAX_PLANES];
    for (unsigned f = 0, p = 0; f < body->record.n_fields; f++) {
        const struct zn_field *field = &body->record.field[f];
        ZN_TRY(decode_field(coder, field, &body->plane[p], body->n * field->len, &planes[p], err));
        p += zn_field_planes(field);
    }
    merge_records(body, planes, to->out + body->head);
    return ZIPNN_OK;
}
