/* Runs another program and reads what it says. */
#ifndef ZIPNN_CLI_CHILD_H
#define ZIPNN_CLI_CHILD_H

#include <stdbool.h>
#include <stddef.h>

/* What became of it. */
enum child_end { CHILD_DONE, CHILD_FAILED, CHILD_TOO_LONG, CHILD_MISSING };

/* Runs argv[0], found by PATH unless it has a slash, with nothing on standard input. The start of what it writes to
 * standard output and standard error becomes said[0, cap), a string. After `seconds` it is killed. CHILD_DONE: it ended
 * with 0. CHILD_MISSING: it could not be started. */
enum child_end child_run(char *const argv[], int seconds, char *said, size_t cap);

#endif
