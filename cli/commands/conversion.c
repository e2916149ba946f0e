#include "commands/conversion.h"

#include <stdlib.h>

#include "shared/cli_fail.h"
#include "shared/input.h"
#include "shared/old_delta.h"
#include "shared/read_back.h"
#include "shared/run_context.h"
#include "shared/spool.h"

/* A file whose size is announced first is written faster, most of all by several threads. The size comes from the
 * archive's index; if it is improbable, nothing is announced. */
static zipnn_status reserve_output(struct job *job, const zipnn_source *source, zipnn_error *err) {
    enum { PROBABLE_RATIO = 16 };
    zipnn_archive *archive;
    zipnn_archive_info info;
    if (job->run->args->operation != OP_RESTORE || !source->read_at) return ZIPNN_OK;
    if (zipnn_archive_open(job->run->ctx, source, &archive, NULL) != ZIPNN_OK)
        return ZIPNN_OK; /* zipnn_unpack will report why */
    zipnn_archive_get_info(archive, &info);
    zipnn_archive_close(archive);
    const uint64_t most = job->run->args->max_output;
    if (info.original / PROBABLE_RATIO > source->length || (most && info.original > most)) return ZIPNN_OK;
    return zipnn_file_reserve(job->out, info.original, err);
}

/* An archive in the page cache is decoded in place; any other is read ahead of the decoder, past the cache. */
static void look_through(zipnn_file *archive) {
    interrupt_survive_cut_files();
    if (zipnn_file_is_cached(archive))
        (void)zipnn_file_map(archive, NULL);
    else
        (void)zipnn_file_read_ahead(archive, NULL);
}

zipnn_status job_inputs_unchanged(const struct job *job, zipnn_error *err) {
    const struct run *run = job->run;
    zipnn_status st = zipnn_file_unchanged(job->in, err);
    if (st != ZIPNN_OK || run->args->operation != OP_COMPRESS) return st;
    return bases_unchanged(&run->bases, run->n_direct, err);
}

/* If the input changed meanwhile, neither success nor damage means anything: that is what is reported. */
static zipnn_status check_unchanged(const struct job *job, zipnn_status st, zipnn_error *err) {
    zipnn_error changed;
    if ((st != ZIPNN_OK && st != ZIPNN_E_CORRUPT) || job_inputs_unchanged(job, &changed) == ZIPNN_OK) return st;
    *err = changed;
    return changed.status;
}

static zipnn_status restore(struct job *job, const zipnn_source *source, const zipnn_sink *sink, zipnn_error *err) {
    struct restored restored;
    const struct restoring r = {job->run->ctx, sink, job->run->args->max_output, &restored};
    const zipnn_status st = spool_restore(&r, source, err);
    outcome_take(&job->outcome, &restored);
    return st;
}

zipnn_status job_move_bytes(struct job *job, zipnn_error *err) {
    struct run *run = job->run;
    zipnn_source source;
    zipnn_sink sink;
    if (run->args->operation == OP_RESTORE) look_through(job->in);
    zipnn_file_source(job->in, &source);
    zipnn_file_sink(job->out, &sink);
    zipnn_status st = sink.write_at ? reserve_output(job, &source, err) : ZIPNN_OK;
    if (st != ZIPNN_OK) return st;
    progress_start(&run->progress);
    if (run->args->operation == OP_RESTORE)
        st = restore(job, &source, &sink, err);
    else if (run->args->old_format)
        st = zipnn_pack_old(run->ctx, job->form, &source, &sink, &job->outcome.stats, err);
    else
        st = zipnn_pack(run->ctx, &source, &sink, &job->outcome.stats, err);
    progress_end(&run->progress);
    if (run->args->operation == OP_RESTORE && st == ZIPNN_OK && job->outcome.stats.unverified)
        old_delta_warn(run, &source);
    return check_unchanged(job, st, err);
}

zipnn_status job_make_context(struct job *job, zipnn_error *err) {
    struct run *run = job->run;
    const bool from_stdin = input_is_stdin(job->path);
    if (run->args->operation == OP_COMPRESS)
        return run_context_for(run, from_stdin ? "/dev/stdin" : job->path, job->output, err);
    return from_stdin ? run_need_context(run, err) : run_context_to_restore(run, job->path, job->output, err);
}

zipnn_status job_check_result(struct job *job, const zipnn_file *written, zipnn_error *err) {
    struct run *run = job->run;
    struct run_check check;
    zipnn_source source;
    zipnn_file_source(job->in, &source);
    const struct made_from from = {&source, job->path, &job->outcome.stats};
    zipnn_status st = run_check_begin(run, job->path, job->output, &check, err);
    if (st == ZIPNN_OK) {
        progress_start(&run->progress);
        st = run->args->operation == OP_RESTORE ? verify_restored(check.ctx, job->path, written, job->output, err)
                                                : verify_archive(check.ctx, written, job->output, &from, err);
        progress_end(&run->progress);
    }
    run_check_end(&check);
    return st;
}

void job_report(struct job *job, const char *path, const char *output, zipnn_status st, const zipnn_error *err) {
    if (st == ZIPNN_OK)
        run_report_done(job->run, path, output, &job->outcome);
    else
        run_report_failure(job->run, path, err);
}

void job_close(struct job *job) {
    zipnn_file_close(job->out);
    zipnn_file_close(job->in);
    free(job->output);
}
