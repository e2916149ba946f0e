/* One run of the program: what all its files share. */
#ifndef ZIPNN_CLI_RUN_H
#define ZIPNN_CLI_RUN_H

#include "line/args.h"
#include "shared/base_files.h"
#include "shared/folder_locks.h"
#include "shared/interrupt.h"
#include "shared/progress.h"
#include "shared/touched.h"

struct run {
    const struct args *args;
    struct touched touched;   /* what the run deletes and replaces */
    struct paths independent; /* folders without archives that were made from others: needed.c */
    zipnn_ctx *ctx;           /* made when the first file needs it */
    char *ctx_for;            /* the file that it and `bases` were made for; NULL: any */
    struct bases bases;       /* opened with it */
    struct progress progress;
    size_t n_direct; /* bases, the first of `bases`, that what is compressed may refer to */
    struct interrupt interrupt;
    struct folder_locks locks; /* held while one file is worked on */
    bool headed;               /* the heading of a table has been printed */
    bool warned_of_delta;      /* by old_delta_warn */
    bool talks;                /* a line about each file goes to standard error */
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

void run_end(struct run *run);

/* Fills *err and returns `status`: the zn_fail of this program. */
__attribute__((format(printf, 3, 4))) zipnn_status run_fail(zipnn_error *err, zipnn_status status, const char *format,
                                                            ...);

/* "stdin" for "-". */
const char *run_shown_name(const char *path);

/* Adds to the message what to do, where that is known: about a base that is missing. */
void run_advise(const struct run *run, zipnn_error *err);

/* Says what went wrong with `path`, and remembers the exit code of it. */
void run_report_failure(struct run *run, const char *path, const zipnn_error *err);

/* The same, without a line of JSON: the caller wrote one. */
void run_report_fault(struct run *run, const char *path, const zipnn_error *err);

/* Says what was done with `path`. `output` is NULL when nothing was written. */
void run_report_done(struct run *run, const char *path, const char *output, const zipnn_stats *stats);

/* Prints the heading of a table, once, before its first line; none for JSON. */
void run_put_head(struct run *run, const char *text);

/* Why a file is left out of a folder; SKIP_NOT: it is not. */
enum skip {
    SKIP_NOT,
#define SKIP(id, code, text) SKIP_##id,
#include "shared/skips.def"
#undef SKIP
};
const char *run_skip_text(enum skip why);

/* Says why `path` was left out; under -v, and as JSON. */
void run_report_skip(struct run *run, const char *path, enum skip why);

/* Says something about `path` that is no failure, unless -q was given. */
void run_warn(const struct run *run, const char *path, const char *what, const char *why);

/* Says what became of a whole folder. */
void run_report_sum(const struct run *run);

#endif
