#include "legacy/tensor_file.h"

#include <stdlib.h>

enum {
    LENGTH_BYTES = 8,         /* bytes of the header's length at the start of the file */
    MAX_HEADER = 100 << 20,   /* what the safetensors library allows, and a little more */
    COPY = ZN_HUFF0_MAX_BLOCK /* bytes of a plain tensor that are passed on at once */
};

/* ---- the file */

static int compare_places(const void *a, const void *b) {
    const struct zn_old_tensor *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return (x->len > y->len) - (x->len < y->len);
}

/* Reads the header's text; *found is false when there is none. */
static zipnn_status read_text(const zipnn_source *source, struct zn_tensor_file *f, bool *found, zipnn_error *err) {
    uint8_t length[LENGTH_BYTES + 1];
    *found = false;
    if (source->length < sizeof length) return ZIPNN_OK;
    ZN_TRY(zn_old_read(source, 0, length, sizeof length, err));
    const uint64_t len = zn_get_u64(length);
    if (len < 2 || len > MAX_HEADER || len > source->length - LENGTH_BYTES || length[LENGTH_BYTES] != '{')
        return ZIPNN_OK;
    f->text_len = (size_t)len;
    f->text = zn_alloc(&f->alloc, f->text_len);
    if (!f->text) return zn_fail(err, ZIPNN_E_MEMORY, 0, "out of memory: a header of %zu bytes", f->text_len);
    *found = true;
    return zn_old_read(source, LENGTH_BYTES, f->text, f->text_len, err);
}

/* Finds out whether the tensor is a record that fills it, and its restored length. A fault that is not in its bytes is
 * returned. */
static zipnn_status probe(const zipnn_source *source, struct zn_old_tensor *t, zipnn_error *err) {
    struct zn_old_record r;
    uint8_t first[2];
    t->original = t->len;
    const bool bytes = t->one_dim && t->dtype.len == 4 && memcmp(t->dtype.at, "\"U8\"", 4) == 0;
    if (!bytes || t->len < ZN_OLD_HEADER || t->at > source->length || t->len > source->length - t->at) return ZIPNN_OK;
    ZN_TRY(zn_old_read(source, t->at, first, sizeof first, err));
    if (!zn_old_record_begins(first, sizeof first)) return ZIPNN_OK;
    zipnn_status status = zn_old_record_open(source, t->at, t->at + t->len, &r, err);
    t->coded = status == ZIPNN_OK && r.len == t->len && r.has_shape && !r.delta;
    if (t->coded) t->original = r.original;
    return status == ZIPNN_E_IO || status == ZIPNN_E_MEMORY ? status : ZIPNN_OK;
}

/* Checks that tensors lie back to back and fill the file. */
static zipnn_status check_places(const zipnn_source *source, const struct zn_tensor_file *f, zipnn_error *err) {
    uint64_t at = LENGTH_BYTES + f->text_len;
    for (size_t i = 0; i < f->n_tensors; i++) {
        const struct zn_old_tensor *t = &f->tensors[i];
        if (t->at != at)
            return zn_fail(err, ZIPNN_E_CORRUPT, at, "tensor %zu does not begin where the one before it ends", i);
        if (!zn_add(at, t->len, &at) || at > source->length)
            return zn_fail(err, ZIPNN_E_TRUNCATED, source->length, "tensor %zu ends past the end of the file", i);
    }
    if (at != source->length)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "%llu bytes follow the last tensor",
                       (unsigned long long)(source->length - at));
    return ZIPNN_OK;
}

zipnn_status zn_tensor_file_arrange(const zipnn_source *source, struct zn_tensor_file *f, zipnn_error *err) {
    if (f->n_tensors) qsort(f->tensors, f->n_tensors, sizeof f->tensors[0], compare_places);
    return check_places(source, f, err);
}

/* ---- the restored header */

