/* zipnn -t */
#include "commands/commands.h"
#include "shared/cli_fail.h"
#include "shared/input.h"
#include "shared/old_delta.h"
#include "shared/run_context.h"
#include "shared/run_report.h"
#include "shared/spool.h"

static zipnn_status test_input(struct run *run, const char *path, zipnn_file *in, struct outcome *outcome,
                               zipnn_error *err) {
    const zipnn_stats *stats = &outcome->stats;
    zipnn_source source;
    zipnn_file_source(in, &source);
    zipnn_status st = input_is_stdin(path) ? run_need_context(run, err) : run_context_to_restore(run, path, NULL, err);
    if (st != ZIPNN_OK) return st;
    progress_start(&run->progress);
    st = spool_restore(run->ctx, &source, NULL, &outcome->stats, err);
    progress_end(&run->progress);
    if (st == ZIPNN_OK && stats->unverified) old_delta_warn(run, &source);
    if (st == ZIPNN_OK) st = run_source_lacks_base(run->ctx, &source, err);
    if (st == ZIPNN_OK && stats->n_unchecked)
        st = cli_fail(err, ZIPNN_E_BASE, "made against a file that was not given");
    if (st == ZIPNN_OK) outcome_learn(run, run->ctx, path, outcome);
    return st;
}

void test_file(struct run *run, const char *path) {
    zipnn_file *in = NULL;
    struct outcome outcome = {.container = NULL};
    zipnn_error err;
    zipnn_status st = input_open(path, &in, &err);
    if (st == ZIPNN_OK) st = test_input(run, path, in, &outcome, &err);
    if (st == ZIPNN_OK)
        run_report_done(run, path, NULL, &outcome);
    else
        run_report_failure(run, path, &err);
    zipnn_file_close(in);
}
