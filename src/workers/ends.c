#include "workers/ends.h"

struct zn_input zn_input_of_memory(const void *data, size_t len) {
    static const uint8_t nothing;
    return (struct zn_input){.mem = data ? data : &nothing, .length = len};
}

zipnn_status zn_input_of_source(const zipnn_source *source, struct zn_input *in, zipnn_error *err) {
    if (!source || (!source->read && !source->read_at))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a source needs read or read_at");
    if (source->read_at && source->length == UINT64_MAX)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a source with read_at needs its length");
    *in = (struct zn_input){.source = *source, .length = source->read_at ? source->length : UINT64_MAX};
    return ZIPNN_OK;
}

/* Explains the failure of a callback that left `err` alone. */
static zipnn_status source_failed(zipnn_status status, uint64_t at, zipnn_error *err) {
    if (err && err->status == status) return status;
    return zn_fail(err, status, at, "the source failed (%s)", zipnn_status_name(status));
}

zipnn_status zn_input_next(struct zn_input *in, uint8_t *buf, size_t want, size_t *got, zipnn_error *err) {
    size_t n = (size_t)ZN_MIN((uint64_t)want, in->pos < in->head_len ? in->head_len - in->pos : 0);
    if (n) memcpy(buf, in->head + in->pos, n);
    in->pos += n;
    while (n < want) {
        size_t more = 0;
        if (err) err->status = ZIPNN_OK;
        zipnn_status status = in->source.read(in->source.user, buf + n, want - n, &more, err);
        if (status != ZIPNN_OK) return source_failed(status, in->pos, err);
        if (more > want - n)
            return zn_fail(err, ZIPNN_E_IO, in->pos, "the source says it read %zu bytes where %zu were asked for", more,
                           want - n);
        if (more == 0) break;
        n += more;
        in->pos += more;
    }
    *got = n;
    return ZIPNN_OK;
}

/* Returns the bytes if they were read ahead, else NULL. */
static const uint8_t *seen(const struct zn_glance *g, uint64_t off, size_t len) {
    if (!g || !g->memory) return NULL;
    if (off <= g->head_len && len <= g->head_len - off) return g->memory + off;
    if (off < g->tail_at || off - g->tail_at > g->tail_len || len > g->tail_len - (off - g->tail_at)) return NULL;
    return g->memory + g->head_len + (size_t)(off - g->tail_at);
}

zipnn_status zn_input_at(const struct zn_input *in, uint64_t off, size_t len, uint8_t *buf, const uint8_t **bytes,
                         zipnn_error *err) {
    if (in->mem) {
        *bytes = in->mem + off;
        return ZIPNN_OK;
    }
    *bytes = len ? seen(in->glance, off, len) : buf;
    if (*bytes || len == 0) return ZIPNN_OK;
    *bytes = buf;
    if (err) err->status = ZIPNN_OK;
    const zipnn_source *source = &in->source;
    const void *view = NULL;
    zipnn_status status = source->view ? source->view(source->user, off, len, &view, err)
                                       : source->read_at(source->user, off, buf, len, err);
    if (view) *bytes = view;
    return status == ZIPNN_OK ? status : source_failed(status, off, err);
}

zipnn_status zn_input_copy(const struct zn_input *in, uint64_t off, size_t len, uint8_t *buf, zipnn_error *err) {
    const uint8_t *bytes;
    ZN_TRY(zn_input_at(in, off, len, buf, &bytes, err));
    if (bytes != buf && len) memcpy(buf, bytes, len);
    return ZIPNN_OK;
}

static zipnn_status fill_glance(struct zn_glance *g, const struct zn_input *in, zipnn_error *err) {
    const uint8_t *bytes;
    ZN_TRY(zn_input_at(in, 0, g->head_len, g->memory, &bytes, err));
    return zn_input_at(in, g->tail_at, g->tail_len, g->memory + g->head_len, &bytes, err);
}

