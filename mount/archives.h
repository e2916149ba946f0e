/* The archives below the view: which files are some, what is known of them, and those that are open. */
#ifndef ZIPNN_MOUNT_ARCHIVES_H
#define ZIPNN_MOUNT_ARCHIVES_H

#include "base_search.h"
#include "needs.h"
#include "opened.h"

enum { N_FACT_SLOTS = 4096, MAX_FACTS = 65536 };

/* What a look at a regular file has told. It holds as long as nobody changes the file. */
struct facts {
    struct facts *next; /* of its slot */
    struct stamp stamp;
    zipnn_archive_info info; /* of archives */
    enum { FACTS_RAW, FACTS_ARCHIVE, FACTS_DAMAGED, FACTS_BASELESS } kind;
    time_t at; /* when it was found: what lacks its base is looked at again after a second */
};

struct archives {
    struct base_places places;
    struct needs *needs; /* told what archives were made against; NULL: nobody wants to know */
    struct contexts *contexts;
    pthread_mutex_t lock;
    struct facts *facts[N_FACT_SLOTS];
    unsigned n_facts;
    struct opened *newest, *oldest; /* all that are open; those that nobody uses are kept for a while */
    uint64_t n_opened;
    unsigned n_idle;
    uint64_t idle_weight;
};

void archives_init(struct archives *all, const struct base_places *places);
void archives_destroy(struct archives *all);

/* Tells what the regular file behind fd is. `path`, below the root, is for messages and the search of bases. */
struct facts archives_look(struct archives *all, int fd, const struct stat *st, const char *path);

/* Returns what is known of a file without opening it, or false. */
bool archives_known(struct archives *all, const struct stat *st, struct facts *facts);

/* Opens the archive behind fd, which is taken over, also after a failure; one that is open already is shared. Deltas
 * come with their bases. NULL: it cannot be read. archives_put gives it back. */
struct opened *archives_get(struct archives *all, int fd, const char *path, zipnn_error *err);

/* Counts one more user of an archive that the caller has. */
void archives_hold(struct archives *all, struct opened *o);
void archives_put(struct archives *all, struct opened *o);

#endif
