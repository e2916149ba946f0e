/* zipnn -l */
#ifndef ZIPNN_CLI_LIST_H
#define ZIPNN_CLI_LIST_H

#include "shared/run.h"

/* Lists the archive `path`, and reports failures. */
void list_file(struct run *run, const char *path);

#endif
