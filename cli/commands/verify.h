/* zipnn verify and zipnn salvage: what is damaged, and what is not. */
#ifndef ZIPNN_CLI_VERIFY_H
#define ZIPNN_CLI_VERIFY_H

#include "shared/run.h"

/* Decodes all of the archive `path` and names what is damaged; compares with a file if run->args says so. */
void verify_file(struct run *run, const char *path);

/* Restores what is intact of the archive `path`, zeros for the rest, and names what is missing. */
void salvage_file(struct run *run, const char *path);

#endif
