/* zipnn chain: the checkpoints of a run in a folder, most of them as their difference from the one before. */
#ifndef ZIPNN_CLI_CHAIN_H
#define ZIPNN_CLI_CHAIN_H

#include "shared/run.h"

/* Carries out run->args->files: DIR VERB [OPERAND...]. */
void chain_run(struct run *run);

#endif
