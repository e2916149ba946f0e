/* What people and programs see of a chain. */
#ifndef ZIPNN_CLI_CHAIN_VIEW_H
#define ZIPNN_CLI_CHAIN_VIEW_H

#include "commands/chain_steps.h"

/* Prints a line for each step. */
void chain_list(const struct run *run, const struct steps *steps);

/* Draws the run: how large each step is, and what it is made from; with --html as a page. */
zipnn_status chain_inspect(struct run *run, const struct steps *steps, zipnn_error *err);

#endif
