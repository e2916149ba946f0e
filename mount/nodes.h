/* What the kernel knows of the view: names it has looked up. */
#ifndef ZIPNN_MOUNT_NODES_H
#define ZIPNN_MOUNT_NODES_H

#include <pthread.h>
#include <stdint.h>

#include "stamp.h"

enum node_kind { NODE_FOLDER, NODE_PLAIN, NODE_ARCHIVE, NODE_LINK, NODE_OTHER };

struct draft;

/* What a name of a folder shows. */
struct shown {
    enum node_kind kind;
    bool suffixed;   /* the file is called NAME.znn */
    bool unreadable; /* an archive under a name without suffix that cannot be read */
    struct stat st;  /* as the view tells it */
    uint8_t xxh3[16], sha256[32];
    bool has_sha256;
    int level;
};

struct node {
    struct node *parent, *next; /* NULL for the root; next of its slot */
    struct shown shown;
    struct stamp opened; /* plain: the file when it was last opened */
    uint64_t lookups, n_children;
    char *name;
    /* Of a view that is written to: */
    bool gone;          /* its name was removed, or leads to another file */
    unsigned n_handles; /* that programs have open */
    struct draft *draft;
    struct node *next_drafted;
};

enum { N_NODE_SLOTS = 16384 };

struct nodes {
    pthread_mutex_t lock;
    struct node *root, *slots[N_NODE_SLOTS];
    struct node *drafted; /* all that have a draft */
};

/* Returns 0 or ENOMEM. */
int nodes_init(struct nodes *all, const struct stat *root);
void nodes_destroy(struct nodes *all);

/* Finds or makes the node of a name, and counts a lookup. A name that leads to another file, or to an archive of other
 * content, than before gets a new node: what is open stays what it was. NULL: no memory. */
struct node *nodes_add(struct nodes *all, struct node *parent, const char *name, const struct shown *shown);

/* Makes a node of a name, which other nodes may have had before, and counts a lookup. NULL: no memory. */
struct node *nodes_new(struct nodes *all, struct node *parent, const char *name, const struct shown *shown);

/* Tells that a name leads nowhere any more: its nodes stay as long as the kernel needs them. */
void nodes_remove(struct nodes *all, const struct node *parent, const char *name);

/* The same for one node. */
void nodes_lose(struct nodes *all, struct node *node);

/* Gives the nodes of a name another one, whose own nodes lead nowhere from then on; without memory they lead nowhere
 * either, until they are looked up again. */
void nodes_rename(struct nodes *all, struct node *parent, const char *name, struct node *new_parent,
                  const char *new_name);

/* Tells how a renamed file is shown: its nodes go on standing for it, with or without suffix. */
void nodes_renamed(struct nodes *all, const struct node *parent, const char *name, const struct shown *shown);

/* Returns whether the node is what is shown now. */
bool node_is(const struct node *node, const struct shown *shown);

void nodes_forget(struct nodes *all, struct node *node, uint64_t lookups);

/* Returns whether the name of the node, or of a folder that it is in, was removed. */
bool nodes_gone(struct nodes *all, const struct node *node);

/* Returns the path of a node below the root, to be freed; NULL: no memory. */
char *nodes_path(struct nodes *all, const struct node *node);

struct shown nodes_shown(struct nodes *all, const struct node *node);
void nodes_update(struct nodes *all, struct node *node, const struct shown *shown);

/* Notes that a plain file is opened; returns whether it is as it was when it was opened last. */
bool nodes_note_opened(struct nodes *all, struct node *node, const struct stat *st);

#endif
