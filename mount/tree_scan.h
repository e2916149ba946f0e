/* What a view that is written to must know of its folder before it begins. */
#ifndef ZIPNN_MOUNT_TREE_SCAN_H
#define ZIPNN_MOUNT_TREE_SCAN_H

#include "needs.h"
#include "source_tree.h"

/* Goes through the whole folder:
 *  - temporary files of ours that no process has open are removed, and that is said; others are named;
 *  - what archives were made against is noted. */
void tree_scan(const struct source_tree *tree, struct needs *needs, struct contexts *contexts);

#endif
