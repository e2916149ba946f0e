/* Reports what became of each file: lines for people on standard error, and lines of JSON on standard output. */
#ifndef ZIPNN_CLI_RUN_REPORT_H
#define ZIPNN_CLI_RUN_REPORT_H

#include "shared/run.h"

/* Returns "stdin" for "-", a URL without login and query (valid until the next call), and any other path as it is. */
const char *run_shown_name(const char *path);

/* Adds to the message what to do, if that is known: about a missing base, or about too little memory. */
void run_advise(const struct run *run, zipnn_error *err);

/* Reports what went wrong with `path`, and remembers the exit code. */
void run_report_failure(struct run *run, const char *path, const zipnn_error *err);

/* Does the same without a line of JSON, because the caller wrote one. */
void run_report_fault(struct run *run, const char *path, const zipnn_error *err);

/* What became of a file. */
struct outcome {
    zipnn_stats stats;
    const char *container; /* of the original, as zipnn_archive_info has it; NULL: not known */
    int level;             /* of the archive, if the container is known */
    uint64_t n_archives;   /* that were restored one after the other; 0 and 1: one */
};

/* Takes what was restored or tested. */
struct restored;
void outcome_take(struct outcome *outcome, const struct restored *restored);

/* Learns container and level from the archive at `path`, for --json. Unless that is a regular file which can be read,
 * they stay unknown. `ctx` has the archive's bases. */
void outcome_learn(const struct run *run, zipnn_ctx *ctx, const char *path, struct outcome *outcome);

/* Reports what was done with `path`. `output` is NULL when nothing was written. */
void run_report_done(struct run *run, const char *path, const char *output, const struct outcome *outcome);

/* Prints the heading of a table once, before its first line. With --json it prints nothing. */
void run_put_head(struct run *run, const char *text);

/* Why a file of a folder is left out; SKIP_NOT: it is not left out. */
enum skip {
    SKIP_NOT,
#define SKIP(id, code, text) SKIP_##id,
#include "shared/skips.def"
#undef SKIP
};
const char *run_skip_text(enum skip why);

/* Reports why `path` was left out: with -v as text, with --json as a line. */
void run_report_skip(struct run *run, const char *path, enum skip why);

/* Does the same for a skip that the user may not expect: as text also without -v, but not with -q. */
void run_report_skip_aloud(struct run *run, const char *path, enum skip why);

/* Prints a warning about `path`, unless -q was given. */
void run_warn(const struct run *run, const char *path, const char *what, const char *why);

/* Ends a table of more than one archive with a line of sums. With --json it prints nothing. */
void run_put_total(const struct run *run);

/* Reports what became of a whole folder. */
void run_report_sum(const struct run *run);

#endif
