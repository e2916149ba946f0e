/* Names the files that results are written to. */
#ifndef ZIPNN_CLI_RESULTS_H
#define ZIPNN_CLI_RESULTS_H

#include "shared/run.h"

/* Both return the name of the result of the present file `path`, which the caller frees: beside it, or where
 * --output-dir-flat, --output-dir-mirror or -o DIR/ puts it. `path` must not be standard input. */
char *result_archive(const struct run *run, const char *path);
char *result_original(const struct run *run, const char *path);

/* Moves a name beside `path`, which is freed, to the folder where results of the present file go. */
char *result_place(const struct run *run, char *beside);

/* Returns ZIPNN_E_ARGUMENT if no folder below that of --output-dir-mirror has the name of `path`'s folder. */
zipnn_status result_check(const struct run *run, const char *path, zipnn_error *err);

/* Makes the folders that lead to `path`, up to its last slash. */
zipnn_status make_folders_to(const char *path, zipnn_error *err);

/* Makes the folders that lead to a result which goes to another folder. Does nothing for one that stays beside. */
zipnn_status result_make_folders(const struct run *run, const char *result, zipnn_error *err);

#endif
