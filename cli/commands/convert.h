/* Compress, restore, test: one file through the library. */
#ifndef ZIPNN_CLI_CONVERT_H
#define ZIPNN_CLI_CONVERT_H

#include "shared/run.h"

/* Compresses or restores `path` ("-" is standard input) as run->args says, and reports. */
void convert_file(struct run *run, const char *path);

/* Deletes `path`, of which there is an archive already, once that was verified like a new one, and reports. */
void convert_remove_compressed(struct run *run, const char *path);

/* Decodes the archive `path`, and reports. */
void test_file(struct run *run, const char *path);

/* Opens `path`, or standard input for "-". */
zipnn_status convert_open_input(const char *path, zipnn_file **in, zipnn_error *err);

#endif
