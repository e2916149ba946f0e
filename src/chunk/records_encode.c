#include "chunk/records_encode.h"

#include "codec/repeats.h"

struct fields {
    struct zn_record record;
    size_t width, n; /* of a record; records */
    uint8_t *planes[ZN_MAX_PLANES];
    struct zn_survey surveys[ZN_MAX_PLANES];
    unsigned n_planes;
};

/* Whether halves of bytes, split and surveyed, take less than the bytes as they are, in which zstd may find matches:
 * they show as more than its Huffman codes of pairs can explain. */
static bool halves_pay(const struct fields *s, size_t size, size_t matched) {
    const struct zn_survey *surveys = &s->surveys[s->n_planes];
    const size_t halves = zn_survey_halves(&surveys[0], size) + zn_survey_halves(&surveys[1], size);
    return halves < size / 2 * 2 && halves - halves / 16 <= matched;
}

/* Splits a field into the planes that follow, and into one where halves were wanted and do not pay. */
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
                         struct zn_out *out) {
    struct zn_effort fine = *effort;
    fine.block_log2 = ZN_R16_MIN_BLOCK;
    uint8_t *record = zn_out_room(out, (size_t)s->n_planes * ZN_PLANE_LEN);
    for (unsigned f = 0, p = 0; f < s->record.n_fields; f++) {
        const struct zn_field *field = &s->record.field[f];
        const size_t size = s->n * field->len;
        for (unsigned i = 0; i < zn_field_planes(field); i++, p++, record += ZN_PLANE_LEN) {
            const size_t before = zn_out_len(out);
            record[0] =
                (uint8_t)(field->kind == ZN_FIELD_HALVES
                              ? zn_stream_encode_halves(&coder->codec, &fine, &s->surveys[p], s->planes[p], size, out)
                              : zn_stream_encode(&coder->codec, 0, effort, &s->surveys[p], s->planes[p], size, out));
            zn_put_u32(record + 1, (uint32_t)(zn_out_len(out) - before));
        }
    }
}

static void write_head(struct zn_out *out, const struct zn_record *record, unsigned head, uint32_t tail,
                       const uint8_t *src, uint32_t len) {
    zn_out_u8(out, ZN_KIND_CHUNK);
    zn_out_u8(out, ZN_LAYOUT_RECORDS);
    zn_out_u8(out, (uint8_t)head);
    zn_out_u8(out, 0);
    zn_record_write(record, out);
    zn_out_bytes(out, src, head);
    zn_out_bytes(out, src + len - tail, tail);
}

uint32_t zn_records_encode(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_record *record,
                           unsigned head, const uint8_t *src, uint32_t len, uint8_t *body) {
    struct fields s = {.record = *record, .width = zn_record_width(record), .planes = {coder->planes}};
    if (head > UINT8_MAX || len < head + s.width) return 0;
    s.n = (len - head) / s.width;
    const uint32_t tail = (uint32_t)((len - head) % s.width);
    const uint8_t *at = src + head;
    for (unsigned f = 0; f < s.record.n_fields; f++) {
        split_field(coder, &s, &s.record.field[f], at);
        at += s.record.field[f].len;
    }
    struct zn_out out = zn_out_of(body, zn_chunk_bound(len));
    write_head(&out, &s.record, head, tail, src, len);
    write_planes(coder, effort, &s, &out);
    return (uint32_t)zn_out_len(&out);
}

/* ---- bytes
 * -------------------------------------------------------------------------------------------------------------- */

enum {
    FEWEST = 4096,     /* bytes; fewer do not pay for two sets of tables */
    FEW_SYMBOLS = 15,  /* so many are listed by one table */
    MOST_CONTEXTS = 16 /* tables of the low plane */
};

static bool has_few_symbols(const struct zn_survey *survey) {
    unsigned used = 0;
    for (unsigned v = 0; v < 256; v++) used += survey->counts[v] != 0;
    return used <= FEW_SYMBOLS;
}

/* How far counts differ from those half the bytes away; floats have both signs alike. */
static bool is_symmetric(const struct zn_survey *survey) {
    uint64_t apart = 0;
    for (unsigned v = 0; v < 128; v++) {
        const uint32_t plus = survey->counts[v], minus = survey->counts[v + 128];
        apart += plus > minus ? plus - minus : minus - plus;
    }
    return apart < survey->sampled / 4;
}

/* Whether bytes lie around 0, taken as signed, rather than around the middle of unsigned ones. */
static bool is_signed(const struct zn_survey *survey) {
    uint64_t near = 0, middle = 0;
    for (unsigned v = 0; v < 64; v++) {
        near += survey->counts[v] + survey->counts[255 - v];
        middle += survey->counts[128 + v] + survey->counts[127 - v];
    }
    return near > middle;
}

