#include <string.h>

#include "commands/commands.h"
#include "shared/cli_fail.h"
#include "shared/input.h"
#include "shared/output.h"
#include "shared/read_back.h"
#include "shared/run_context.h"
#include "shared/run_report.h"

/* A replaced archive keeps its permissions; the old one stays until the new one is complete and on the device. */
static zipnn_status open_in_place(struct run *run, const char *path, const zipnn_file *old, struct output *out,
                                  zipnn_error *err) {
    *out = (struct output){.run = run};
    zipnn_status st = zipnn_file_create(path, old, ZIPNN_FILE_REPLACE | ZIPNN_FILE_SYNC, &out->file, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_sink(out->file, &out->sink);
    interrupt_watch(&run->interrupt, out->file);
    return ZIPNN_OK;
}

/* An old record has no digest. So it is read again, and must restore to the same bytes. */
static zipnn_status check_record(zipnn_ctx *ctx, const zipnn_source *old, const zipnn_stats *stats, zipnn_error *err) {
    zipnn_stats again;
    zipnn_status st = zipnn_test(ctx, old, &again, err);
    if (st != ZIPNN_OK || memcmp(again.xxh3, stats->xxh3, sizeof again.xxh3) == 0) return st;
    return cli_fail(err, ZIPNN_E_CORRUPT, "the archive is kept: it restores to other bytes when it is read again");
}

/* Before the new archive takes the place of the old one, it is read from the device and decoded. Its digest must be
 * that of the old archive. */
static zipnn_status check_new(struct run *run, const zipnn_source *old, const struct output *out, const char *path,
                              const zipnn_stats *stats, zipnn_error *err) {
    const zipnn_options options = run_options(run);
    zipnn_stats packed = *stats;
    const struct made_from from = {NULL, path, &packed};
    zipnn_ctx *ctx = NULL;
    packed.unverified = 0;
    zipnn_status st = zipnn_create(&options, &ctx, err);
    if (st == ZIPNN_OK && stats->unverified) st = check_record(ctx, old, stats, err);
    if (st == ZIPNN_OK) st = verify_archive(ctx, out->file, path, &from, err);
    zipnn_destroy(ctx);
    return st;
}

static zipnn_status refuse_difference(zipnn_ctx *ctx, const zipnn_source *source, zipnn_error *err) {
    zipnn_archive *archive;
    zipnn_archive_info info;
    if (zipnn_archive_open(ctx, source, &archive, NULL) != ZIPNN_OK)
        return ZIPNN_OK; /* zipnn_recompress will report why */
    zipnn_archive_get_info(archive, &info);
    zipnn_archive_close(archive);
    if (info.n_bases == 0) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_BASE,
                    "an archive of differences from a base is not recompressed: restore and compress it again");
}

/* Locks the folder until the new archive has the name, which must still lead to the old one. */
static zipnn_status hold_name(struct run *run, const char *path, struct node old, zipnn_error *err) {
    folders_lock(run, LOCKED_ALONE, NULL, path);
    if (touched_leads_to(path, old)) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_IO, "%.150s: the archive is kept: another program has replaced or removed it", path);
}

/* Closes *in, and sets it to NULL, before a name is given: some systems replace no file that is open. */
static zipnn_status move_to_level(struct run *run, const char *path, zipnn_file **in, struct outcome *outcome,
                                  zipnn_error *err) {
    const struct args *args = run->args;
    zipnn_stats *stats = &outcome->stats;
    const bool in_place = !args->output && !args->to_stdout;
    struct output out;
    struct node old = {0};
    zipnn_source source;
    zipnn_file_source(*in, &source);
    if (!source.read_at) return cli_fail(err, ZIPNN_E_ARGUMENT, "recompressing needs a file, not a pipe");
    if (in_place && !touched_find(path, &old)) return cli_fail(err, ZIPNN_E_IO, "%.150s: is not there any more", path);
    zipnn_status st = run_need_context(run, err);
    if (st == ZIPNN_OK) st = refuse_difference(run->ctx, &source, err);
    if (st != ZIPNN_OK) return st;
    st = in_place ? open_in_place(run, path, *in, &out, err) : output_open(run, args->output, path, *in, &out, err);
    if (st == ZIPNN_OK) {
        progress_start(&run->progress);
        st = zipnn_recompress(run->ctx, &source, &out.sink, stats, err);
        if (st == ZIPNN_OK && in_place) st = check_new(run, &source, &out, path, stats, err);
        progress_end(&run->progress);
    }
    if (st == ZIPNN_OK && in_place) st = hold_name(run, path, old, err);
    if (st == ZIPNN_OK) st = zipnn_file_unchanged(*in, err);
    if (st == ZIPNN_OK && in_place) st = zipnn_file_at_rest(*in, err);
    zipnn_file_close(*in);
    *in = NULL;
    st = output_end(&out, st, err);
    if (st == ZIPNN_OK) outcome_learn(run, run->ctx, in_place ? path : args->output, outcome);
    return st;
}

void recompress_file(struct run *run, const char *path) {
    const char *output = run->args->output ? run->args->output : run->args->to_stdout ? "stdout" : path;
    zipnn_file *in = NULL;
    struct outcome outcome = {.container = NULL};
    zipnn_error err;
    zipnn_status st = input_open(path, &in, &err);
    if (st == ZIPNN_OK) st = move_to_level(run, path, &in, &outcome, &err);
    if (st == ZIPNN_OK)
        run_report_done(run, path, output, &outcome);
    else
        run_report_failure(run, path, &err);
    zipnn_file_close(in);
}
