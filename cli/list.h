/* zipnn -l */
#ifndef ZIPNN_CLI_LIST_H
#define ZIPNN_CLI_LIST_H

#include "run.h"

/* The line above the table; nothing for JSON. */
void list_head(const struct run *run);

/* Lists the archive `path`, and reports failures. */
void list_file(struct run *run, const char *path);

#endif
