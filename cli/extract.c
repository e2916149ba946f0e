#include "extract.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "numpy_file.h"
#include "opened.h"
#include "output.h"
#include "text.h"

/* Part of a tensor. */
struct part {
    zipnn_tensor_info tensor;
    struct npy_shape shape; /* of the part */
    uint64_t offset, length;
};

static zipnn_status find_part(struct run *run, const zipnn_archive *archive, struct part *part, zipnn_error *err) {
    const struct span *rows = &run->args->rows;
    uint64_t index;
    zipnn_status st = zipnn_archive_find(archive, run->args->tensor, &index, err);
    if (st == ZIPNN_OK) st = zipnn_archive_tensor(archive, index, &part->tensor, err);
    if (st != ZIPNN_OK) return st;
    const zipnn_tensor_info *t = &part->tensor;
    const uint64_t n_rows = t->rank ? t->shape[0] : 1;
    uint64_t first = 0, end = n_rows;
    if (rows->given) {
        first = rows->first;
        end = rows->open ? n_rows : rows->end;
    }
    if (first > end || end > n_rows)
        return run_fail(err, ZIPNN_E_NOT_FOUND, "rows %" PRIu64 " to %" PRIu64 " of a tensor of %" PRIu64, first, end,
                        n_rows);
    if (n_rows && t->length % n_rows)
        return run_fail(err, ZIPNN_E_ARGUMENT, "the %" PRIu64 " rows of this tensor are no whole bytes", n_rows);
    const uint64_t row = n_rows ? t->length / n_rows : 0;
    part->offset = t->offset + first * row;
    part->length = (end - first) * row;
    part->shape = npy_shape_of(t, end - first, row);
    return ZIPNN_OK;
}

static bool is_npy(const char *path) {
    const size_t len = path ? strlen(path) : 0;
    return len > 4 && strcmp(path + len - 4, ".npy") == 0;
}

/* What numpy cannot name is written as the integers that have its bits. */
static void explain_bits(const struct run *run, const struct part *part) {
    if (part->shape.exact || run->args->verbosity < 0) return;
    fprintf(stderr, "zipnn: numpy has no %s: the array holds the same bits as %s\n",
            zipnn_dtype_name(part->tensor.dtype), part->shape.type_name);
}

static zipnn_status write_part(struct run *run, const struct opened *o, const struct part *part, zipnn_error *err) {
    struct output out;
    zipnn_status st = run_check_limit(run, part->length, err);
    if (st != ZIPNN_OK) return st;
    st = output_open(run, run->args->output, o->file, &out, err);
    if (st == ZIPNN_OK && is_npy(run->args->output)) {
        char header[NPY_MAX_HEADER];
        st = output_put(&out, header, npy_header(&part->shape, header), err);
        explain_bits(run, part);
    }
    if (st == ZIPNN_OK) st = output_put_range(&out, o->archive, part->offset, part->length, err);
    return output_end(&out, st, err);
}

static void put_json_part(const struct run *run, const char *path, const struct part *part) {
    fputs("{\"file\":", stdout);
    text_put_json(stdout, run_shown_name(path));
    fputs(",\"output\":", stdout);
    text_put_json(stdout, run->args->output);
    fputs(",\"tensor\":", stdout);
    text_put_json(stdout, part->tensor.name);
    printf(",\"dtype\":\"%s\",\"offset\":%" PRIu64 ",\"length\":%" PRIu64 "}\n", zipnn_dtype_name(part->tensor.dtype),
           part->offset, part->length);
}

void extract_file(struct run *run, const char *path) {
    struct opened o;
    struct part part;
    zipnn_error err;
    zipnn_status st = opened_open(run, path, OPENED_PLAIN, &o, &err);
    if (st == ZIPNN_OK) st = find_part(run, o.archive, &part, &err);
    if (st == ZIPNN_OK) st = write_part(run, &o, &part, &err);
    if (st != ZIPNN_OK)
        run_report_failure(run, path, &err);
    else if (run->args->json && run->args->output)
        put_json_part(run, path, &part);
    opened_close(&o);
}

static zipnn_status cat_range(struct run *run, const struct opened *o, zipnn_error *err) {
    const struct span *range = &run->args->range;
    zipnn_archive_info info;
    zipnn_archive_get_info(o->archive, &info);
    const uint64_t first = range->given ? range->first : 0;
    const uint64_t end = !range->given || range->open ? info.original : range->end;
    if (first > end || end > info.original)
        return run_fail(err, ZIPNN_E_NOT_FOUND, "bytes %" PRIu64 " to %" PRIu64 " of an original of %" PRIu64, first,
                        end, info.original);
    struct output out;
    zipnn_status st = run_check_limit(run, end - first, err);
    if (st != ZIPNN_OK) return st;
    st = output_open(run, run->args->output, o->file, &out, err);
    if (st == ZIPNN_OK) st = output_put_range(&out, o->archive, first, end - first, err);
    return output_end(&out, st, err);
}

void cat_file(struct run *run, const char *path) {
    struct opened o;
    zipnn_error err;
    zipnn_status st = opened_open(run, path, OPENED_ARCHIVE, &o, &err);
    if (st == ZIPNN_OK) st = cat_range(run, &o, &err);
    if (st != ZIPNN_OK) run_report_failure(run, path, &err);
    opened_close(&o);
}
