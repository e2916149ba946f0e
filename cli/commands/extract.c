/* Writes tensors of a model, or rows of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/commands.h"
#include "commands/numpy_file.h"
#include "commands/parts.h"
#include "commands/safetensors_file.h"
#include "shared/cli_fail.h"
#include "shared/json_writer.h"
#include "shared/open_archive.h"
#include "shared/output.h"
#include "shared/results.h"
#include "shared/run_report.h"
#include "shared/text.h"

static bool is_whole(const struct part *part) {
    return part->tensor.rank == 0 || part->n == part->tensor.shape[0];
}

/* A column-major array keeps its order if the whole tensor is asked for. */
static bool keeps_columns(const struct part *part, enum form form) {
    const unsigned lazy = ZIPNN_TENSOR_CONJUGATE | ZIPNN_TENSOR_NEGATIVE;
    return form == NUMPY && (part->layout.flags & ZIPNN_TENSOR_COLUMN_MAJOR) && !(part->layout.flags & lazy) &&
           part->tensor.rank > 1 && is_whole(part);
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
    const bool bits = x->form == NUMPY && !x->shape.exact, order = x->form == VALUES && (big || columns);
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
    const bool big = x->form == NUMPY && x->shape.descr[0] == '>';
    explain(x, part);
    if (keeps_columns(part, x->form))
        return output_put_range(out, archive, part->tensor.offset, part->tensor.length, err);
    return zipnn_archive_write_rows(archive, part->index, part->first, part->n, big ? &turned : &out->sink, err);
}

/* Writes `n` parts, of which only a safetensors file takes more than one, to `path`, NULL for standard output. */
static zipnn_status write_file(struct extraction *x, const char *path, const struct part *part, size_t n,
                               zipnn_error *err) {
    char header[NPY_MAX_HEADER];
    struct output out;
    zipnn_status st = x->form == SAFETENSORS ? safetensors_check(part, n, err) : ZIPNN_OK;
    if (st == ZIPNN_OK) st = output_open(x->run, path, x->input, x->from.file, &out, err);
    if (st != ZIPNN_OK) return st;
    x->shape = npy_shape_of(&part->tensor, &part->layout, part->n, part->length);
    x->shape.in_columns = keeps_columns(part, x->form);
    if (x->form == SAFETENSORS) st = safetensors_put_head(&out, part, n, err);
    if (x->form == NUMPY) st = output_put(&out, header, npy_header(&x->shape, header), err);
    for (size_t i = 0; i < n && st == ZIPNN_OK; i++) st = put_values(x, &out, &part[i], err);
    return output_end(&out, st, err);
}

/* Returns folder + name + ".npy", which the caller frees. A tensor may have any name: what is no letter, digit, "-" or
 * "_", nor a point inside the name, becomes %XX, so that different names stay different and none leaves the folder. */
static char *name_array(const char *folder, const char *name) {
    static const char digits[] = "0123456789ABCDEF";
    const size_t len = strlen(name);
    char *file = text_realloc(NULL, 3 * len + 1), *to = file;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)name[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '_' || (c == '.' && i > 0);
        if (plain) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    *to = '\0';
    char *path = text_join(folder, file, ".npy");
    free(file);
    return path;
}

static void put_json_part(const char *path, const char *output, const struct part *part) {
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(path));
    json_name(&j, "output", output);
    json_text(&j, "tensor", part->tensor.name);
    json_text(&j, "dtype", zipnn_dtype_name(part->tensor.dtype));
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
        char *path = name_array(folder, x->parts.part[i].tensor.name);
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
            opened_expect(&x->from, part->offset, part->length);
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
    if (parts->n > 1 && x->form != SAFETENSORS)
        return cli_fail(err, ZIPNN_E_ARGUMENT,
                        "%zu tensors are asked for: -o NAME.safetensors takes them all, -o DIR/ an array for each",
                        parts->n);
    st = write_file(x, output, parts->part, parts->n, err);
    for (size_t i = 0; i < parts->n && st == ZIPNN_OK && x->run->args->json && output; i++)
        put_json_part(x->input, output, &parts->part[i]);
    return st;
}

void extract_file(struct run *run, const char *path) {
    struct extraction x = {.run = run, .input = path};
    zipnn_error err;
    zipnn_status st = opened_open(run, path, OPENED_PLAIN, &x.from, &err);
    if (st == ZIPNN_OK) st = parts_find(run, x.from.archive, &x.parts, &err);
    if (st == ZIPNN_OK) st = write_parts(&x, &err);
    if (st != ZIPNN_OK) run_report_failure(run, path, &err);
    parts_free(&x.parts);
    opened_close(&x.from);
}
