#include "shared/open_archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line/url.h"
#include "shared/cli_fail.h"
#include "shared/input.h"
#include "shared/old_delta.h"
#include "shared/remote.h"
#include "shared/run_context.h"

/* Adds advice to the error message for a damaged archive. */
static zipnn_status advise(zipnn_status status, zipnn_error *err) {
    const size_t n = strlen(err->message);
    const bool is_joined = strstr(err->message, "cut the file there") != NULL;
    if ((status == ZIPNN_E_CORRUPT || status == ZIPNN_E_TRUNCATED) && !is_joined)
        snprintf(err->message + n, sizeof err->message - n, "; run zipnn salvage first");
    return status;
}

zipnn_status opened_open(struct run *run, const char *path, enum opened_as as, struct opened *o, zipnn_error *err) {
    *o = (struct opened){.file = NULL};
    const bool far = url_is_web(path);
    zipnn_status st = far ? remote_open(path, &o->remote, &o->source, err) : input_open(path, &o->file, err);
    if (st != ZIPNN_OK) return st;
    if (o->file) zipnn_file_source(o->file, &o->source);
    if (!o->source.read_at) return cli_fail(err, ZIPNN_E_ARGUMENT, "only a regular file can be read in parts");
    if (o->source.length == 0) return cli_fail(err, ZIPNN_E_FORMAT, "is empty: it holds no archive and no model");
    const bool alone = run->args->operation == OP_COMPRESS || strcmp(path, "-") == 0;
    st = alone ? run_need_context(run, err) : run_context_to_restore(run, path, NULL, err);
    if (st != ZIPNN_OK) return st;
    st = as == OPENED_DAMAGED ? zipnn_archive_open_damaged(run->ctx, &o->source, &o->archive, err)
                              : zipnn_archive_open(run->ctx, &o->source, &o->archive, err);
    if (as != OPENED_DAMAGED) st = advise(st, err);
    if (st == ZIPNN_OK) old_delta_warn(run, &o->source);
    o->plain = as == OPENED_PLAIN && st == ZIPNN_E_FORMAT;
    if (!o->plain) return st;
    /* A model is estimated with the bases that it would get. */
    st = run->args->operation == OP_INSPECT ? run_context_for(run, path, NULL, err) : ZIPNN_OK;
    return st == ZIPNN_OK ? zipnn_model_open(run->ctx, &o->source, &o->archive, err) : st;
}

void opened_close(struct opened *o) {
    zipnn_archive_close(o->archive);
    zipnn_file_close(o->file);
    remote_close(o->remote);
    *o = (struct opened){.file = NULL};
}

/* What cannot be told is fetched when it is read. */
void opened_expect(const struct opened *o, uint64_t off, uint64_t len) {
    size_t n = 0;
    if (!o->remote || zipnn_archive_ranges(o->archive, off, len, NULL, 0, &n, NULL) != ZIPNN_OK) return;
    zipnn_range *ranges = calloc(n + 1, sizeof *ranges);
    if (ranges && zipnn_archive_ranges(o->archive, off, len, ranges, n, &n, NULL) == ZIPNN_OK)
        remote_expect(o->remote, ranges, n);
    free(ranges);
}

void opened_expect_all(const struct opened *o) {
    if (o->remote) remote_expect_all(o->remote);
}
