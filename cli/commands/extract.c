/* Writes tensors of a model, or rows of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/commands.h"
#include "commands/npz_file.h"
#include "commands/numpy_file.h"
#include "commands/parts.h"
#include "commands/safetensors_file.h"
#include "commands/widen.h"
#include "shared/cli_fail.h"
#include "shared/json_writer.h"
#include "shared/open_archive.h"
#include "shared/output.h"
#include "shared/results.h"
#include "shared/run_report.h"
#include "shared/text.h"

static bool is_array(enum form form) {
    return form == NUMPY || form == NUMPY_ZIP;
}

static bool is_whole(const struct part *part) {
    return part->tensor.rank == 0 || part->n == part->tensor.shape[0];
}

/* A column-major array keeps its order if the whole tensor is asked for. */
static bool keeps_columns(const struct part *part, enum form form) {
    const unsigned lazy = ZIPNN_TENSOR_CONJUGATE | ZIPNN_TENSOR_NEGATIVE;
    return is_array(form) && !part->widened && (part->layout.flags & ZIPNN_TENSOR_COLUMN_MAJOR) &&
           !(part->layout.flags & lazy) && part->tensor.rank > 1 && is_whole(part);
}

/* What is written of one model. */
struct extraction {
    struct run *run;
    const char *input;
    struct opened from;
    struct parts parts;
    enum form form;
    struct npy_shape shape; /* of the array that is written */
    bool told;              /* the user knows what the output has otherwise than the file */
};

/* Tells that, once. */
static void explain(struct extraction *x, const struct part *part) {
    const bool big = part->layout.flags & ZIPNN_TENSOR_BIG_ENDIAN,
               columns = part->layout.flags & ZIPNN_TENSOR_COLUMN_MAJOR;
    const bool bits = is_array(x->form) && !x->shape.exact,
               order = x->form == VALUES && (big || columns) && !part->widened;
    if (x->run->args->verbosity < 0 || x->told || (!bits && !order)) return;
    x->told = true;
    if (bits)
        fprintf(stderr, "zipnn: numpy has no %s: the array holds the same bits as %s\n",
                zipnn_dtype_name(part->tensor.dtype), x->shape.type_name);
    else
        fprintf(stderr, "zipnn: the values are written row after row, little-endian; the file has them %s%s%s\n",
                big ? "big-endian" : "", big && columns ? " and " : "", columns ? "in columns" : "");
}

/* A sink that reverses the bytes of each element, for a header that promises big-endian values. */
struct turning {
    struct output *out;
    unsigned unit; /* bytes that are reversed together */
};

static zipnn_status turn(void *user, const void *buf, size_t len, zipnn_error *err) {
    const struct turning *t = user;
    const unsigned char *bytes = buf;
    unsigned char turned[1 << 14];
    zipnn_status st = ZIPNN_OK;
    for (size_t n; len > 0 && st == ZIPNN_OK; bytes += n, len -= n) {
        n = len < sizeof turned ? len : sizeof turned;
        for (size_t i = 0; i < n; i++) turned[i] = bytes[i - i % t->unit + t->unit - 1 - i % t->unit];
        st = output_put(t->out, turned, n, err);
    }
    return st;
}

static unsigned unit_of(zipnn_dtype dtype) {
    zipnn_dtype_info info = {.size = sizeof info};
    if (zipnn_dtype_describe(dtype, &info, NULL) != ZIPNN_OK) return 1;
    return info.bits / (strcmp(info.kind, "complex") == 0 ? 16 : 8);
}

static zipnn_status put_values(struct extraction *x, struct output *out, const struct part *part, zipnn_error *err) {
    zipnn_archive *archive = x->from.archive;
    struct turning turning = {out, unit_of(part->tensor.dtype)};
    const zipnn_sink turned = {.write = turn, .user = &turning};
    const bool big = is_array(x->form) && x->shape.descr[0] == '>';
    struct widening widening = {.to = out, .from = part->stored_as};
    const zipnn_sink widened = {.write = widen_write, .user = &widening};
    const zipnn_sink *to = part->widened ? &widened : big ? &turned : &out->sink;
    explain(x, part);
    if (keeps_columns(part, x->form))
        return output_put_range(out, archive, part->tensor.offset, part->tensor.length, err);
    return zipnn_archive_write_rows(archive, part->index, part->first, part->n, to, err);
}

