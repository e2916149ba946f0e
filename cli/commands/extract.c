#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "commands/commands.h"
#include "commands/numpy_file.h"
#include "commands/safetensors_file.h"
#include "line/nearest.h"
#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/json_writer.h"
#include "shared/open_archive.h"
#include "shared/output.h"
#include "shared/run_report.h"
#include "shared/text.h"

enum form { VALUES, NUMPY, SAFETENSORS };

/* Part of a tensor. */
struct part {
    uint64_t index; /* of the tensor */
    zipnn_tensor_info tensor;
    zipnn_tensor_layout layout;
    struct npy_shape shape;  /* of the part */
    uint64_t first, n;       /* rows */
    uint64_t offset, length; /* offset of the first value in the original; bytes of the values */
    enum form form;
};

/* ---- what is asked for ------------------------------------------------------------------------------------------- */

static bool ends_with(const char *path, const char *end) {
    const size_t len = strlen(path), n = strlen(end);
    return len > n && strcasecmp(path + len - n, end) == 0;
}

/* If the name of the output promises a container, the output is that container, or nothing is written. */
static zipnn_status choose_form(const char *path, enum form *form, zipnn_error *err) {
    static const char *const others[] = {".zip", ".pkl", ".pickle", ARCHIVE_SUFFIX};
    *form = VALUES;
    if (!path || ends_with(path, ".bin")) return ZIPNN_OK;
    if (ends_with(path, ".npy")) *form = NUMPY;
    if (ends_with(path, ".safetensors")) *form = SAFETENSORS;
    bool promises = *form == VALUES && filename_is_model(path);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) promises |= ends_with(path, others[i]);
    if (!promises) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_ARGUMENT,
                    "extract writes no %s file: name the output .npy or .safetensors, or anything else (.bin) for "
                    "the bytes of the values alone",
                    strrchr(path, '.'));
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
    while (b) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Computes the bytes of the first n of `rows` rows, which take `all` bytes. Returns false if they end inside a byte. */
static bool bytes_of_rows(uint64_t all, uint64_t rows, uint64_t n, uint64_t *bytes) {
    *bytes = 0;
    if (rows == 0 || n == 0) return true;
    const uint64_t divisor = common_divisor(all, rows);
    if (n % (rows / divisor) != 0) return false;
    *bytes = n / (rows / divisor) * (all / divisor);
    return true;
}

static zipnn_status find_rows(const struct run *run, struct part *part, zipnn_error *err) {
    const struct span *rows = &run->args->rows;
    const zipnn_tensor_info *t = &part->tensor;
    const uint64_t all = t->rank ? t->shape[0] : 1;
    const uint64_t first = rows->given ? rows->first : 0, end = rows->given && !rows->open ? rows->end : all;
    uint64_t before, through;
    if (first > end || end > all)
        return cli_fail(err, ZIPNN_E_NOT_FOUND, "rows %" PRIu64 " to %" PRIu64 " of a tensor of %" PRIu64, first, end,
                        all);
    if (!bytes_of_rows(part->layout.values, all, first, &before) ||
        !bytes_of_rows(part->layout.values, all, end, &through))
        return cli_fail(err, ZIPNN_E_ARGUMENT,
                        "rows %" PRIu64 " to %" PRIu64 " of %" PRIu64 " begin or end inside a byte: a row has %g bits",
                        first, end, all, 8 * (double)part->layout.values / (double)all);
    const bool run_of_bytes =
        !(part->layout.flags & (ZIPNN_TENSOR_COLUMN_MAJOR | ZIPNN_TENSOR_STRIDED | ZIPNN_TENSOR_IN_PIECES));
    part->first = first;
    part->n = end - first;
    part->offset = t->offset + (run_of_bytes ? before : 0);
    part->length = through - before;
    part->shape = npy_shape_of(t, &part->layout, part->n, part->length);
    return ZIPNN_OK;
}

/* No tensor has that name: the message names the most similar one. */
static zipnn_status name_nearest(const zipnn_archive *archive, const char *name, zipnn_error *err) {
    zipnn_archive_info info;
    zipnn_tensor_info t;
    struct nearest near = nearest_to(name);
    zipnn_archive_get_info(archive, &info);
    for (uint64_t i = 0; i < info.n_tensors; i++)
        if (zipnn_archive_tensor(archive, i, &t, NULL) == ZIPNN_OK) nearest_try(&near, t.name);
    if (info.n_tensors == 0)
        return cli_fail(err, ZIPNN_E_NOT_FOUND, "has no tensors: the original is not a model file that zipnn knows");
    if (!near.best)
        return cli_fail(err, ZIPNN_E_NOT_FOUND, "no tensor is named \"%.80s\"; zipnn -lv lists the names", name);
    return cli_fail(err, ZIPNN_E_NOT_FOUND,
                    "no tensor is named \"%.60s\"; the nearest name is \"%.80s\"; zipnn -lv lists all", name,
                    near.best);
}

