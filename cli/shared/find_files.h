/* Finds the files that the command line names, also those in folders. */
#ifndef ZIPNN_CLI_FIND_FILES_H
#define ZIPNN_CLI_FIND_FILES_H

#include "shared/run.h"

/* Calls `each` for every file that is named, and, with -r, for every file of a named folder that suits the operation,
 * sorted by path. A file that cannot be read is reported and left out. */
void for_each_file(struct run *run, void (*each)(struct run *run, const char *path));

#endif
