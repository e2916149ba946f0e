/* Deltas of the package zipnn 0.x: they hold neither a digest nor the name of the file that they were made against. */
#ifndef ZIPNN_CLI_OLD_DELTA_H
#define ZIPNN_CLI_OLD_DELTA_H

#include "shared/run.h"

/* Refuses --rm if `archive` is a delta of zipnn 0.x: with a wrong base of the same length it restores to wrong bytes,
 * and nothing shows that. Returns ZIPNN_OK for anything else. */
zipnn_status old_delta_refuse_to_remove(const struct run *run, zipnn_file *archive, zipnn_error *err);

/* Warns once in a run that nothing shows whether the base is the right one, if `archive` is such a delta, or a record
 * from a pipe, which cannot be read again. */
void old_delta_warn(struct run *run, const zipnn_source *archive);

#endif
