/* Opens what a command reads. */
#ifndef ZIPNN_CLI_INPUT_H
#define ZIPNN_CLI_INPUT_H

#include <stdbool.h>

#include "zipnn/zipnn.h"

/* Returns whether `path` is "-", which stands for standard input. */
bool input_is_stdin(const char *path);

/* Opens `path`, or standard input. */
zipnn_status input_open(const char *path, zipnn_file **in, zipnn_error *err);

#endif
