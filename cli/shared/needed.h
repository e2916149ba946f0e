/* Files that others are made from. */
#ifndef ZIPNN_CLI_NEEDED_H
#define ZIPNN_CLI_NEEDED_H

#include "shared/run.h"

/* ZIPNN_E_ARGUMENT when there is a file at `path`, and an archive beside it, or in a folder of --base-dir or that -r
 * works on, can be restored with it and not without: what is about to replace it would be the end of that archive, too.
 * `original` is the XXH3-128 of what the new file restores to, if it is an archive, which may take the place of one of
 * the same; else NULL. Where there is a file, its folder stays locked for what replaces it: nobody makes anything from
 * it meanwhile. */
zipnn_status needed_refuse(struct run *run, const char *path, const uint8_t *original, zipnn_error *err);

/* The same for a file that is about to be removed. */
zipnn_status needed_refuse_removal(struct run *run, const char *path, zipnn_error *err);

/* This run has restored `path`: where that is an archive, nothing is known of its folder any more. */
void needed_forget(struct run *run, const char *path);

#endif
