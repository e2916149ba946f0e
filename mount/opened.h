/* One archive that is open for reading, by any number of threads. */
#ifndef ZIPNN_MOUNT_OPENED_H
#define ZIPNN_MOUNT_OPENED_H

#include <pthread.h>
#include <stdatomic.h>
#include <zipnn/zipnn.h>

#include "contexts.h"
#include "stamp.h"

enum { MAX_REPORTED = 1000 };

/* The files that a delta is read with. */
struct base_set {
    zipnn_file *file[64];
    int fd[64];
    zipnn_source source[64];
    struct stamp stamp[64];
    size_t n;
};

struct opened {
    struct stamp stamp;
    zipnn_archive_info info;
    zipnn_archive *archive;
    char *path; /* below the root, for messages and for the search of bases */
    int fd;
    zipnn_file *file;
    const unsigned char *map; /* the file in memory; NULL: it is read */
    zipnn_ctx *own;           /* of a delta: the context that has its bases */
    struct base_set bases;
    atomic_bool torn; /* pages of its mapping may be zeros for good */
    /* Kept by archives.c. */
    uint64_t serial; /* no other archive has it, also later */
    unsigned refs;
    uint64_t weight; /* bytes of memory, about */
    struct opened *previous, *next;
    /* Under `lock`: whether all of it was tested, and chunks whose damage has been said. */
    pthread_mutex_t lock;
    enum { OPENED_UNTESTED, OPENED_SOUND, OPENED_DAMAGED } tested;
    uint64_t reported[MAX_REPORTED];
    unsigned n_reported;
};

/* Opens the archive behind fd, which then belongs to it, also after a failure. Returns NULL if it is no archive of this
 * format, or cannot be opened. */
struct opened *opened_new(int fd, const char *path, struct contexts *contexts, zipnn_error *err);

/* Opens it anew with bases, which then belong to it, also after a failure. */
zipnn_status opened_with_bases(struct opened *o, const struct base_set *bases, zipnn_error *err);
void opened_free(struct opened *o);

/* Adds the file behind fd, which then belongs to the set, also after a failure. */
zipnn_status base_set_add(struct base_set *set, int fd, const char *path, zipnn_error *err);
void base_set_close(struct base_set *set);

/* Returns whether the first bytes of a file are those of an archive; *needs_bases: of one that may need others. */
bool begins_like_archive(int fd, bool *needs_bases);

/* The same, and whether its last bytes are those of an archive, too. */
bool looks_like_archive(int fd, off_t size, bool *needs_bases);

/* Files are mapped, and somebody may cut one short: the handler of SIGBUS then replaces the page by zeros, and says so
 * here before and after it. Safe in a signal handler. */
void opened_cut_begins(void);
void opened_cut_ends(void);

/* Decodes original bytes. ZIPNN_E_BASE if the archive or a base changed since it was opened, also meanwhile. Zeros of
 * replaced pages are never taken for bytes of the archive. */
zipnn_status opened_read(struct opened *o, struct contexts *contexts, uint64_t off, uint64_t len, void *to,
                         zipnn_error *err);

/* Tests all of it, once: whoever comes meanwhile waits. Damage is said. Returns whether it is sound. */
bool opened_is_sound(struct opened *o, struct contexts *contexts);

/* Says that a chunk is damaged, once. */
void opened_report(struct opened *o, uint64_t chunk, const zipnn_error *err);

#endif
