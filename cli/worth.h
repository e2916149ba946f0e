/* Which files of a folder are compressed. */
#ifndef ZIPNN_CLI_WORTH_H
#define ZIPNN_CLI_WORTH_H

#include "run.h"

/* Whether a reader of the library recognises the file as one of model weights, whatever its name. */
bool worth_is_model(struct run *run, const char *path);

/* NULL when the file should be compressed, otherwise why not: its archive is there already, or would be hardly smaller.
 * What cannot be read is worth a try: that explains. */
const char *worth_why_not(struct run *run, const char *path);

#endif