zipnn_status zn_glance_begin(struct zn_glance *g, const zipnn_allocator *alloc, struct zn_input *in, zipnn_error *err) {
    *g = (struct zn_glance){.memory = NULL};
    if (zn_input_is_visible(in) || !zn_input_is_random(in) || in->length == 0) return ZIPNN_OK;
    const bool all = in->length <= 2 * ZN_GLANCE;
    g->head_len = all ? (size_t)in->length : ZN_GLANCE;
    g->tail_len = all ? 0 : ZN_GLANCE;
    g->tail_at = in->length - g->tail_len;
    g->memory = zn_alloc(alloc, g->head_len + g->tail_len);
    if (!g->memory)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu bytes of an input",
                       g->head_len + g->tail_len);
    const zipnn_status status = fill_glance(g, in, err);
    if (status == ZIPNN_OK)
        in->glance = g;
    else
        zn_glance_end(g, alloc);
    return status;
}

zipnn_status zn_glance_try(struct zn_glance *g, const zipnn_allocator *alloc, struct zn_input *in, zipnn_error *err) {
    const zipnn_status status = zn_glance_begin(g, alloc, in, err);
    if (status == ZIPNN_E_MEMORY || status == ZIPNN_E_CANCELLED) return status;
    if (err) err->status = ZIPNN_OK;
    return ZIPNN_OK;
}

void zn_glance_end(struct zn_glance *g, const zipnn_allocator *alloc) {
    zn_free(alloc, g->memory);
    *g = (struct zn_glance){.memory = NULL};
}

zipnn_status zn_output_of_sink(const zipnn_sink *sink, struct zn_output *out, zipnn_error *err) {
    *out = (struct zn_output){.sink = sink};
    if (sink && sink->write) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a sink needs write");
}

zipnn_status zn_output_put(const struct zn_output *out, uint64_t off, const uint8_t *bytes, size_t len,
                           zipnn_error *err) {
    if (out->mem) {
        if (off > out->cap || len > out->cap - off)
            return zn_fail(err, ZIPNN_E_SPACE, ZN_NOWHERE, "the output needs more than the %zu bytes given", out->cap);
        if (bytes != out->mem + off && len) memcpy(out->mem + off, bytes, len);
        return ZIPNN_OK;
    }
    if (!out->sink || len == 0) return ZIPNN_OK;
    if (err) err->status = ZIPNN_OK;
    const zipnn_sink *sink = out->sink;
    zipnn_status status =
        sink->write_at ? sink->write_at(sink->user, off, bytes, len, err) : sink->write(sink->user, bytes, len, err);
    if (status == ZIPNN_OK || (err && err->status == status)) return status;
    return zn_fail(err, status, off, "the sink failed (%s)", zipnn_status_name(status));
}

zipnn_status zn_gather_begin(struct zn_gather *g, const zipnn_allocator *alloc, uint64_t off, zipnn_error *err) {
    *g = (struct zn_gather){.held = zn_alloc(alloc, ZN_BLOCK), .off = off};
    if (g->held) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a block of output has %d bytes", ZN_BLOCK);
}

static void hold_back(struct zn_gather *g, const uint8_t *bytes, size_t len) {
    if (len) memcpy(g->held + g->len, bytes, len);
    g->len += len;
}

struct zn_piece zn_gather(struct zn_gather *g, uint8_t *bytes, size_t len) {
    const uint64_t at = g->off + g->len, end = (at + len) / ZN_BLOCK * ZN_BLOCK;
    if (end <= g->off) {
        hold_back(g, bytes, len);
        return (struct zn_piece){.off = g->off};
    }
    /* Less than a block is held back, so `end` lies inside the bytes given. */
    const size_t now = (size_t)(end - at);
    const struct zn_piece piece = {g->off, bytes - g->len, g->len + now};
    memcpy(bytes - g->len, g->held, g->len);
    g->off = end;
    g->len = 0;
    hold_back(g, bytes + now, len - now);
    return piece;
}

struct zn_piece zn_gather_rest(const struct zn_gather *g) {
    return (struct zn_piece){g->off, g->held, g->len};
}