/* Describes the array that a part becomes, and makes its header. */
static size_t make_header(struct extraction *x, const struct part *part, char header[NPY_MAX_HEADER]) {
    zipnn_tensor_layout layout = part->layout;
    if (part->widened) layout.flags &= ~(unsigned)ZIPNN_TENSOR_BIG_ENDIAN;
    x->shape = npy_shape_of(&part->tensor, &layout, part->n, part->length);
    x->shape.in_columns = keeps_columns(part, x->form);
    return npy_header(&x->shape, header);
}

static zipnn_status add_crc(void *user, const void *buf, size_t len, zipnn_error *err) {
    uint32_t *crc = user;
    (void)err;
    *crc = crc32_of(*crc, buf, len);
    return ZIPNN_OK;
}

/* The CRC of an array stands before it, so its values are decoded twice. */
static zipnn_status put_zipped(struct extraction *x, struct npz *z, const struct part *part, zipnn_error *err) {
    char header[NPY_MAX_HEADER];
    const size_t len = make_header(x, part, header);
    uint32_t crc = crc32_of(0, header, len);
    struct output nowhere = {.sink = {.write = add_crc, .user = &crc}};
    zipnn_status st = put_values(x, &nowhere, part, err);
    if (st == ZIPNN_OK) st = npz_put_entry(z, part->tensor.name, crc, len + part->length, err);
    if (st == ZIPNN_OK) st = output_put(z->out, header, len, err);
    return st == ZIPNN_OK ? put_values(x, z->out, part, err) : st;
}

static zipnn_status put_zip(struct extraction *x, struct output *out, const struct part *part, size_t n,
                            zipnn_error *err) {
    struct npz z = {.out = out};
    zipnn_status st = ZIPNN_OK;
    for (size_t i = 0; i < n && st == ZIPNN_OK; i++) st = put_zipped(x, &z, &part[i], err);
    if (st == ZIPNN_OK) st = npz_end(&z, err);
    npz_free(&z);
    return st;
}

static zipnn_status put_parts(struct extraction *x, struct output *out, const struct part *part, size_t n,
                              zipnn_error *err) {
    char header[NPY_MAX_HEADER];
    if (x->form == NUMPY_ZIP) return put_zip(x, out, part, n, err);
    const size_t len = make_header(x, part, header);
    zipnn_status st = x->form == SAFETENSORS ? safetensors_put_head(out, part, n, err)
                      : x->form == NUMPY     ? output_put(out, header, len, err)
                                             : ZIPNN_OK;
    for (size_t i = 0; i < n && st == ZIPNN_OK; i++) st = put_values(x, out, &part[i], err);
    return st;
}

/* Writes `n` parts, of which only some forms take more than one, to `path`, NULL for standard output. */
static zipnn_status write_file(struct extraction *x, const char *path, const struct part *part, size_t n,
                               zipnn_error *err) {
    struct output out;
    zipnn_status st = x->form == SAFETENSORS ? safetensors_check(part, n, err) : ZIPNN_OK;
    if (st == ZIPNN_OK) st = output_open(x->run, path, x->input, x->from.file, &out, err);
    return st == ZIPNN_OK ? output_end(&out, put_parts(x, &out, part, n, err), err) : st;
}

static void put_json_part(const char *path, const char *output, const struct part *part) {
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(path));
    json_name(&j, "output", output);
    json_text(&j, "tensor", part->tensor.name);
    json_text(&j, "dtype", zipnn_dtype_name(part->tensor.dtype));
    if (part->widened) json_text(&j, "stored_dtype", zipnn_dtype_name(part->stored_as));
    json_number(&j, "offset", part->offset);
    json_number(&j, "length", part->length);
    json_line_end(&j);
}

/* Writes one array into the folder. Two tensors may have one name, or names that the file system takes for one. */
static zipnn_status write_array(struct extraction *x, const char *path, const struct part *part, zipnn_error *err) {
    if (touched_is_result(&x->run->touched, path))
        return cli_fail(err, ZIPNN_E_ARGUMENT, "another tensor was written to %.150s: ask for one of them", path);
    const zipnn_status st = write_file(x, path, part, 1, err);
    if (st != ZIPNN_OK) return st;
    touched_result(&x->run->touched, path);
    if (x->run->args->json) put_json_part(x->input, path, part);
    return st;
}

