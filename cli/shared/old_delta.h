/* Deltas of the package zipnn 0.x: they hold neither a digest nor the name of the file that they were made against. */
#ifndef ZIPNN_CLI_OLD_DELTA_H
#define ZIPNN_CLI_OLD_DELTA_H

#include "shared/run.h"

/* Refuses --rm for an old delta, `archive`: with another base of the same length it restores to other bytes, and
 * nothing would tell. Anything else is ZIPNN_OK. */
zipnn_status old_delta_refuse_to_remove(const struct run *run, zipnn_file *archive, zipnn_error *err);

/* Says on standard error, once in a run, that nothing tells whether the base is the right one, when `archive` is an old
 * delta, or an old record that cannot be looked at again. */
void old_delta_warn(struct run *run, const zipnn_source *archive);

#endif
