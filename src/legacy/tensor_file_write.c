#include "legacy/tensor_file_write.h"

#include "legacy/tensor_file.h"

enum {
    METHOD = 1 /* the script asked for it; it has no effect */
};

/* A tensor, and the settings that the package would have been given for it. */
struct told {
    struct zn_old_make make;
    uint64_t dims[ZN_OLD_MAX_RANK];
    const char *torch; /* name of the type */
};

/* Reads a shape from the header. Returns false when a record cannot have it. */
static bool read_dims(const struct zn_old_text *shape, struct told *k) {
    bool number = false;
    for (size_t i = 0; i < shape->len; i++) {
        const char c = shape->at[i];
        if (c >= '0' && c <= '9') {
            if (!number && k->make.rank == ZN_OLD_MAX_RANK) return false;
            if (!number) k->dims[k->make.rank++] = 0;
            uint64_t *dim = &k->dims[k->make.rank - 1];
            if (!zn_mul(*dim, 10, dim) || !zn_add(*dim, (uint64_t)(c - '0'), dim)) return false;
        }
        number = c >= '0' && c <= '9';
    }
    return true;
}

/* Returns whether a tensor has a type that records hold, and a shape that agrees with its length. */
static bool can_press(const struct zn_old_tensor *t, struct told *k) {
    static const struct {
        const char *text, *torch;
        zipnn_dtype dtype;
        uint64_t bytes;
    } types[] = {{"\"BF16\"", "bfloat16", ZIPNN_BF16, 2},
                 {"\"F16\"", "float16", ZIPNN_F16, 2},
                 {"\"F32\"", "float32", ZIPNN_F32, 4},
                 {"\"F8_E4M3\"", "float8_e4m3fn", ZIPNN_F8_E4M3, 1},
                 {"\"F8_E5M2\"", "float8_e5m2", ZIPNN_F8_E5M2, 1}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (t->dtype.len != strlen(types[i].text) || memcmp(t->dtype.at, types[i].text, t->dtype.len) != 0) continue;
        k->make = zn_old_make_default(types[i].dtype);
        k->make.kind = ZN_OLD_TORCH;
        k->make.method = METHOD;
        k->torch = types[i].torch;
        uint64_t bytes = types[i].bytes;
        if (!read_dims(&t->shape, k)) return false;
        for (uint32_t d = 0; d < k->make.rank; d++)
            if (!zn_mul(bytes, k->dims[d], &bytes)) return false;
        k->make.dims = k->dims;
        return bytes == t->len;
    }
    return false;
}

/* Finds what each tensor becomes: whether it is coded, and `original`, the length it gets. */
static zipnn_status measure(struct zn_old_press *press, const zipnn_source *source, struct zn_tensor_file *f,
                            zipnn_error *err) {
    for (size_t i = 0; i < f->n_tensors; i++) {
        struct zn_old_tensor *t = &f->tensors[i];
        struct told k;
        uint64_t size;
        t->original = t->len;
        if (!can_press(t, &k)) continue;
        ZN_TRY(zn_old_record_size(press, source, t->at, t->len, NULL, &k.make, &size, err));
        t->coded = size < t->len;
        if (t->coded) t->original = size;
    }
    return ZIPNN_OK;
}

/* Adds a text that is inside a JSON string, which is inside a JSON string. */
static zipnn_status add_nested(struct zn_tensor_file *f, const struct zn_old_text *text, zipnn_error *err) {
    for (size_t i = 0; i < text->len; i++) {
        const struct zn_old_text one = {text->at + i, 1};
        if (text->at[i] == '"' || text->at[i] == '\\') ZN_TRY(zn_head_word(f, "\\", err));
        ZN_TRY(zn_head_text(f, &one, err));
    }
    return ZIPNN_OK;
}

static zipnn_status add_listed(struct zn_tensor_file *f, const struct zn_old_tensor *t, zipnn_error *err) {
    struct told k;
    if (!can_press(t, &k)) return ZIPNN_OK; /* it could be, when it was measured */
    ZN_TRY(add_nested(f, &t->name, err));
    ZN_TRY(zn_head_word(f, ": {\\\"dtype\\\": \\\"", err));
    ZN_TRY(zn_head_word(f, k.torch, err));
    ZN_TRY(zn_head_word(f, "\\\", \\\"shape\\\": \\\"[", err));
    for (uint32_t d = 0; d < k.make.rank; d++) {
        if (d) ZN_TRY(zn_head_word(f, ", ", err));
        ZN_TRY(zn_head_number(f, k.dims[d], err));
    }
    return zn_head_word(f, "]\\\"}", err);
}

