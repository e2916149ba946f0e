/* Encodes blocks of quantised numbers field by field, as their type divides them. */
#include "chunk/records.h"
#include "chunk/ways.h"

struct fields {
    struct zn_record record;
    size_t width, n; /* bytes of a record; number of records */
    uint8_t *planes[ZN_MAX_PLANES];
    struct zn_survey surveys[ZN_MAX_PLANES];
    unsigned n_planes;
};

/* Returns whether halves of bytes, which were split and surveyed, take less than the whole bytes. zstd may find matches
 * in those: they are visible as a gain that Huffman codes of pairs cannot explain. */
static bool halves_pay(const struct fields *s, size_t size, size_t matched) {
    const struct zn_survey *surveys = &s->surveys[s->n_planes];
    const size_t halves = zn_survey_halves(&surveys[0], size) + zn_survey_halves(&surveys[1], size);
    return halves < size / 2 * 2 && halves - halves / 16 <= matched;
}

/* Splits a field into its planes. Where halves do not pay, the field stays whole. */
static void split_field(struct zn_coder *coder, struct fields *s, struct zn_field *field, const uint8_t *src) {
    const size_t size = s->n * field->len;
    const struct zn_field whole = {ZN_FIELD_BYTES, field->len};
    uint8_t **planes = &s->planes[s->n_planes];
    struct zn_survey *surveys = &s->surveys[s->n_planes];
    zn_field_split(&whole, src, s->n, s->width, planes);
    if (field->kind == ZN_FIELD_HALVES) {
        const size_t matched = zn_stream_probe_zstd(&coder->codec, planes[0], size);
        planes[1] = planes[0] + size;
        zn_field_split(field, src, s->n, s->width, planes);
        for (unsigned i = 0; i < 2; i++) zn_stream_survey(&coder->codec, planes[i], size, &surveys[i]);
        if (!halves_pay(s, size, matched)) {
            *field = whole;
            zn_field_split(field, src, s->n, s->width, planes);
        }
    }
    if (field->kind == ZN_FIELD_BYTES) zn_stream_survey(&coder->codec, planes[0], size, &surveys[0]);
    s->n_planes += zn_field_planes(field);
    if (s->n_planes < ZN_MAX_PLANES) s->planes[s->n_planes] = s->planes[s->n_planes - 1] + size;
}

static void write_planes(struct zn_coder *coder, const struct zn_effort *effort, const struct fields *s,
                         struct zn_streams *planes, struct zn_out *out) {
    struct zn_effort fine = *effort;
    fine.block_log2 = ZN_R16_MIN_BLOCK;
    for (unsigned f = 0, p = 0; f < s->record.n_fields; f++) {
        const struct zn_field *field = &s->record.field[f];
        const size_t size = s->n * field->len;
        for (unsigned i = 0; i < zn_field_planes(field); i++, p++)
            zn_streams_end(planes, out,
                           field->kind == ZN_FIELD_HALVES
                               ? zn_stream_encode_halves(&coder->codec, &fine, &s->surveys[p], s->planes[p], size, out)
                               : zn_stream_encode(&coder->codec, 0, effort, &s->surveys[p], s->planes[p], size, out));
    }
}

static uint32_t encode(const struct zn_encoder *e, uint8_t *to, uint32_t cap) {
    struct zn_coder *coder = e->coder;
    struct fields s = {.record = zn_record_of_dtype(e->hint.dtype)};
    const unsigned head = e->hint.head;
    s.width = zn_record_width(&s.record);
    if (head > UINT8_MAX || e->len < head + s.width) return 0;
    s.n = (e->len - head) / s.width;
    s.planes[0] = zn_scratch_take(&coder->scratch, 2 * (size_t)e->len);
    const uint8_t *at = e->src + head;
    for (unsigned f = 0; f < s.record.n_fields; f++) {
        split_field(coder, &s, &s.record.field[f], at);
        at += s.record.field[f].len;
    }
    struct zn_body body = {.orig_len = e->len, .layout = ZN_LAYOUT_RECORDS, .head = head, .record = s.record};
    struct zn_out out = zn_out_of(to, cap);
    zn_body_measure(&body);
    struct zn_streams planes = zn_body_begin(&out, &body, e->src);
    write_planes(coder, e->effort, &s, &planes, &out);
    return (uint32_t)zn_out_len(&out);
}

/* Writes a body. An existing body is replaced only by a shorter one. */
uint32_t zn_records_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const uint32_t cap = zn_chunk_bound(e->len), before = (uint32_t)draft->body.len;
    draft->unsure = false;
    if (before == 0) return encode(e, draft->to, cap);
    uint8_t *rival = zn_scratch_take(scratch, cap);
    const uint32_t body_len = encode(e, rival, cap);
    if (body_len == 0 || body_len >= before) return 0;
    memcpy(draft->to, rival, body_len);
    return body_len;
}
