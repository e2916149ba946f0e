#include "chunk/describe.h"

#include "codec/codec.h"
#include "format/body.h"
#include "format/reference.h"

static void measure_words(zipnn_coding *coding, const struct zn_body *body) {
    for (unsigned p = 0; p < body->n_planes; p++) coding->planes[p].original = zn_plane_size(body->layout, p, body->n);
}

/* A plane that holds k bits of each element stands for k/8 bytes of it. */
static void measure_floats(zipnn_coding *coding, const struct zn_body *body) {
    const struct zn_parts *parts = zn_parts_of(body->layout, body->inner, body->joint);
    for (unsigned p = 0; p < parts->n; p++) coding->planes[p].original = (uint64_t)body->n * parts->bits[p] / 8;
}

static void measure_records(zipnn_coding *coding, const struct zn_body *body) {
    unsigned p = 0;
    for (unsigned f = 0; f < body->record.n_fields; f++) {
        const struct zn_field *field = &body->record.field[f];
        const uint64_t size = (uint64_t)body->n * field->len;
        const uint64_t low = field->kind == ZN_FIELD_BYTES ? size : size * zn_field_low_bits(field->kind) / 8;
        coding->planes[p++].original = low;
        if (field->kind != ZN_FIELD_BYTES) coding->planes[p++].original = size - low;
    }
}

/* Splits values by the bits of their symbols and low bits. A value with a symbol of its own really has no low bits. */
static void measure_values(zipnn_coding *coding, const struct zn_body *body) {
    const struct zn_values_type *type = &zn_values_types[body->values.type];
    const uint64_t n = (uint64_t)body->n * type->n;
    const unsigned sides = zn_values_sides(type), low = body->values.low_bits;
    for (unsigned p = 0; p < sides; p++) coding->planes[p].original = (uint64_t)body->n * type->side[p].len;
    coding->planes[sides].original = n * low / 8;
    coding->planes[sides + 1].original = n * (zn_values_bits(type) - low) / 8;
}

static void describe_planes(zipnn_coding *coding, const struct zn_body *body) {
    static void (*const measure[])(zipnn_coding *, const struct zn_body *) = {[ZN_GROUP_WORDS] = measure_words,
                                                                              [ZN_GROUP_RECORDS] = measure_records,
                                                                              [ZN_GROUP_FLOATS] = measure_floats,
                                                                              [ZN_GROUP_VALUES] = measure_values};
    coding->n_planes = body->n_planes;
    measure[zn_layouts[body->layout].group](coding, body);
    for (unsigned p = 0; p < body->n_planes; p++) {
        coding->planes[p].codec = zn_codec_name(body->plane[p].codec);
        coding->planes[p].stored = body->plane[p].len;
    }
}

/* Describes the whole body as one plane, where it has no planes of its own. */
static void describe_whole(zipnn_coding *coding, const char *codec, uint32_t original, uint32_t stored) {
    coding->n_planes = 1;
    coding->planes[0].codec = codec;
    coding->planes[0].original = original;
    coding->planes[0].stored = stored;
}

static void describe_reference(struct zn_cur *cur, uint32_t body_len, uint32_t orig_len, zipnn_coding *coding) {
    zn_cur_u8(cur);
    const bool copy = zn_cur_u8(cur) == ZN_METHOD_COPY;
    coding->layout = copy ? "copy" : "delta";
    if (copy || body_len < ZN_REFERENCE_LEN) return;
    zn_cur_take(cur, ZN_REFERENCE_LEN - 2);
    const uint8_t layout = zn_cur_u8(cur);
    describe_whole(coding, zn_layout_is(layout, ZN_GROUP_DELTA) ? zn_layouts[layout].name : "?", orig_len,
                   body_len - ZN_REFERENCE_LEN);
}

void zn_chunk_describe(const uint8_t *head, size_t len, uint32_t body_len, uint32_t orig_len, zipnn_coding *coding) {
    struct zn_cur cur = zn_cur_of(head, len);
    struct zn_body body = {.data = head, .len = len, .orig_len = orig_len, .layout = ZN_N_LAYOUTS};
    *coding = (zipnn_coding){.layout = "?"};
    if (len && head[0] == ZN_KIND_REFERENCE) {
        describe_reference(&cur, body_len, orig_len, coding);
        return;
    }
    const bool known = zn_body_read_head(&body, &cur, NULL) == ZIPNN_OK;
    if (body.layout < ZN_N_LAYOUTS) coding->layout = zn_layouts[body.layout].name;
    if (!known || !zn_cur_ok(&cur)) return;
    if (zn_layout_is(body.layout, ZN_GROUP_CHUNKS))
        describe_whole(coding, "chunks", orig_len, body_len - (uint32_t)(cur.at - head));
    else
        describe_planes(coding, &body);
}
