/* What compressing and restoring have in common, whether the result is a file of its own or replaces the input. */
#ifndef ZIPNN_CLI_CONVERSION_H
#define ZIPNN_CLI_CONVERSION_H

#include "shared/run_report.h"

/* One file that is compressed or restored. */
struct job {
    struct run *run;
    const char *path;    /* of the input, "-" for standard input */
    char *output;        /* NULL for standard output */
    zipnn_old_form form; /* of old records */
    zipnn_file *in, *out;
    struct outcome outcome;
};

/* Creates the context with the bases that this file may be made against, or needs. Call it before there is anything to
 * clean up. */
zipnn_status job_make_context(struct job *job, zipnn_error *err);

/* Writes the bytes of the result to job->out, and fills job->outcome.stats. */
zipnn_status job_move_bytes(struct job *job, zipnn_error *err);

/* Reads the result back and checks that it can take the place of the input. `written` is the file that was written,
 * committed or not, or found. */
zipnn_status job_check_result(struct job *job, const zipnn_file *written, zipnn_error *err);

/* Returns ZIPNN_E_IO if the input, or a base that the result was made against, has changed. */
zipnn_status job_inputs_unchanged(const struct job *job, zipnn_error *err);

/* Reports success, or the failure `err`. `path` and `output` are the names to be shown. */
void job_report(struct job *job, const char *path, const char *output, zipnn_status st, const zipnn_error *err);

/* Closes the files, and frees what the job owns. */
void job_close(struct job *job);

#endif
