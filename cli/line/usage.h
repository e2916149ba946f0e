/* --help */
#ifndef ZIPNN_CLI_USAGE_H
#define ZIPNN_CLI_USAGE_H

/* Prints a summary of all commands and options; or, for one command, what it does and which options go with it. */
void usage_print(const char *command);

#endif
