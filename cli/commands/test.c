/* zipnn -t */
#include "commands/commands.h"
#include "line/url.h"
#include "shared/cli_fail.h"
#include "shared/input.h"
#include "shared/old_delta.h"
#include "shared/remote.h"
#include "shared/run_context.h"
#include "shared/run_report.h"
#include "shared/spool.h"

static zipnn_status test_source(struct run *run, const char *path, zipnn_source *source, struct outcome *outcome,
                                zipnn_error *err) {
    const zipnn_stats *stats = &outcome->stats;
    struct restored restored;
    zipnn_status st = input_is_stdin(path) ? run_need_context(run, err) : run_context_to_restore(run, path, NULL, err);
    if (st != ZIPNN_OK) return st;
    const struct restoring r = {run->ctx, NULL, run->args->max_output, &restored};
    progress_start(&run->progress);
    st = spool_restore(&r, source, err);
    progress_end(&run->progress);
    outcome_take(outcome, &restored);
    if (st == ZIPNN_OK && stats->unverified) old_delta_warn(run, source);
    if (st == ZIPNN_OK) st = run_source_lacks_base(run->ctx, source, err);
    if (st == ZIPNN_OK && stats->n_unchecked)
        st = cli_fail(err, ZIPNN_E_BASE, "made against a file that was not given");
    if (st == ZIPNN_OK) outcome_learn(run, run->ctx, path, outcome);
    return st;
}

static zipnn_status test_input(struct run *run, const char *path, struct outcome *outcome, zipnn_error *err) {
    zipnn_file *in = NULL;
    struct remote *remote = NULL;
    zipnn_source source;
    const bool far = url_is_web(path);
    zipnn_status st = far ? remote_open(path, &remote, &source, err) : input_open(path, &in, err);
    if (in) zipnn_file_source(in, &source);
    if (remote && st == ZIPNN_OK) remote_expect_all(remote);
    if (st == ZIPNN_OK) st = test_source(run, path, &source, outcome, err);
    remote_close(remote);
    zipnn_file_close(in);
    return st;
}

void test_file(struct run *run, const char *path) {
    struct outcome outcome = {.container = NULL};
    zipnn_error err;
    if (test_input(run, path, &outcome, &err) == ZIPNN_OK)
        run_report_done(run, path, NULL, &outcome);
    else
        run_report_failure(run, path, &err);
}
