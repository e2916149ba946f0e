/* Writes the headers of safetensors files. */
#include <stdio.h>

#include "legacy/tensor_file.h"

enum {
    LENGTH_BYTES = 8,
    ALIGN = 8 /* the safetensors library pads headers to this */
};

static zipnn_status add(struct zn_tensor_file *f, const char *text, size_t len, zipnn_error *err) {
    void *head = f->head;
    zipnn_status status = zn_grow(&f->alloc, &head, &f->head_cap, f->head_len + len, 1, err);
    f->head = head;
    ZN_TRY(status);
    if (len) memcpy(f->head + f->head_len, text, len);
    f->head_len += len;
    return ZIPNN_OK;
}

zipnn_status zn_head_word(struct zn_tensor_file *f, const char *word, zipnn_error *err) {
    return add(f, word, strlen(word), err);
}

zipnn_status zn_head_text(struct zn_tensor_file *f, const struct zn_old_text *text, zipnn_error *err) {
    return add(f, text->at, text->len, err);
}

zipnn_status zn_head_number(struct zn_tensor_file *f, uint64_t value, zipnn_error *err) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return zn_head_word(f, text, err);
}

zipnn_status zn_head_begin(struct zn_tensor_file *f, zipnn_error *err) {
    f->head_len = 0;
    return add(f, "\0\0\0\0\0\0\0\0{", LENGTH_BYTES + 1, err);
}

zipnn_status zn_head_metadata(struct zn_tensor_file *f, zipnn_error *err) {
    for (size_t i = 0; i < f->n_metadata; i++) {
        if (i) ZN_TRY(zn_head_word(f, i % 2 ? ":" : ",", err));
        ZN_TRY(zn_head_text(f, &f->metadata[i], err));
    }
    return ZIPNN_OK;
}

zipnn_status zn_head_plain_type(struct zn_tensor_file *f, const struct zn_old_tensor *t, zipnn_error *err) {
    ZN_TRY(zn_head_word(f, "{\"dtype\":", err));
    ZN_TRY(zn_head_text(f, &t->dtype, err));
    ZN_TRY(zn_head_word(f, ",\"shape\":", err));
    return zn_head_text(f, &t->shape, err);
}

zipnn_status zn_head_offsets(struct zn_tensor_file *f, uint64_t begin, uint64_t end, zipnn_error *err) {
    ZN_TRY(zn_head_word(f, ",\"data_offsets\":[", err));
    ZN_TRY(zn_head_number(f, begin, err));
    ZN_TRY(zn_head_word(f, ",", err));
    ZN_TRY(zn_head_number(f, end, err));
    return zn_head_word(f, "]}", err);
}

zipnn_status zn_head_end(struct zn_tensor_file *f, zipnn_error *err) {
    ZN_TRY(zn_head_word(f, "}", err));
    while (f->head_len % ALIGN) ZN_TRY(zn_head_word(f, " ", err));
    zn_put_u64(f->head, f->head_len - LENGTH_BYTES);
    return ZIPNN_OK;
}
