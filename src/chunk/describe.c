#include "chunk/describe.h"

#include "chunk/joint.h"
#include "chunk/layout.h"
#include "chunk/records.h"
#include "chunk/tops.h"
#include "chunk/wrapped.h"
#include "codec/codec.h"
#include "format/reference.h"

static const char *const layout_names[ZN_N_LAYOUTS] = {
    [ZN_LAYOUT_8] = "8",     [ZN_LAYOUT_16] = "16",   [ZN_LAYOUT_16R] = "16R",
    [ZN_LAYOUT_32] = "32",   [ZN_LAYOUT_32R] = "32R", [ZN_LAYOUT_64] = "64",
    [ZN_LAYOUT_64R] = "64R", [ZN_LAYOUT_F16] = "F16", [ZN_LAYOUT_RECORDS] = "records",
};

static const char *const codec_names[ZN_N_CODECS] = {
    [ZN_CODEC_RAW] = "raw",   [ZN_CODEC_CONSTANT] = "constant", [ZN_CODEC_R16] = "R16",
    [ZN_CODEC_ZSTD] = "zstd", [ZN_CODEC_NIBBLES] = "nibbles",   [ZN_CODEC_R16C] = "R16C",
    [ZN_CODEC_BITS] = "bits", [ZN_CODEC_MIXING] = "mixing",
};

/* The sizes of the planes, from what precedes the edges; answers the width of an element, 0 for an unknown layout. */
static uint32_t measure_words(zipnn_coding *coding, uint8_t layout, size_t len) {
    const struct zn_layout_info *info = &zn_layouts[layout];
    coding->n_planes = info->n_planes;
    for (unsigned p = 0; p < info->n_planes; p++)
        coding->planes[p].original = zn_plane_size((enum zn_layout)layout, p, len / info->width);
    return info->width;
}

/* Parts of a byte count by their bits. */
static uint32_t measure_parts(zipnn_coding *coding, unsigned inner, size_t len, unsigned n_planes,
                              unsigned (*bits)(unsigned inner, unsigned p)) {
    coding->n_planes = n_planes;
    if (n_planes == 0) return 0;
    const size_t n = len / zn_layouts[inner].width;
    for (unsigned p = 0; p < n_planes; p++) coding->planes[p].original = (uint64_t)n * bits(inner, p) / 8;
    return zn_layouts[inner].width;
}

static uint32_t measure_tops(zipnn_coding *coding, struct zn_cur *cur, size_t len) {
    const uint8_t inner = zn_cur_u8(cur);
    return measure_parts(coding, inner, len, zn_tops_planes(inner), zn_tops_bits);
}

static uint32_t measure_joint(zipnn_coding *coding, struct zn_cur *cur, size_t len) {
    const uint8_t inner = zn_cur_u8(cur);
    zn_cur_take(cur, 2); /* bits of mantissa, base */
    return measure_parts(coding, inner, len, zn_joint_planes(inner), zn_joint_bits);
}

static uint32_t measure_records(zipnn_coding *coding, struct zn_cur *cur, size_t len) {
    struct zn_record record;
    if (zn_record_read(cur, 0, &record, NULL) != ZIPNN_OK) return 0;
    const uint32_t width = zn_record_width(&record);
    for (unsigned f = 0; f < record.n_fields; f++) {
        const struct zn_field *field = &record.field[f];
        const uint64_t size = len / width * field->len;
        const uint64_t low = field->kind == ZN_FIELD_BYTES ? size : size * zn_field_low_bits(field->kind) / 8;
        coding->planes[coding->n_planes++].original = low;
        if (field->kind != ZN_FIELD_BYTES) coding->planes[coding->n_planes++].original = size - low;
    }
    return width;
}

/* What is not told plane by plane has one, named by what it is. */
static void describe_whole(zipnn_coding *coding, const char *layout, const char *codec, uint32_t original,
                           uint32_t stored) {
    coding->layout = layout;
    coding->n_planes = 1;
    coding->planes[0].codec = codec;
    coding->planes[0].original = original;
    coding->planes[0].stored = stored;
}

static void describe_reference(struct zn_cur *cur, uint32_t body_len, uint32_t orig_len, zipnn_coding *coding) {
    static const char *const names[] = {"dense", "sparse", "given"};
    const bool copy = zn_cur_u8(cur) == ZN_METHOD_COPY;
    coding->layout = copy ? "copy" : "delta";
    if (copy || body_len < ZN_REFERENCE_LEN) return;
    zn_cur_take(cur, ZN_REFERENCE_LEN - 2);
    const uint8_t layout = zn_cur_u8(cur);
    const bool known = layout >= ZN_LAYOUT_DELTA && layout <= ZN_LAYOUT_GIVEN;
    describe_whole(coding, "delta", known ? names[layout - ZN_LAYOUT_DELTA] : "?", orig_len,
                   body_len - ZN_REFERENCE_LEN);
}

static void describe_wrapped(uint8_t layout, uint32_t body_len, uint32_t orig_len, zipnn_coding *coding) {
    static const char *const names[] = {"differences", "repeats", "frequent"};
    describe_whole(coding, names[layout - ZN_LAYOUT_DIFFERENCES], "chunks", orig_len, body_len - ZN_CHUNK_LEN);
}

void zn_chunk_describe(const uint8_t *head, size_t len, uint32_t body_len, uint32_t orig_len, zipnn_coding *coding) {
    struct zn_cur cur = zn_cur_of(head, len);
    *coding = (zipnn_coding){.layout = "?"};
    if (zn_cur_u8(&cur) == ZN_KIND_REFERENCE) {
        describe_reference(&cur, body_len, orig_len, coding);
        return;
    }
    const uint8_t layout = zn_cur_u8(&cur), edge = zn_cur_u8(&cur);
    zn_cur_u8(&cur);
    if (zn_cur_ok(&cur) && zn_is_wrapped(layout)) {
        describe_wrapped(layout, body_len, orig_len, coding);
        return;
    }
    const bool has_tops = layout == ZN_LAYOUT_TOPS, is_joint = layout == ZN_LAYOUT_JOINT;
    if (!zn_cur_ok(&cur) || (layout >= ZN_N_LAYOUTS && !has_tops && !is_joint) || edge > orig_len) return;
    coding->layout = has_tops ? "tops" : is_joint ? "joint" : layout_names[layout];
    const size_t inner = orig_len - edge;
    const uint32_t width = has_tops                      ? measure_tops(coding, &cur, inner)
                           : is_joint                    ? measure_joint(coding, &cur, inner)
                           : layout == ZN_LAYOUT_RECORDS ? measure_records(coding, &cur, inner)
                                                         : measure_words(coding, layout, inner);
    if (width) zn_cur_take(&cur, edge + inner % width);
    for (unsigned p = 0; p < coding->n_planes; p++) {
        const uint8_t codec = zn_cur_u8(&cur);
        coding->planes[p].codec = codec < ZN_N_CODECS && codec_names[codec] ? codec_names[codec] : "?";
        coding->planes[p].stored = zn_cur_u32(&cur);
    }
    if (!zn_cur_ok(&cur)) coding->n_planes = 0;
}
