/* Chooses which files of a folder are compressed. */
#ifndef ZIPNN_CLI_CANDIDATES_H
#define ZIPNN_CLI_CANDIDATES_H

#include "shared/run.h"

/* Returns what a file looks like, whatever its name is. */
enum looks { LOOKS_OTHER, LOOKS_MODEL, LOOKS_CUT /* a model that is shorter than its header says */ };
enum looks worth_look(struct run *run, const char *path);

/* Returns a warning if a file that is named like a model is something else (a Git LFS pointer, an HTML page), or NULL.
 * */
const char *worth_what_instead(const char *path);

/* Returns whether the archive of a file is there and up to date. An archive gets the times of its original; one with other
 * times, or whose original has another length, was made from something else. */
bool worth_is_done(struct run *run, const char *path);

/* Returns whether compressing pays. WORTH_DONE: its archive is there already. A file that cannot be read is WORTH_IT:
 * the attempt then reports why. */
enum worth { WORTH_IT, WORTH_DONE, WORTH_NOTHING /* it would shrink by less than 1 % */ };
enum worth worth_compressing(struct run *run, const char *path);

/* Estimates whether a file would shrink by less than 1 %, with the bases that an archive at `output` would get. */
bool worth_gains_little(struct run *run, const char *path, const char *output);

#endif
