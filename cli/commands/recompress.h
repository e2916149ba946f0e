/* zipnn recompress: archives move to another level. */
#ifndef ZIPNN_CLI_RECOMPRESS_H
#define ZIPNN_CLI_RECOMPRESS_H

#include "shared/run.h"

/* Replaces the archive `path` by one of the level asked for, or writes that to -o or -c, and reports. */
void recompress_file(struct run *run, const char *path);

#endif