/* Appends the type and shape that the record has. */
static zipnn_status append_type(struct zn_tensor_file *f, const zipnn_source *source, const struct zn_old_tensor *t,
                                zipnn_error *err) {
    static const struct {
        zipnn_dtype dtype;
        const char *start;
    } starts[] = {{ZIPNN_F32, "{\"dtype\":\"F32\",\"shape\":["},
                  {ZIPNN_BF16, "{\"dtype\":\"BF16\",\"shape\":["},
                  {ZIPNN_F16, "{\"dtype\":\"F16\",\"shape\":["},
                  {ZIPNN_F8_E4M3, "{\"dtype\":\"F8_E4M3\",\"shape\":["},
                  {ZIPNN_F8_E5M2, "{\"dtype\":\"F8_E5M2\",\"shape\":["}};
    struct zn_old_record r;
    ZN_TRY(zn_old_record_open(source, t->at, t->at + t->len, &r, err));
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (starts[i].dtype == r.dtype) ZN_TRY(zn_head_word(f, starts[i].start, err));
    for (uint32_t i = 0; i < r.rank; i++) {
        if (i) ZN_TRY(zn_head_word(f, ",", err));
        ZN_TRY(zn_head_number(f, r.dims[i], err));
    }
    return zn_head_word(f, "]", err);
}

static zipnn_status append_tensor(struct zn_tensor_file *f, const zipnn_source *source, const struct zn_old_tensor *t,
                                  uint64_t begin, zipnn_error *err) {
    ZN_TRY(zn_head_text(f, &t->name, err));
    ZN_TRY(zn_head_word(f, ":", err));
    if (t->coded)
        ZN_TRY(append_type(f, source, t, err));
    else
        ZN_TRY(zn_head_plain_type(f, t, err));
    return zn_head_offsets(f, begin, begin + t->original, err);
}

static zipnn_status write_head(struct zn_tensor_file *f, const zipnn_source *source, zipnn_error *err) {
    uint64_t begin = 0;
    ZN_TRY(zn_head_begin(f, err));
    if (f->n_metadata) {
        ZN_TRY(zn_head_word(f, "\"__metadata__\":{", err));
        ZN_TRY(zn_head_metadata(f, err));
        ZN_TRY(zn_head_word(f, f->n_tensors ? "}," : "}", err));
    }
    for (size_t i = 0; i < f->n_tensors; i++) {
        struct zn_old_tensor *t = &f->tensors[i];
        if (i) ZN_TRY(zn_head_word(f, ",", err));
        t->off = begin;
        if (!zn_add(begin, t->original, &begin) || begin > INT64_MAX)
            return zn_fail(err, ZIPNN_E_LIMIT, t->at, "the tensors restore to more bytes than a file can have");
        ZN_TRY(append_tensor(f, source, t, t->off, err));
    }
    ZN_TRY(zn_head_end(f, err));
    for (size_t i = 0; i < f->n_tensors; i++) f->tensors[i].off += f->head_len;
    f->original = f->head_len + begin;
    return ZIPNN_OK;
}

static zipnn_status find_records(const zipnn_source *source, struct zn_tensor_file *f, bool *found, zipnn_error *err) {
    size_t n = 0;
    for (size_t i = 0; i < f->n_tensors; i++) {
        ZN_TRY(probe(source, &f->tensors[i], err));
        n += f->tensors[i].coded;
    }
    *found = f->listed || n > 0;
    if (!*found) return ZIPNN_OK;
    ZN_TRY(zn_tensor_file_arrange(source, f, err));
    if (f->listed && f->n_listed != n)
        return zn_fail(err, ZIPNN_E_CORRUPT, LENGTH_BYTES,
                       "the metadata lists %zu compressed tensors, %zu hold an old record", f->n_listed, n);
    return write_head(f, source, err);
}

zipnn_status zn_tensor_file_parse(const zipnn_allocator *alloc, const zipnn_source *source, struct zn_tensor_file *f,
                                  bool *found, zipnn_error *err) {
    memset(f, 0, sizeof *f);
    f->alloc = *alloc;
    zipnn_status status = read_text(source, f, found, err);
    if (status == ZIPNN_OK && *found) *found = zn_tensor_header_read(f, &status, err);
    for (size_t i = 0; *found && i < f->n_tensors; i++)
        *found = zn_add(f->tensors[i].at, LENGTH_BYTES + f->text_len, &f->tensors[i].at);
    if (status != ZIPNN_OK || !*found) zn_tensor_file_free(f);
    return status;
}

