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
    bool in_folder;            /* the file at work was found in a folder; else it was named */
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

#endif
