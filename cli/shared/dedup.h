/* --dedup: of the files of a run, what another one holds already is stored as a reference to it. */
#ifndef ZIPNN_CLI_DEDUP_H
#define ZIPNN_CLI_DEDUP_H

#include "shared/run.h"

/* Notes an archive of this run, also one that was there before. If it stands alone, later files may be made against it. One
 * that needs another is no base, so that to restore a file takes one other at most. */
void dedup_note(struct run *run, const char *archive);

/* Finds the few noted archives that have most elements in tensors of the same lengths as the file, the best first. The
 * caller frees the list. */
void dedup_near(struct run *run, const char *path, struct paths *near);

/* Frees what was noted. */
void dedup_free(struct run *run);

#endif
