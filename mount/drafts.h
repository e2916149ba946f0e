/* Files that programs write: each is a plain file without a name, its draft, which is stored in the folder when a program
 * closes it. doc/internals/mount.md tells why. */
#ifndef ZIPNN_MOUNT_DRAFTS_H
#define ZIPNN_MOUNT_DRAFTS_H

#include "mounted_view.h"

struct draft {
    pthread_mutex_t lock; /* of what follows it, and of the bytes: writing and storing take turns */
    bool dirty;           /* holds what is not stored */
    int fault;            /* why it could not be stored as it is; 0 */
    int broken; /* why the last write failed; 0. It is not stored: its bytes are not what the program wanted */
    int fd;     /* does not change */
    /* Under the lock of the nodes. */
    unsigned users;
    ino_t number; /* that programs are told: of the file that is stored, if there is one */
};

/* Whose a new file is, and what may be done with it. */
struct ownership {
    uid_t user;
    gid_t group;
    mode_t mode;
};

/* Makes a draft for a new file of a folder. Returns 0 or an errno. */
int draft_new(struct view *view, const char *folder, const struct ownership *owner, struct draft **d);

/* Makes a draft for a file that exists, behind `fd`: with its owner, permissions and attributes, and without bytes. */
int draft_of_file(struct view *view, const char *folder, int fd, struct draft **d);

/* Gives a node a draft that it does not have; it has it until drafts_drop. */
void drafts_attach(struct view *view, struct node *node, struct draft *d);

/* Returns the draft of a node, or NULL. draft_put gives it back. */
struct draft *draft_get(struct view *view, const struct node *node);
void draft_put(struct view *view, struct draft *d);

/* Counts programs that have the node open; each counts as a lookup. drafts_closed returns whether it was the last one and
 * left a draft: then the lookup is the caller's. */
void drafts_opened(struct view *view, struct node *node);
bool drafts_closed(struct view *view, struct node *node);

/* Takes a node's draft away unless somebody has the node open. */
void drafts_drop(struct view *view, struct node *node);

/* Finds the node of a name that has a draft, and counts a lookup. NULL: there is none. */
struct node *drafts_find(struct view *view, const struct node *folder, const char *name);

/* Returns any node that has a draft, or NULL. */
struct node *drafts_any(struct view *view);

/* Tells the number of the file that was stored. */
void draft_number(struct view *view, struct draft *d, ino_t number);

/* Calls `take` for each name of a folder that has a draft. */
void drafts_list(struct view *view, const struct node *folder, void (*take)(void *user, const char *name, ino_t number),
                 void *user);

/* The attributes of a file with a draft. */
struct stat draft_stat(struct view *view, const struct node *node, const struct draft *d);

#endif