zipnn_status zn_tensor_file_open(const zipnn_allocator *alloc, const zipnn_source *source, struct zn_tensor_file *f,
                                 bool *found, zipnn_error *err) {
    ZN_TRY(zn_tensor_file_parse(alloc, source, f, found, err));
    if (!*found) return ZIPNN_OK;
    zipnn_status status = find_records(source, f, found, err);
    if (status != ZIPNN_OK || !*found) zn_tensor_file_free(f);
    return status;
}

void zn_tensor_file_free(struct zn_tensor_file *f) {
    if (!f->alloc.alloc) return;
    zn_free(&f->alloc, f->text);
    zn_free(&f->alloc, f->metadata);
    zn_free(&f->alloc, f->tensors);
    zn_free(&f->alloc, f->head);
    memset(f, 0, sizeof *f);
}

/* ---- restoring */

/* Passes on the bytes of a record, with their place in the file. */
struct moved {
    const struct zn_old_taker *taker;
    uint64_t off;
};

static zipnn_status take_moved(void *arg, uint64_t off, uint8_t *bytes, size_t len, zipnn_error *err) {
    const struct moved *m = arg;
    return m->taker->take(m->taker->arg, m->off + off, bytes, len, err);
}

static zipnn_status copy_plain(const zipnn_source *source, const struct zn_old_tensor *t, uint64_t from, uint64_t to,
                               struct zn_old_work *work, const struct zn_old_taker *taker, zipnn_error *err) {
    for (uint64_t done = from; done < to;) {
        const size_t n = (size_t)ZN_MIN(to - done, (uint64_t)COPY);
        ZN_TRY(zn_old_read(source, t->at + done, work->piece, n, err));
        ZN_TRY(taker->take(taker->arg, t->off + done, work->piece, n, err));
        done += n;
    }
    return ZIPNN_OK;
}

static zipnn_status restore_tensor(const zipnn_source *source, const struct zn_old_tensor *t, uint64_t from,
                                   uint64_t to, struct zn_old_work *work, const struct zn_old_taker *taker,
                                   zipnn_error *err) {
    struct zn_old_record r;
    struct moved moved = {taker, t->off};
    const struct zn_old_taker mover = {take_moved, &moved};
    if (!t->coded) return copy_plain(source, t, from, to, work, taker, err);
    ZN_TRY(zn_old_record_open(source, t->at, t->at + t->len, &r, err));
    return zn_old_record_restore(source, &r, from, to, work, &mover, err);
}

/* Restores the header in pieces, because a taker may change what it is given. */
static zipnn_status restore_head(const struct zn_tensor_file *f, uint64_t from, uint64_t to, struct zn_old_work *work,
                                 const struct zn_old_taker *taker, zipnn_error *err) {
    for (uint64_t done = from; done < ZN_MIN(to, (uint64_t)f->head_len);) {
        const size_t n = (size_t)ZN_MIN(f->head_len - done, (uint64_t)COPY);
        memcpy(work->piece, f->head + done, n);
        ZN_TRY(taker->take(taker->arg, done, work->piece, n, err));
        done += n;
    }
    return ZIPNN_OK;
}

zipnn_status zn_tensor_file_restore(const zipnn_source *source, const struct zn_tensor_file *f, uint64_t from,
                                    uint64_t to, struct zn_old_work *work, const struct zn_old_taker *taker,
                                    zipnn_error *err) {
    ZN_TRY(restore_head(f, from, to, work, taker, err));
    for (size_t i = 0; i < f->n_tensors; i++) {
        const struct zn_old_tensor *t = &f->tensors[i];
        const uint64_t begin = ZN_MAX(from, t->off), end = ZN_MIN(to, t->off + t->original);
        if (begin < end) ZN_TRY(restore_tensor(source, t, begin - t->off, end - t->off, work, taker, err));
    }
    return ZIPNN_OK;
}