static enum zn_field_kind kind_of(zipnn_dtype dtype, const struct zn_survey *survey) {
    switch (dtype) {
        case ZIPNN_F8_E4M3:
        case ZIPNN_F8_E4M3FNUZ:
            return ZN_FIELD_E4;
        case ZIPNN_F8_E5M2:
        case ZIPNN_F8_E5M2FNUZ:
            return ZN_FIELD_E5;
        case ZIPNN_DTYPE_UNKNOWN:
            if (is_symmetric(survey)) return ZN_FIELD_E4;
            break;
        default:
            break;
    }
    return is_signed(survey) ? ZN_FIELD_SIGNED : ZN_FIELD_HALVES;
}

/* Writes the low plane given the high one, then the high plane. */
static void write_halves(struct zn_coder *coder, const struct zn_effort *effort, enum zn_field_kind kind,
                         uint8_t *const *planes, size_t n, struct zn_out *out) {
    struct zn_survey survey;
    uint8_t *records = zn_out_room(out, 2 * ZN_PLANE_LEN);
    size_t before = zn_out_len(out);
    zn_stream_survey(&coder->codec, planes[0], n, &survey);
    records[0] =
        (uint8_t)zn_stream_encode_given(&coder->codec, effort, &survey, planes[1], MOST_CONTEXTS, planes[0], n, out);
    zn_put_u32(records + 1, (uint32_t)(zn_out_len(out) - before));
    before = zn_out_len(out);
    zn_stream_survey(&coder->codec, planes[1], n, &survey);
    records[ZN_PLANE_LEN] =
        (uint8_t)(kind == ZN_FIELD_E5 ? zn_stream_encode(&coder->codec, 0, effort, &survey, planes[1], n, out)
                                      : zn_stream_encode_halves(&coder->codec, effort, &survey, planes[1], n, out));
    zn_put_u32(records + ZN_PLANE_LEN + 1, (uint32_t)(zn_out_len(out) - before));
}

/* Whether zstd may find what halves cannot show: text and periods, judged by a piece, and stretches that occurred long
 * before. */
static bool may_match(struct zn_coder *coder, const uint8_t *src, uint32_t len, size_t halves) {
    return zn_stream_probe_zstd(&coder->codec, src, len) < halves - halves / 16 ||
           zn_repeats_estimate(src, len) > len / 32;
}

/* A body of one plane by zstd, shorter than `limit`; 0 when there is none. */
static uint32_t write_matched(struct zn_coder *coder, const struct zn_effort *effort, const uint8_t *src, uint32_t len,
                              size_t limit, uint8_t *body) {
    enum { HEAD = ZN_CHUNK_LEN + ZN_PLANE_LEN };
    struct zn_out coded = zn_out_of(coder->spare, len), out = zn_out_of(body, limit);
    if (limit < HEAD + 2 || !zn_stream_encode_zstd(&coder->codec, effort, src, len, limit - HEAD, &coded)) return 0;
    zn_out_u8(&out, ZN_KIND_CHUNK);
    zn_out_u8(&out, ZN_LAYOUT_8);
    zn_out_u16(&out, 0);
    zn_out_u8(&out, ZN_CODEC_ZSTD);
    zn_out_u32(&out, (uint32_t)zn_out_len(&coded));
    zn_out_bytes(&out, coder->spare, zn_out_len(&coded));
    return (uint32_t)zn_out_len(&out);
}

uint32_t zn_bytes_encode(struct zn_coder *coder, const struct zn_effort *effort, zipnn_dtype dtype,
                         const struct zn_survey *survey, const uint8_t *src, uint32_t len, uint8_t *body) {
    if (len < FEWEST || survey->random || survey->constant || has_few_symbols(survey)) return 0;
    const struct zn_record record = {1, {{(uint8_t)kind_of(dtype, survey), 1}}};
    uint8_t *const planes[2] = {coder->planes, coder->planes + len};
    zn_field_split(&record.field[0], src, len, 1, planes);
    struct zn_out out = zn_out_of(body, zn_chunk_bound(len));
    write_head(&out, &record, 0, 0, src, len);
    write_halves(coder, effort, (enum zn_field_kind)record.field[0].kind, planes, len, &out);
    if (out.full) return 0;
    const uint32_t halves = (uint32_t)zn_out_len(&out);
    const uint32_t matched =
        may_match(coder, src, len, halves) ? write_matched(coder, effort, src, len, halves - halves / 256, body) : 0;
    return matched ? matched : halves;
}
