#include "chunk/chunk.h"
#include "chunk/layout.h"
#include "chunk/sniff.h"

/* How a chunk is cut into edges and elements. */
struct grid {
    enum zn_layout layout;
    uint32_t head, tail;
    size_t n; /* elements */
};

static struct grid choose_grid(const struct zn_kernels *k, struct zn_chunk_hint hint, const uint8_t *src,
                               uint32_t len) {
    struct grid g = {zn_layout_of_dtype(hint.dtype), hint.head, 0, 0};
    /* Bytes are measured even when a reader calls them so: packed and quantised weights often have a period. */
    if (g.layout == ZN_LAYOUT_8) {
        struct zn_guess guess = zn_sniff(k, src, len);
        g.layout = zn_layout_of_shape(guess.shape);
        g.head = guess.head;
    }
    uint32_t width = zn_layouts[g.layout].width;
    g.head %= width;
    if (len < g.head + width) return (struct grid){ZN_LAYOUT_8, 0, 0, len};
    g.tail = (len - g.head) % width;
    g.n = (len - g.head - g.tail) / width;
    return g;
}

static void write_head(struct zn_out *out, const struct grid *g, const uint8_t *src, uint32_t len) {
    zn_out_u8(out, ZN_KIND_CHUNK);
    zn_out_u8(out, (uint8_t)g->layout);
    zn_out_u8(out, (uint8_t)g->head);
    zn_out_u8(out, 0);
    zn_out_bytes(out, src, g->head);
    zn_out_bytes(out, src + len - g->tail, g->tail);
}

/* Where planes lie while a chunk is encoded. All but the top plane are mostly stored as they are, so they are split
 * straight to the place where they will stay if all of them are; the top plane goes to scratch. */
static void split(struct zn_coder *coder, const struct grid *g, const uint8_t *elements, uint8_t *room,
                  const uint8_t **planes) {
    const struct zn_layout_info *info = &zn_layouts[g->layout];
    uint8_t *to[ZN_MAX_PLANES];
    for (unsigned p = 0; p < info->n_planes; p++) {
        planes[p] = to[p] = p + 1 < info->n_planes ? room : coder->planes;
        room += zn_plane_size(g->layout, p, g->n);
    }
    coder->codec.k->split[info->shape](elements, g->n, to);
}

static enum zn_codec_id encode_plane(struct zn_coder *coder, const struct zn_effort *effort, const uint8_t *plane,
                                     size_t size, bool in_place, struct zn_out *out) {
    struct zn_survey survey;
    zn_stream_survey(&coder->codec, plane, size, &survey);
    if (in_place && !survey.random && !survey.constant) {
        memcpy(coder->spare, plane, size);
        plane = coder->spare;
    }
    return zn_stream_encode(&coder->codec, 0, effort, &survey, plane, size, out);
}

static uint32_t encode_grid(struct zn_coder *coder, const struct zn_effort *effort, const struct grid *g,
                            const uint8_t *src, uint32_t len, uint8_t *body) {
    struct zn_out out = zn_out_of(body, zn_chunk_bound(len));
    const unsigned n_planes = zn_layouts[g->layout].n_planes;
    const uint8_t *planes[ZN_MAX_PLANES] = {src};
    write_head(&out, g, src, len);
    uint8_t *record = zn_out_room(&out, (size_t)n_planes * ZN_PLANE_LEN);
    if (n_planes > 1) split(coder, g, src + g->head, out.at, planes);
    for (unsigned p = 0; p < n_planes; p++, record += ZN_PLANE_LEN) {
        size_t before = zn_out_len(&out), size = zn_plane_size(g->layout, p, g->n);
        record[0] = (uint8_t)encode_plane(coder, effort, planes[p], size, p + 1 < n_planes, &out);
        zn_put_u32(record + 1, (uint32_t)(zn_out_len(&out) - before));
    }
    return (uint32_t)zn_out_len(&out);
}

static uint32_t store(const uint8_t *src, uint32_t len, uint8_t *body) {
    struct grid g = {ZN_LAYOUT_8, 0, 0, len};
    struct zn_out out = zn_out_of(body, zn_chunk_bound(len));
    write_head(&out, &g, src, len);
    zn_out_u8(&out, ZN_CODEC_RAW);
    zn_out_u32(&out, len);
    zn_out_bytes(&out, src, len);
    return (uint32_t)zn_out_len(&out);
}

uint32_t zn_chunk_encode(struct zn_coder *coder, const struct zn_effort *effort, struct zn_chunk_hint hint,
                         const uint8_t *src, uint32_t len, uint8_t *body) {
    struct grid g = choose_grid(coder->codec.k, hint, src, len);
    uint32_t body_len = encode_grid(coder, effort, &g, src, len, body);
    uint32_t stored_len = ZN_CHUNK_LEN + ZN_PLANE_LEN + len;
    return body_len < stored_len ? body_len : store(src, len, body);
}
