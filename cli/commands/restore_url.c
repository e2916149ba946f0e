#include "commands/restore_url.h"

#include <stdlib.h>
#include <string.h>

#include "line/url.h"
#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/open_archive.h"
#include "shared/output.h"
#include "shared/results.h"
#include "shared/run_report.h"
#include "shared/spool.h"
#include "shared/text.h"

/* The last part of the URL without its suffix, or what the command line says; NULL is standard output. */
static zipnn_status choose_output(const struct run *run, const char *url, char **output, zipnn_error *err) {
    const struct args *args = run->args;
    const char *slash = strrchr(url_shown(url), '/');
    char *name = text_join(slash ? slash + 1 : "", "", "");
    *output = NULL;
    const bool said = args->output || args->to_stdout;
    const bool fits = filename_is_archive(name) && !filename_is_bare_suffix(name);
    if (args->output) *output = text_join(args->output, "", "");
    if (!said && fits) *output = result_original(run, name);
    free(name);
    if (args->remove)
        return cli_fail(err, ZIPNN_E_ARGUMENT, "--rm deletes a FILE; what a URL leads to cannot be deleted");
    if (*output && touched_is_result(&run->touched, *output))
        return cli_fail(err, ZIPNN_E_ARGUMENT,
                        "another file of this run has its result at %.200s: restore one of them with -o", *output);
    if (said || fits) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_ARGUMENT,
                    "the suffix is not " ARCHIVE_SUFFIX ": use -o or -c to say where the result goes");
}

static zipnn_status write_output(struct run *run, const char *output, struct opened *o, struct restored *restored,
                                 zipnn_error *err) {
    struct output out;
    zipnn_status st = output ? result_make_folders(run, output, err) : ZIPNN_OK;
    if (st == ZIPNN_OK) st = output_open(run, output, NULL, NULL, &out, err);
    if (st != ZIPNN_OK) return st;
    opened_expect_all(o);
    progress_start(&run->progress);
    const struct restoring r = {run->ctx, &out.sink, run->args->max_output, restored};
    st = spool_restore(&r, &o->source, err);
    progress_end(&run->progress);
    st = output_end(&out, st, err);
    if (st == ZIPNN_OK && output) touched_result(&run->touched, output);
    return st;
}

void restore_url(struct run *run, const char *url) {
    struct opened o = {.file = NULL};
    struct outcome outcome = {.container = NULL};
    struct restored restored = {.n = 0};
    zipnn_error err;
    char *output;
    zipnn_status st = choose_output(run, url, &output, &err);
    if (st == ZIPNN_OK) st = opened_open(run, url, OPENED_ARCHIVE, &o, &err);
    if (st == ZIPNN_OK) st = write_output(run, output, &o, &restored, &err);
    outcome_take(&outcome, &restored);
    if (st == ZIPNN_OK)
        run_report_done(run, url, output ? output : "stdout", &outcome);
    else
        run_report_failure(run, url, &err);
    opened_close(&o);
    free(output);
}
