/* zipnn estimate: what compressing would give. */
#ifndef ZIPNN_CLI_ESTIMATE_H
#define ZIPNN_CLI_ESTIMATE_H

#include "run.h"

/* The line above the table; nothing for JSON. */
void estimate_head(const struct run *run);

/* Estimates the file `path`, and reports. */
void estimate_file(struct run *run, const char *path);

#endif
