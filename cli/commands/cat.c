/* Writes originals, or a range of their bytes. */
#include <inttypes.h>
#include <stdio.h>

#include "commands/commands.h"
#include "shared/cli_fail.h"
#include "shared/json_writer.h"
#include "shared/open_archive.h"
#include "shared/output.h"
#include "shared/run_report.h"

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
    opened_expect(o, first, end - first);
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
