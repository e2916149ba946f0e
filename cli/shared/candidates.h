/* Which files of a folder are compressed. */
#ifndef ZIPNN_CLI_CANDIDATES_H
#define ZIPNN_CLI_CANDIDATES_H

#include "shared/run.h"

/* What a file looks like, whatever its name. */
enum looks { LOOKS_OTHER, LOOKS_MODEL, LOOKS_CUT /* a model whose header tells of more bytes than there are */ };
enum looks worth_look(struct run *run, const char *path);

/* What a file named like a model is instead, for a line that warns; NULL when it may be one. */
const char *worth_what_instead(const char *path);

/* WORTH_DONE: its archive is there already. What cannot be read is worth a try: that explains. */
enum worth { WORTH_IT, WORTH_DONE, WORTH_NOTHING /* it would be hardly smaller */ };
enum worth worth_compressing(struct run *run, const char *path);

#endif