static zipnn_status write_folder(struct extraction *x, const char *folder, zipnn_error *err) {
    zipnn_status st = make_folders_to(folder, err);
    for (size_t i = 0; i < x->parts.n && st == ZIPNN_OK; i++) {
        char *path = npy_name(folder, x->parts.part[i].tensor.name);
        st = write_array(x, path, &x->parts.part[i], err);
        free(path);
    }
    return st;
}

/* Announces what is going to be read. Of values that are no run of bytes that is the whole tensor; of those in pieces
 * nobody knows where they lie. */
static void expect_parts(const struct extraction *x) {
    const unsigned turned = ZIPNN_TENSOR_COLUMN_MAJOR | ZIPNN_TENSOR_STRIDED;
    for (size_t i = 0; i < x->parts.n; i++) {
        const struct part *part = &x->parts.part[i];
        if (part->layout.flags & ZIPNN_TENSOR_IN_PIECES) continue;
        if (part->layout.flags & turned)
            opened_expect(&x->from, part->tensor.offset, part->tensor.length);
        else
            opened_expect(&x->from, part->offset,
                          part->widened ? part->length / 4 * widen_unit(part->stored_as) : part->length);
    }
}

static zipnn_status write_parts(struct extraction *x, zipnn_error *err) {
    const char *output = x->run->args->output;
    const struct parts *parts = &x->parts;
    zipnn_status st = parts_form(output, &x->form, err);
    if (st == ZIPNN_OK) st = run_check_limit(x->run, parts->length, err);
    if (st != ZIPNN_OK) return st;
    expect_parts(x);
    if (output && output[strlen(output) - 1] == '/') return write_folder(x, output, err);
    if (parts->n > 1 && x->form != SAFETENSORS && x->form != NUMPY_ZIP)
        return cli_fail(
            err, ZIPNN_E_ARGUMENT,
            "%zu tensors are asked for: -o NAME.safetensors or NAME.npz takes them all, -o DIR/ an array for each",
            parts->n);
    st = write_file(x, output, parts->part, parts->n, err);
    for (size_t i = 0; i < parts->n && st == ZIPNN_OK && x->run->args->json && output; i++)
        put_json_part(x->input, output, &parts->part[i]);
    return st;
}

/* --as f32: each part is written as fp32. Types are refused whose values fp32 does not hold, or that hold no values but
 * blocks of them. */
static zipnn_status widen_all(struct parts *parts, zipnn_error *err) {
    parts->length = 0;
    for (size_t i = 0; i < parts->n; i++) {
        struct part *part = &parts->part[i];
        const size_t unit = widen_unit(part->tensor.dtype);
        if (!unit)
            return cli_fail(
                err, ZIPNN_E_ARGUMENT,
                "tensor \"%.80s\" is %s: --as f32 takes bf16, fp16, fp32, fp8_e4m3 and fp8_e5m2, whose values fp32 "
                "holds exactly",
                part->tensor.name, zipnn_dtype_name(part->tensor.dtype));
        const uint64_t n = part->length / unit;
        if (n > (UINT64_MAX - parts->length) / 4)
            return cli_fail(err, ZIPNN_E_LIMIT, "the values have 2^64 bytes and more");
        part->widened = true;
        part->stored_as = part->tensor.dtype;
        part->tensor.dtype = ZIPNN_F32;
        part->length = 4 * n;
        parts->length += part->length;
    }
    return ZIPNN_OK;
}

void extract_file(struct run *run, const char *path) {
    struct extraction x = {.run = run, .input = path};
    zipnn_error err;
    zipnn_status st = opened_open(run, path, OPENED_PLAIN, &x.from, &err);
    if (st == ZIPNN_OK) st = parts_find(run, x.from.archive, &x.parts, &err);
    if (st == ZIPNN_OK && run->args->widen) st = widen_all(&x.parts, &err);
    if (st == ZIPNN_OK) st = write_parts(&x, &err);
    if (st != ZIPNN_OK) run_report_failure(run, path, &err);
    parts_free(&x.parts);
    opened_close(&x.from);
}
