/* Creates the context of a run with its bases: for each file those that it may be made against, or that it needs. */
#ifndef ZIPNN_CLI_RUN_CONTEXT_H
#define ZIPNN_CLI_RUN_CONTEXT_H

#include "shared/run.h"

/* Creates run->ctx unless it exists, for reading archives, with the bases that the command line names. */
zipnn_status run_need_context(struct run *run, zipnn_error *err);

/* Does the same for compressing `input` to `output` (NULL: nothing is written), with the bases that `input` may be made
 * against. If an archive will be written, all folders concerned are locked, so that other programs do not change which
 * file is made from which. */
zipnn_status run_context_for(struct run *run, const char *input, const char *output, zipnn_error *err);

/* Does the same for restoring `archive` to `output` (NULL: nothing is written). With -r, if a base is missing, the
 * files of the archive's folder are bases too. */
zipnn_status run_context_to_restore(struct run *run, const char *archive, const char *output, zipnn_error *err);

/* Creates a separate context with newly opened bases, for reading back. After compressing, it has only those bases that
 * will be left after the run to restore `output`; after restoring, those to read the archive `input` again.
 * run_check_end must follow, also after a failure. */
struct run_check {
    zipnn_ctx *ctx;
    struct bases bases;
};
zipnn_status run_check_open(struct run *run, const struct bases_wanted *wanted, struct run_check *check,
                            zipnn_error *err);
zipnn_status run_check_begin(struct run *run, const char *input, const char *output, struct run_check *check,
                             zipnn_error *err);
void run_check_end(struct run_check *check);

/* Returns ZIPNN_E_BASE with the name of the first base that the archive needs and that was not given. Returns ZIPNN_OK
 * if there is none, or if the archive cannot be opened. */
zipnn_status run_lacks_base(const zipnn_archive *archive, zipnn_error *err);
zipnn_status run_source_lacks_base(zipnn_ctx *ctx, const zipnn_source *source, zipnn_error *err);

/* Frees what the run owns. If standard output could not be written, the exit code says so. */
void run_end(struct run *run);

#endif
