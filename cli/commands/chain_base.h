/* Which step of a chain a new one is made against. */
#ifndef ZIPNN_CLI_CHAIN_BASE_H
#define ZIPNN_CLI_CHAIN_BASE_H

#include "commands/chain_steps.h"

/* Returns the step for a new one that is called `name`; NO_STEP: it stands alone. With `every` (0: not given) every
 * every-th step does. */
size_t chain_base(const struct steps *steps, const char *name, size_t every);

#endif
