/* Replaces a file where it lies: its name, the links to it and all that is known of it stay. */
#ifndef ZIPNN_CLI_PLACE_H
#define ZIPNN_CLI_PLACE_H

#include "shared/run.h"

struct place {
    char *path;          /* of the file itself: symbolic links were followed */
    struct node node;    /* the file that is to be replaced */
    unsigned long names; /* hard links to it, this one included */
};

/* Finds the file that `path` leads to. It must be a regular file. place_free must follow, also after a failure. */
zipnn_status place_find(const char *path, struct place *place, zipnn_error *err);
void place_free(struct place *place);

/* Starts the new file beside the old one, which is open as `old`. Its owner, group, permissions, times and extended
 * attributes become those of the old one, and it will be synced. Without -f these are errors: other names of the file,
 * which would keep the old content, and an owner, group or attribute that the new file cannot get. */
zipnn_status place_open(struct run *run, const struct place *place, const zipnn_file *old, zipnn_file **file,
                        zipnn_error *err);

/* Must be called before the new file is committed. Locks the folder and makes sure that the name still leads to the old
 * file. */
zipnn_status place_hold(struct run *run, const struct place *place, zipnn_error *err);

#endif
