/* Steps of a chain: single files, and folders of files. A folder is made and removed under a hidden name, and appears or goes
 * by one rename. */
#ifndef ZIPNN_CLI_CHAIN_FOLDER_H
#define ZIPNN_CLI_CHAIN_FOLDER_H

#include "commands/chain_steps.h"
#include "shared/run_report.h"

/* Stores the file at `path`, which the chain knows as `name`, as the archive `to`. */
zipnn_status chain_add_file(struct run *run, const struct steps *steps, const char *path, const char *name,
                            const char *to, struct outcome *outcome, zipnn_error *err);

/* Stores all files below the folder at `path` as one step of the chain: the base of each is the same file of an earlier one. */
zipnn_status chain_add_folder(struct run *run, const struct steps *steps, const char *chain, uint64_t number,
                              const char *path, zipnn_error *err);

/* Restores a file of the chain to `path` (NULL: standard output), and tells that it went to `shown`. */
zipnn_status chain_restore_file(struct run *run, const struct steps *steps, size_t index, const char *path,
                                const char *shown, zipnn_error *err);

/* Restores the folder that the file `index` is of, to -o or to its name in the current folder. There must be nothing yet. */
zipnn_status chain_restore_folder(struct run *run, const struct steps *steps, size_t index, zipnn_error *err);

/* Removes the folder that the file `index` is of. */
zipnn_status chain_remove_folder(const struct steps *steps, size_t index, zipnn_error *err);

#endif