/* Adds the metadata, with the package's list of compressed tensors. */
static zipnn_status add_metadata(struct zn_tensor_file *f, zipnn_error *err) {
    bool some = false;
    ZN_TRY(zn_head_word(f, "\"__metadata__\":{", err));
    ZN_TRY(zn_head_metadata(f, err));
    ZN_TRY(zn_head_word(f, f->n_metadata ? ",\"znn_compressed_vectors\":\"{" : "\"znn_compressed_vectors\":\"{", err));
    for (size_t i = 0; i < f->n_tensors; i++) {
        if (!f->tensors[i].coded) continue;
        if (some) ZN_TRY(zn_head_word(f, ", ", err));
        ZN_TRY(add_listed(f, &f->tensors[i], err));
        some = true;
    }
    return zn_head_word(f, "}\"}", err);
}

static zipnn_status make_head(struct zn_tensor_file *f, uint64_t *size, zipnn_error *err) {
    uint64_t begin = 0;
    ZN_TRY(zn_head_begin(f, err));
    ZN_TRY(add_metadata(f, err));
    for (size_t i = 0; i < f->n_tensors; i++) {
        const struct zn_old_tensor *t = &f->tensors[i];
        ZN_TRY(zn_head_word(f, ",", err));
        ZN_TRY(zn_head_text(f, &t->name, err));
        ZN_TRY(zn_head_word(f, ":", err));
        if (t->coded) {
            ZN_TRY(zn_head_word(f, "{\"dtype\":\"U8\",\"shape\":[", err));
            ZN_TRY(zn_head_number(f, t->original, err));
            ZN_TRY(zn_head_word(f, "]", err));
        } else {
            ZN_TRY(zn_head_plain_type(f, t, err));
        }
        ZN_TRY(zn_head_offsets(f, begin, begin + t->original, err));
        begin += t->original;
    }
    ZN_TRY(zn_head_end(f, err));
    *size = f->head_len + begin;
    return ZIPNN_OK;
}

static zipnn_status put_plain(const zipnn_source *source, const struct zn_old_tensor *t, const zipnn_sink *sink,
                              zipnn_error *err) {
    uint8_t bytes[1 << 14];
    for (uint64_t done = 0; done < t->len;) {
        const size_t n = (size_t)ZN_MIN(t->len - done, (uint64_t)sizeof bytes);
        ZN_TRY(zn_old_read(source, t->at + done, bytes, n, err));
        ZN_TRY(zn_old_put(sink, bytes, n, err));
        done += n;
    }
    return ZIPNN_OK;
}

static zipnn_status put_tensor(struct zn_old_press *press, const zipnn_source *source, const struct zn_old_tensor *t,
                               const zipnn_sink *sink, zipnn_error *err) {
    struct told k;
    uint64_t size;
    if (!t->coded || !can_press(t, &k)) return put_plain(source, t, sink, err);
    ZN_TRY(zn_old_record_write(press, source, t->at, t->len, NULL, &k.make, sink, &size, err));
    if (size == t->original) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_IO, t->at, "the source changed while it was read");
}

static zipnn_status write_file(struct zn_old_press *press, const zipnn_source *source, struct zn_tensor_file *f,
                               const zipnn_sink *sink, uint64_t *size, zipnn_error *err) {
    if (f->listed) return zn_fail(err, ZIPNN_E_ARGUMENT, 0, "the tensors of this file are old records already");
    ZN_TRY(zn_tensor_file_arrange(source, f, err));
    ZN_TRY(measure(press, source, f, err));
    ZN_TRY(make_head(f, size, err));
    ZN_TRY(zn_old_put(sink, f->head, f->head_len, err));
    for (size_t i = 0; i < f->n_tensors; i++) ZN_TRY(put_tensor(press, source, &f->tensors[i], sink, err));
    return ZIPNN_OK;
}

zipnn_status zn_tensor_file_write(const zipnn_allocator *alloc, struct zn_old_press *press, const zipnn_source *source,
                                  const zipnn_sink *sink, uint64_t *size, zipnn_error *err) {
    struct zn_tensor_file f;
    bool found;
    ZN_TRY(zn_tensor_file_parse(alloc, source, &f, &found, err));
    if (!found) return zn_fail(err, ZIPNN_E_FORMAT, 0, "not a safetensors file");
    zipnn_status status = write_file(press, source, &f, sink, size, err);
    zn_tensor_file_free(&f);
    return status;
}
