/* Protects files that archives need as bases. */
#ifndef ZIPNN_CLI_NEEDED_H
#define ZIPNN_CLI_NEEDED_H

#include "shared/run.h"

/* Returns ZIPNN_E_ARGUMENT if an archive needs the file at `path`, which is about to be replaced: the archive could not
 * be restored any more. It looks at the archives beside the file, in the folder of --base-dir, and in folders that -r
 * works on. `original` is the XXH3-128 of what the new file restores to if that is an archive (an archive of the same
 * original may take the place), else NULL. The folder of an existing file stays locked until it is replaced, so that
 * nobody makes a delta from it meanwhile. */
zipnn_status needed_refuse(struct run *run, const char *path, const uint8_t *original, zipnn_error *err);

/* Does the same for a file that is about to be removed. */
zipnn_status needed_refuse_removal(struct run *run, const char *path, zipnn_error *err);

/* Must be called when this run has restored `path`. If that is an archive, what was known of its folder is forgotten.
 * */
void needed_forget(struct run *run, const char *path);

#endif
