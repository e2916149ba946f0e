#include "format/body.h"

/* ---- coded streams ---- */

void zn_coded_head(struct zn_cur *cur, struct zn_coded *coded) {
    coded->codec = zn_cur_u8(cur);
    coded->len = zn_cur_u32(cur);
    coded->data = NULL;
    coded->at = 0;
}

bool zn_coded_take(struct zn_cur *cur, const uint8_t *start, uint64_t at, struct zn_coded *coded) {
    coded->data = zn_cur_take(cur, coded->len);
    if (!coded->data) return false;
    coded->at = at + (uint64_t)(coded->data - start);
    return true;
}

struct zn_streams zn_streams_begin(struct zn_out *out, unsigned n) {
    uint8_t *head = zn_out_room(out, n * (size_t)ZN_PLANE_LEN);
    return (struct zn_streams){head, out->at};
}

void zn_streams_end(struct zn_streams *streams, const struct zn_out *out, unsigned codec) {
    if (!streams->head) return;
    streams->head[0] = (uint8_t)codec;
    zn_put_u32(streams->head + 1, (uint32_t)(out->at - streams->start));
    streams->head += ZN_PLANE_LEN;
    streams->start = out->at;
}

/* ---- reading ---- */

void zn_body_measure(struct zn_body *b) {
    if (b->layout == ZN_LAYOUT_RECORDS) {
        b->width = zn_record_width(&b->record);
        b->n_planes = zn_record_planes(&b->record);
    } else if (b->layout == ZN_LAYOUT_VALUES) {
        const struct zn_values_type *type = &zn_values_types[b->values.type];
        b->width = type->width;
        b->n_planes = zn_values_sides(type) + 2;
    } else {
        const bool has_inner = zn_layouts[b->layout].group == ZN_GROUP_FLOATS;
        b->width = zn_layouts[has_inner ? b->inner : b->layout].width;
        b->n_planes = has_inner ? zn_parts_of(b->layout, b->inner, b->joint)->n : zn_layouts[b->layout].n_planes;
    }
    b->tail = (b->orig_len - b->head) % b->width;
    b->n = (b->orig_len - b->head) / b->width;
}

static zipnn_status too_short(const struct zn_body *b, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "chunk of %zu bytes is too short", b->len);
}

/* Writes or reads what COLUMNS adds to joint symbols. */
static void write_columns(const struct zn_columns_head *c, struct zn_out *out) {
    zn_out_u8(out, c->start);
    zn_out_u8(out, (uint8_t)(c->fast | c->slow << 4));
    zn_out_u32(out, c->stride);
}

static zipnn_status read_columns(struct zn_body *b, struct zn_cur *cur, zipnn_error *err) {
    struct zn_columns_head *c = &b->columns;
    c->start = zn_cur_u8(cur);
    const uint8_t rates = zn_cur_u8(cur);
    c->fast = rates & 15;
    c->slow = rates >> 4;
    c->stride = zn_cur_u32(cur);
    if (!zn_cur_ok(cur)) return too_short(b, err);
    if (c->fast > c->slow || c->slow > ZN_SLOWEST_COLUMN)
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "columns learn by 2^-%u to 2^-%u", c->fast, c->slow);
    if (c->stride < ZN_LEAST_STRIDE)
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "rows of %u elements, %d is the least", c->stride, ZN_LEAST_STRIDE);
    return ZIPNN_OK;
}

static zipnn_status read_floats(struct zn_body *b, struct zn_cur *cur, zipnn_error *err) {
    const bool joint = zn_layout_is_joint(b->layout);
    b->inner = zn_cur_u8(cur);
    b->joint = joint ? zn_cur_u8(cur) : 0;
    b->base = joint ? zn_cur_u8(cur) : 0;
    if (!zn_cur_ok(cur)) return too_short(b, err);
    if (!zn_parts_of(b->layout, b->inner, b->joint))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, b->at,
                       "floats of layout %u, %u bits of mantissa in a symbol: not supported in layout %s", b->inner,
                       b->joint, zn_layouts[b->layout].name);
    if (b->base > (b->inner == ZN_LAYOUT_F16 ? 0 : b->joint == 2 ? ZN_JOINT2_MAX_BASE : ZN_JOINT_MAX_BASE))
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "exponents of layout %u count from %u", b->inner, b->base);
    return b->layout == ZN_LAYOUT_COLUMNS ? read_columns(b, cur, err) : ZIPNN_OK;
}

