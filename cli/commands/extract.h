/* zipnn extract and zipnn cat: parts of an original. */
#ifndef ZIPNN_CLI_EXTRACT_H
#define ZIPNN_CLI_EXTRACT_H

#include "shared/run.h"

/* Writes the tensor that run->args names, or rows of it. */
void extract_file(struct run *run, const char *path);

/* Writes the range of bytes that run->args gives, or all. */
void cat_file(struct run *run, const char *path);

#endif
