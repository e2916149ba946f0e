/* Which part of a list one of many processes works on. */
#ifndef ZIPNN_CLI_SHARD_H
#define ZIPNN_CLI_SHARD_H

#include "line/parser.h"

/* Parses the value of --shard: "I/N", or "auto" or "auto/N", where the variables of Slurm, Kubernetes or GNU parallel tell I.
 * Returns false after say_wrong. */
bool shard_parse(const char *text, struct args *args, struct wrong *wrong);

#endif
