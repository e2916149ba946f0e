/* One run of the program: what is common to all files that it processes. */
#ifndef ZIPNN_CLI_RUN_H
#define ZIPNN_CLI_RUN_H

#include "line/args.h"
#include "shared/base_files.h"
#include "shared/folder_locks.h"
#include "shared/interrupt.h"
#include "shared/progress.h"
#include "shared/touched.h"

struct roots;

struct run {
    const struct args *args;
    struct touched touched;   /* what the run deletes and replaces */
    struct paths independent; /* folders in which no archive needs a base: needed.c */
    zipnn_ctx *ctx;           /* created when the first file needs it */
    char *ctx_for;            /* the file that it and `bases` were made for; NULL: any */
    struct bases bases;       /* opened with it */
    struct progress progress;
    size_t n_direct;     /* compressing refers to the first so many of `bases` */
    struct roots *roots; /* --dedup: archives that others may be made against; NULL: none yet */
    struct interrupt interrupt;
    struct folder_locks locks; /* held while one file is processed */
    bool in_folder;            /* the present file was found in a folder; otherwise it was named */
    const char *top;           /* that folder, as the command line names it */
    bool headed;               /* the heading of a table has been printed */
    bool warned_of_delta;      /* by old_delta_warn */
    bool talks;                /* a line about each file goes to standard error */
    int exit_code;
    uint64_t n_done, n_skipped, n_failed, original, stored; /* files, and bytes of those done */
};

void run_init(struct run *run, const struct args *args);

/* Returns the number of threads: as asked for, or one per processor. */
unsigned run_threads(const struct args *args);

/* Returns the options that the command line asks for, without bases. Every context of the program starts from these. */
zipnn_options run_options(struct run *run);

/* Returns ZIPNN_E_LIMIT if --max-output does not allow `n` bytes to be written, or read to be shown. */
zipnn_status run_check_limit(const struct run *run, uint64_t n, zipnn_error *err);

#endif
