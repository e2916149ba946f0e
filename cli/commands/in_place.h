/* --in-place. */
#ifndef ZIPNN_CLI_IN_PLACE_H
#define ZIPNN_CLI_IN_PLACE_H

#include "shared/run.h"

/* Compresses or restores the file at `path` so that the result takes its place. */
void in_place_file(struct run *run, const char *path);

#endif
