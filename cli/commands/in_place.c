/* --in-place: a file becomes its archive, or the original again, under its own name. */
#include "commands/in_place.h"

#include "commands/conversion.h"
#include "line/url.h"
#include "shared/candidates.h"
#include "shared/cli_fail.h"
#include "shared/dedup.h"
#include "shared/filenames.h"
#include "shared/input.h"
#include "shared/needed.h"
#include "shared/place.h"
#include "shared/run_context.h"
#include "shared/text.h"

/* Returns why the file is left as it is. That is no failure, so that a second run does nothing. */
static enum skip why_left(struct run *run, const struct place *place) {
    const struct args *args = run->args;
    const bool packed = bases_is_archive(place->path);
    if (args->operation == OP_COMPRESS && packed) return SKIP_PACKED;
    if (args->operation == OP_RESTORE && !packed) return SKIP_NO_ARCHIVE;
    if (args->force) return SKIP_NOT;
    if (run->in_folder && place->names > 1) return SKIP_HARD_LINKS;
    const bool estimated = args->operation == OP_COMPRESS && run->in_folder;
    return estimated && worth_gains_little(run, place->path, place->path) ? SKIP_NO_GAIN : SKIP_NOT;
}

static zipnn_status refuse_name(const struct run *run, const char *path, zipnn_error *err) {
    if (run->args->force || !filename_is_archive(path)) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_ARGUMENT,
                    "is named " ARCHIVE_SUFFIX ", and programs expect an archive under such a name: %s",
                    run->args->operation == OP_RESTORE
                        ? "without --in-place it is restored to its own name; -f replaces it all the same"
                        : "-f compresses it all the same");
}

/* Makes sure of the result before the old file goes. Programs that write to the file meanwhile are noticed, since it is
 * examined before and after it is compared. */
static zipnn_status check(struct job *job, const struct place *place, zipnn_error *err) {
    struct run *run = job->run;
    zipnn_status st = zipnn_file_at_rest(job->in, err);
    if (st == ZIPNN_OK) st = job_check_result(job, job->out, err);
    if (st == ZIPNN_OK && run->args->operation == OP_RESTORE) outcome_learn(run, run->ctx, place->path, &job->outcome);
    if (st == ZIPNN_OK) st = place_hold(run, place, err);
    if (st == ZIPNN_OK) st = job_inputs_unchanged(job, err);
    return st == ZIPNN_OK ? zipnn_file_at_rest(job->in, err) : st;
}

/* Returns whether the archive is not smaller than its original, and is not wanted all the same. */
static bool is_larger(const struct job *job) {
    const struct args *args = job->run->args;
    const zipnn_stats *stats = &job->outcome.stats;
    return args->operation == OP_COMPRESS && !args->force && stats->archive >= stats->original;
}

/* *why tells, on success, why the file was left all the same. */
static zipnn_status replace(struct job *job, const struct place *place, enum skip *why, zipnn_error *err) {
    struct run *run = job->run;
    job->output = text_join(place->path, "", "");
    zipnn_status st = job_make_context(job, err);
    if (st == ZIPNN_OK) st = place_open(run, place, job->in, &job->out, err);
    if (st != ZIPNN_OK) return st;
    interrupt_watch(&run->interrupt, job->out);
    st = job_move_bytes(job, err);
    if (st == ZIPNN_OK && is_larger(job)) *why = SKIP_NO_GAIN;
    if (st == ZIPNN_OK && *why == SKIP_NOT) st = check(job, place, err);
    const bool goes_on = st == ZIPNN_OK && *why == SKIP_NOT;
    if (goes_on) {
        zipnn_file_close(job->in); /* some systems replace no file that is open */
        job->in = NULL;
        st = zipnn_file_commit(job->out, err);
    }
    if (!goes_on || st != ZIPNN_OK) zipnn_file_discard(job->out);
    interrupt_watch(&run->interrupt, NULL);
    if (!goes_on || st != ZIPNN_OK) return st;
    if (run->args->operation == OP_RESTORE) needed_forget(run, place->path);
    if (run->args->operation == OP_COMPRESS) outcome_learn(run, run->ctx, place->path, &job->outcome);
    if (run->args->operation == OP_COMPRESS) dedup_note(run, place->path);
    return ZIPNN_OK;
}

/* Tells of a file that is left: of one in a folder only what the user may not expect. */
static void report_left(struct run *run, const char *path, enum skip why) {
    const bool expected = run->in_folder && why != SKIP_HARD_LINKS;
    (expected ? run_report_skip : run_report_skip_aloud)(run, path, why);
}

void in_place_file(struct run *run, const char *path) {
    struct place place;
    enum skip why = SKIP_NOT;
    zipnn_error err;
    zipnn_status st = place_find(path, &place, &err);
    if (url_is_web(path)) st = cli_fail(&err, ZIPNN_E_ARGUMENT, "--in-place replaces a FILE by its result, not a URL");
    struct job job = {.run = run, .path = place.path};
    if (st == ZIPNN_OK) why = why_left(run, &place);
    if (st == ZIPNN_OK && why == SKIP_NOT) st = refuse_name(run, path, &err);
    if (st == ZIPNN_OK && why == SKIP_NOT) st = input_open(place.path, &job.in, &err);
    if (st == ZIPNN_OK && why == SKIP_NOT) st = replace(&job, &place, &why, &err);
    if (st == ZIPNN_OK && why != SKIP_NOT)
        report_left(run, path, why);
    else
        job_report(&job, path, path, st, &err);
    job_close(&job);
    place_free(&place);
}
