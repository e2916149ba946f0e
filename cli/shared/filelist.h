/* Reads the names of files from a list. */
#ifndef ZIPNN_CLI_FILELIST_H
#define ZIPNN_CLI_FILELIST_H

#include "shared/run.h"

/* Appends the names that --filelist gives: one in each line, or with -0 each before a zero byte. Empty ones are left
 * out. "-" is a file of that name. What cannot be read is reported. */
void filelist_read(struct run *run, struct paths *names);

#endif
