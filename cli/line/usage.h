/* --help */
#ifndef ZIPNN_CLI_USAGE_H
#define ZIPNN_CLI_USAGE_H

/* Prints the summary of all commands and options, or for a command (NULL: none) what it does and what goes with it. */
void usage_print(const char *command);

#endif
