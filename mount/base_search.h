/* Finds the files that a delta was made against. */
#ifndef ZIPNN_MOUNT_BASE_SEARCH_H
#define ZIPNN_MOUNT_BASE_SEARCH_H

#include "opened.h"
#include "source_tree.h"

/* Where bases are looked for: where the archive tells the way to them, in its own folder, then in that of --base-dir if it is given, else in the whole
 * tree. */
struct base_places {
    const struct source_tree *tree;
    const struct source_tree *base_dir; /* NULL: not given */
    struct contexts *contexts;
};

/* Collects candidates for all bases of the archive, and for those that these were made against. Whether they are the
 * right ones is decided by digest when the archive is opened with them. */
void base_search(const struct base_places *places, const struct opened *archive, struct base_set *found);

#endif