/* What the layout adds to the head. */
static zipnn_status read_added(struct zn_body *b, struct zn_cur *cur, zipnn_error *err) {
    switch (zn_layouts[b->layout].group) {
        case ZN_GROUP_RECORDS:
            return zn_record_read(cur, b->at + ZN_CHUNK_LEN, &b->record, err);
        case ZN_GROUP_FLOATS:
            return read_floats(b, cur, err);
        case ZN_GROUP_VALUES:
            return zn_values_head_read(cur, b->at + ZN_CHUNK_LEN, &b->values, err);
        case ZN_GROUP_DELTA:
            return zn_fail(err, ZIPNN_E_UNSUPPORTED, b->at + 1, "layout %u is not supported without a reference",
                           b->layout);
        default:
            return ZIPNN_OK;
    }
}

zipnn_status zn_body_read_head(struct zn_body *b, struct zn_cur *cur, zipnn_error *err) {
    const uint8_t kind = zn_cur_u8(cur), layout = zn_cur_u8(cur);
    b->head = zn_cur_u8(cur);
    const uint8_t flags = zn_cur_u8(cur);
    if (!zn_cur_ok(cur)) return too_short(b, err);
    if (kind != ZN_KIND_CHUNK) return zn_fail(err, ZIPNN_E_UNSUPPORTED, b->at, "frame kind %u is not supported", kind);
    if (layout >= ZN_N_LAYOUTS)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, b->at + 1, "layout %u is not supported", layout);
    if (flags) return zn_fail(err, ZIPNN_E_UNSUPPORTED, b->at + 3, "chunk flags 0x%02x are not supported", flags);
    b->layout = (enum zn_layout)layout;
    b->edges = NULL;
    b->n_planes = 0;
    ZN_TRY(read_added(b, cur, err));
    if (zn_layout_is(layout, ZN_GROUP_CHUNKS)) return ZIPNN_OK;
    const uint32_t head = b->head;
    b->head = ZN_MIN(head, b->orig_len);
    zn_body_measure(b);
    /* The head of joint symbols with two bits may also hold words that they cannot express. */
    const bool any_head = zn_layout_is_joint(b->layout) && b->joint == 2;
    if ((head >= b->width && !any_head) || head > b->orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at + 2, "%u bytes before the first element of %u bytes", head,
                       b->width);
    b->edges = zn_cur_take(cur, b->head + b->tail);
    for (unsigned p = 0; p < b->n_planes; p++) zn_coded_head(cur, &b->plane[p]);
    return ZIPNN_OK;
}

zipnn_status zn_body_read(struct zn_body *b, zipnn_error *err) {
    struct zn_cur cur = zn_cur_of(b->data, b->len);
    ZN_TRY(zn_body_read_head(b, &cur, err));
    b->rest = cur;
    if (zn_layout_is(b->layout, ZN_GROUP_CHUNKS)) return ZIPNN_OK;
    for (unsigned p = 0; p < b->n_planes; p++)
        if (!zn_coded_take(&cur, b->data, b->at, &b->plane[p]))
            return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "chunk of %zu bytes ends inside plane %u", b->len, p);
    if (zn_cur_left(&cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "chunk has %zu bytes past its last plane", zn_cur_left(&cur));
    return ZIPNN_OK;
}

void zn_body_put_edges(const struct zn_body *b, uint8_t *out) {
    if (b->head) memcpy(out, b->edges, b->head);
    if (b->tail) memcpy(out + b->orig_len - b->tail, b->edges + b->head, b->tail);
}

/* ---- writing ---- */

void zn_body_begin_chunks(struct zn_out *out, enum zn_layout layout, uint32_t head) {
    zn_out_u8(out, ZN_KIND_CHUNK);
    zn_out_u8(out, (uint8_t)layout);
    zn_out_u8(out, (uint8_t)head);
    zn_out_u8(out, 0);
}

struct zn_streams zn_body_begin(struct zn_out *out, const struct zn_body *b, const uint8_t *src) {
    zn_body_begin_chunks(out, b->layout, b->head);
    if (b->layout == ZN_LAYOUT_RECORDS) zn_record_write(&b->record, out);
    if (b->layout == ZN_LAYOUT_VALUES) zn_values_head_write(&b->values, out);
    if (zn_layout_is(b->layout, ZN_GROUP_FLOATS)) zn_out_u8(out, b->inner);
    if (zn_layout_is_joint(b->layout)) {
        zn_out_u8(out, b->joint);
        zn_out_u8(out, b->base);
    }
    if (b->layout == ZN_LAYOUT_COLUMNS) write_columns(&b->columns, out);
    zn_out_bytes(out, src, b->head);
    zn_out_bytes(out, src + b->orig_len - b->tail, b->tail);
    return zn_streams_begin(out, b->n_planes);
}
