/* One run of the program: what all its files share. */
#ifndef ZIPNN_CLI_RUN_H
#define ZIPNN_CLI_RUN_H

#include "args.h"
#include "base_files.h"
#include "interrupt.h"
#include "progress.h"

struct run {
    const struct args *args;
    zipnn_ctx *ctx;     /* made when the first file needs it */
    struct bases bases; /* opened then too */
    struct progress progress;
    size_t n_direct; /* bases, the first of `bases`, that what is compressed may refer to */
    struct interrupt interrupt;
    bool talks; /* a line about each file goes to standard error */
    int exit_code;
    uint64_t n_done, n_skipped, n_failed, original, stored; /* files, and bytes of those done */
};

void run_init(struct run *run, const struct args *args);

/* Threads to use: as asked, or one per processor. */
unsigned run_threads(const struct args *args);

/* What the command line asks of a context, but for the bases: every context of the program starts from these. */
zipnn_options run_options(struct run *run);

/* ZIPNN_E_LIMIT when `n` bytes that are to be written, or read to be shown, are more than --max-output allows. */
zipnn_status run_check_limit(const struct run *run, uint64_t n, zipnn_error *err);

/* Makes run->ctx unless it is there. */
zipnn_status run_need_context(struct run *run, zipnn_error *err);

/* The same for converting `input`: a file that is compressed is none of its own bases. */
zipnn_status run_context_for(struct run *run, const char *input, zipnn_error *err);

void run_end(struct run *run);

/* Fills *err and returns `status`: the zn_fail of this program. */
__attribute__((format(printf, 3, 4))) zipnn_status run_fail(zipnn_error *err, zipnn_status status, const char *format,
                                                            ...);

/* "stdin" for "-". */
const char *run_shown_name(const char *path);

/* Says what went wrong with `path`, and remembers the exit code of it. */
void run_report_failure(struct run *run, const char *path, const zipnn_error *err);

/* The same, without a line of JSON: the caller wrote one. */
void run_report_fault(struct run *run, const char *path, const zipnn_error *err);

/* Says what was done with `path`. `output` is NULL when nothing was written. */
void run_report_done(struct run *run, const char *path, const char *output, const zipnn_stats *stats);

/* Says why `path` was left out; under -v, and as JSON. */
void run_report_skip(struct run *run, const char *path, const char *why);

/* Says what became of a whole folder. */
void run_report_sum(const struct run *run);

/* The members ,"xxh3":"...","sha256":"..." of a JSON object on standard output. */
void run_put_digests(const uint8_t xxh3[16], const uint8_t sha256[32], int has_sha256);

#endif
