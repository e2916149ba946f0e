/* Runs a command that sees views which nobody else sees. */
#ifndef ZIPNN_MOUNT_RUN_COMMAND_H
#define ZIPNN_MOUNT_RUN_COMMAND_H

#include "serve.h"

enum { MOST_MOUNTS = 16 };

struct run_mounts {
    const char *words[MOST_MOUNTS]; /* FOLDER[:POINT] */
    unsigned n;
};

/* Returns false if there are too many. */
bool run_mounts_add(struct run_mounts *mounts, const char *word);

/* Returns the exit status of the command; does not return if a signal ended it. */
int run_command(const struct run_mounts *mounts, const struct wishes *wishes, const char *log, char **command);

#endif
