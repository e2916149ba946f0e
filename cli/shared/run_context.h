/* The context of a run, and the bases that it has: for each file those that it may be made against, or needs. */
#ifndef ZIPNN_CLI_RUN_CONTEXT_H
#define ZIPNN_CLI_RUN_CONTEXT_H

#include "shared/run.h"

/* Makes run->ctx unless it is there: for whatever reads archives, with the bases of the command line for that. */
zipnn_status run_need_context(struct run *run, zipnn_error *err);

/* The same for what becomes an archive: with the bases that `input` may be made against when it is written to `output`
 * (NULL: nowhere). An archive that is to be written is made from them with all folders concerned locked: who is made
 * from whom stays as it was found. */
zipnn_status run_context_for(struct run *run, const char *input, const char *output, zipnn_error *err);

/* The same for an archive to be restored to `output` (NULL: nowhere). With -r the files of its folder are bases, too,
 * if it lacks any. */
zipnn_status run_context_to_restore(struct run *run, const char *archive, const char *output, zipnn_error *err);

/* A context of its own, with bases opened anew, that has what will be left after the run to restore `output`, an
 * archive made from `input`; or, restoring, to read `input` when `output` is there. run_check_end must follow, also
 * after a failure. */
struct run_check {
    zipnn_ctx *ctx;
    struct bases bases;
};
zipnn_status run_check_open(struct run *run, const struct bases_wanted *wanted, struct run_check *check,
                            zipnn_error *err);
zipnn_status run_check_begin(struct run *run, const char *input, const char *output, struct run_check *check,
                             zipnn_error *err);
void run_check_end(struct run_check *check);

/* ZIPNN_E_BASE with a sentence that names the first base the archive was made against and lacks; ZIPNN_OK when there is
 * none, or nobody can tell. */
zipnn_status run_lacks_base(const zipnn_archive *archive, zipnn_error *err);
zipnn_status run_source_lacks_base(zipnn_ctx *ctx, const zipnn_source *source, zipnn_error *err);

/* Frees what the run has. Output that could not be written to standard output is a failure. */
void run_end(struct run *run);

#endif
