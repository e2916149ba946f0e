/* zipnn estimate: what compressing would give. */
#ifndef ZIPNN_CLI_ESTIMATE_H
#define ZIPNN_CLI_ESTIMATE_H

#include "shared/run.h"

/* Estimates the file `path`, and reports. */
void estimate_file(struct run *run, const char *path);

#endif
