/* What programs of ours left behind when they were killed. */
#ifndef ZIPNN_MOUNT_LEFTOVERS_H
#define ZIPNN_MOUNT_LEFTOVERS_H

#include "source_tree.h"

/* Removes the temporary files of a tree that no process has open, and says so; it names those that it cannot remove. */
void remove_leftovers(const struct source_tree *tree);

#endif