static zipnn_status find_part(const struct run *run, zipnn_archive *archive, struct part *part, zipnn_error *err) {
    *part = (struct part){.layout = {.size = sizeof part->layout}};
    zipnn_status st = choose_form(run->args->output, &part->form, err);
    if (st == ZIPNN_OK) st = zipnn_archive_find(archive, run->args->tensor, &part->index, err);
    if (st == ZIPNN_E_NOT_FOUND) return name_nearest(archive, run->args->tensor, err);
    if (st == ZIPNN_OK) st = zipnn_archive_tensor(archive, part->index, &part->tensor, err);
    if (st == ZIPNN_OK) st = zipnn_archive_tensor_layout(archive, part->index, &part->layout, err);
    if (st == ZIPNN_OK && (part->layout.flags & ZIPNN_TENSOR_FILTERED)) /* reports it before anything is written */
        st = zipnn_archive_read_rows(archive, part->index, 0, 0, NULL, 0, err);
    return st == ZIPNN_OK ? find_rows(run, part, err) : st;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool is_whole(const struct part *part) {
    return part->tensor.rank == 0 || part->n == part->tensor.shape[0];
}

/* A column-major array keeps its order if the whole tensor is asked for. */
static bool keeps_columns(const struct part *part) {
    const unsigned lazy = ZIPNN_TENSOR_CONJUGATE | ZIPNN_TENSOR_NEGATIVE;
    return part->form == NUMPY && (part->layout.flags & ZIPNN_TENSOR_COLUMN_MAJOR) && !(part->layout.flags & lazy) &&
           part->tensor.rank > 1 && is_whole(part);
}

/* Tells what the output has otherwise than the file. */
static void explain(const struct run *run, const struct part *part) {
    if (run->args->verbosity < 0) return;
    if (part->form == NUMPY && !part->shape.exact)
        fprintf(stderr, "zipnn: numpy has no %s: the array holds the same bits as %s\n",
                zipnn_dtype_name(part->tensor.dtype), part->shape.type_name);
    const bool big = part->layout.flags & ZIPNN_TENSOR_BIG_ENDIAN,
               columns = part->layout.flags & ZIPNN_TENSOR_COLUMN_MAJOR;
    if (part->form == VALUES && (big || columns))
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

static zipnn_status put_values(struct output *out, zipnn_archive *archive, const struct part *part, zipnn_error *err) {
    struct turning turning = {out, unit_of(part->tensor.dtype)};
    const zipnn_sink turned = {.write = turn, .user = &turning};
    const bool big = part->form == NUMPY && part->shape.descr[0] == '>';
    if (keeps_columns(part)) return output_put_range(out, archive, part->tensor.offset, part->tensor.length, err);
    return zipnn_archive_write_rows(archive, part->index, part->first, part->n, big ? &turned : &out->sink, err);
}

static zipnn_status put_head(struct output *out, const struct part *part, zipnn_error *err) {
    char header[NPY_MAX_HEADER];
    if (part->form == SAFETENSORS) return safetensors_put_head(out, &part->tensor, part->n, part->length, err);
    return part->form == NUMPY ? output_put(out, header, npy_header(&part->shape, header), err) : ZIPNN_OK;
}

static zipnn_status write_part(struct run *run, const char *path, const struct opened *o, struct part *part,
                               zipnn_error *err) {
    struct output out;
    zipnn_status st = run_check_limit(run, part->length, err);
    if (st == ZIPNN_OK && part->form == SAFETENSORS) st = safetensors_check(&part->tensor, part->n, err);
    if (st != ZIPNN_OK) return st;
    part->shape.in_columns = keeps_columns(part);
    st = output_open(run, run->args->output, path, o->file, &out, err);
    if (st == ZIPNN_OK) st = put_head(&out, part, err);
    if (st == ZIPNN_OK) explain(run, part);
    if (st == ZIPNN_OK) st = put_values(&out, o->archive, part, err);
    return output_end(&out, st, err);
}

static void put_json_part(const struct run *run, const char *path, const struct part *part) {
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(path));
    json_name(&j, "output", run->args->output);
    json_text(&j, "tensor", part->tensor.name);
    json_text(&j, "dtype", zipnn_dtype_name(part->tensor.dtype));
    json_number(&j, "offset", part->offset);
    json_number(&j, "length", part->length);
    json_line_end(&j);
}

void extract_file(struct run *run, const char *path) {
    struct opened o;
    struct part part;
    zipnn_error err;
    zipnn_status st = opened_open(run, path, OPENED_PLAIN, &o, &err);
    if (st == ZIPNN_OK) st = find_part(run, o.archive, &part, &err);
    if (st == ZIPNN_OK) st = write_part(run, path, &o, &part, &err);
    if (st != ZIPNN_OK)
        run_report_failure(run, path, &err);
    else if (run->args->json && run->args->output)
        put_json_part(run, path, &part);
    opened_close(&o);
}

static void put_json_range(const struct run *run, const char *path, uint64_t offset, uint64_t length) {
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(path));
    json_name(&j, "output", run->args->output);
    json_number(&j, "offset", offset);
    json_number(&j, "length", length);
    json_line_end(&j);
}

static zipnn_status cat_range(struct run *run, const char *path, const struct opened *o, zipnn_error *err) {
    const struct span *range = &run->args->range;
    zipnn_archive_info info;
    zipnn_archive_get_info(o->archive, &info);
    const uint64_t first = range->given ? range->first : 0;
    const uint64_t end = !range->given || range->open ? info.original : range->end;
    if (first > end || end > info.original)
        return cli_fail(err, ZIPNN_E_NOT_FOUND, "bytes %" PRIu64 " to %" PRIu64 " of an original of %" PRIu64, first,
                        end, info.original);
    struct output out;
    zipnn_status st = run_check_limit(run, end - first, err);
    if (st != ZIPNN_OK) return st;
    st = output_open(run, run->args->output, path, o->file, &out, err);
    if (st == ZIPNN_OK) st = output_put_range(&out, o->archive, first, end - first, err);
    st = output_end(&out, st, err);
    if (st == ZIPNN_OK && run->args->json) put_json_range(run, path, first, end - first);
    return st;
}

void cat_file(struct run *run, const char *path) {
    struct opened o;
    zipnn_error err;
    zipnn_status st = opened_open(run, path, OPENED_ARCHIVE, &o, &err);
    if (st == ZIPNN_OK) st = cat_range(run, path, &o, &err);
    if (st != ZIPNN_OK) run_report_failure(run, path, &err);
    opened_close(&o);
}
