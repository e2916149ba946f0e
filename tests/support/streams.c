#include "support/streams.h"

#include <string.h>

static zipnn_status fail(zipnn_error *err) {
    if (err) *err = (zipnn_error){ZIPNN_E_IO, 0, "the device is on fire"};
    return ZIPNN_E_IO;
}

static zipnn_status call(atomic_size_t *calls, size_t failing_call, zipnn_error *err) {
    return atomic_fetch_add(calls, 1) + 1 == failing_call ? fail(err) : ZIPNN_OK;
}

static zipnn_status read_some(void *user, void *buf, size_t cap, size_t *got, zipnn_error *err) {
    struct zt_input *in = user;
    size_t n = in->len - in->pos < cap ? in->len - in->pos : cap;
    if (in->longest && n > in->longest) n = in->longest;
    if (n) memcpy(buf, in->data + in->pos, n);
    in->pos += n;
    *got = n;
    return call(&in->calls, in->failing_call, err);
}

static zipnn_status read_range(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    struct zt_input *in = user;
    if (off > in->len || len > in->len - off) {
        in->overrun = true;
        return ZIPNN_E_IO;
    }
    if (len) memcpy(buf, in->data + off, len);
    if (in->bad_sector && off <= in->bad_sector && in->bad_sector - off < len) return fail(err);
    if (in->dies && in->failing_call && in->calls >= in->failing_call) return fail(err);
    return call(&in->calls, in->failing_call, err);
}

zipnn_source zt_pipe(struct zt_input *in) {
    in->pos = 0;
    return (zipnn_source){.read = read_some, .length = UINT64_MAX, .user = in};
}

zipnn_source zt_file(struct zt_input *in) {
    return (zipnn_source){.read_at = read_range, .length = in->len, .user = in};
}

static zipnn_status view_range(void *user, uint64_t off, size_t len, const void **bytes, zipnn_error *err) {
    struct zt_input *in = user;
    if (off > in->len || len > in->len - off) {
        in->overrun = true;
        return ZIPNN_E_IO;
    }
    *bytes = in->data + off;
    return call(&in->calls, in->failing_call, err);
}

zipnn_source zt_map(struct zt_input *in) {
    return (zipnn_source){.read_at = read_range, .view = view_range, .length = in->len, .user = in};
}

static zipnn_status write_range(void *user, uint64_t off, const void *buf, size_t len, zipnn_error *err) {
    struct zt_output *out = user;
    if (off > out->cap || len > out->cap - off) {
        out->overrun = true;
        return ZIPNN_E_IO;
    }
    if (len) memcpy(out->data + off, buf, len);
    atomic_fetch_add(&out->written, len);
    return call(&out->calls, out->failing_call, err);
}

static zipnn_status write_next(void *user, const void *buf, size_t len, zipnn_error *err) {
    struct zt_output *out = user;
    size_t at = out->len;
    out->len += len;
    return write_range(user, at, buf, len, err);
}

zipnn_sink zt_pipe_sink(struct zt_output *out) {
    return (zipnn_sink){.write = write_next, .user = out};
}

zipnn_sink zt_file_sink(struct zt_output *out) {
    return (zipnn_sink){.write = write_next, .write_at = write_range, .user = out};
}
