/* zipnn -d URL */
#ifndef ZIPNN_CLI_RESTORE_URL_H
#define ZIPNN_CLI_RESTORE_URL_H

#include "shared/run.h"

/* Restores the archive behind a URL to where the command line says, or to its name in the current folder. */
void restore_url(struct run *run, const char *url);

#endif
