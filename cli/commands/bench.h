/* zipnn bench: speed of compressing and restoring a file in memory. */
#ifndef ZIPNN_CLI_BENCH_H
#define ZIPNN_CLI_BENCH_H

#include "shared/run.h"

/* Measures the file `path`, and reports. */
void bench_file(struct run *run, const char *path);

#endif
