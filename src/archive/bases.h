/* The originals that a caller gave as bases: files as they are, or archives. They are opened when an archive asks for
 * one, and found by digest, never by name. */
#ifndef ZN_ARCHIVE_BASES_H
#define ZN_ARCHIVE_BASES_H

#include "archive/original.h"

enum { ZN_MAX_CHAIN = 64 /* archives one behind the other */ };

/* What an original is known by. */
struct zn_identity {
    uint64_t length;
    uint8_t xxh3[16];
};

/* Each file is looked at once, whatever asks for it, and what is wrong with it is remembered. */
enum zn_base_state {
    ZN_BASE_UNSEEN,
    ZN_BASE_SIGHTED, /* the length of its original is known, and whether it is an archive */
    ZN_BASE_WAITING, /* its table is known: for the bases that it is made against itself */
    ZN_BASE_OPEN,
    ZN_BASE_FAILED
};

struct zn_base {
    struct zn_input in;
    const char *name;          /* "" for none */
    struct zn_archive archive; /* archive.self is its original, also if it is no archive */
    uint8_t xxh3[16];
    bool digested;
    enum zn_base_state state;
    unsigned n_missing; /* waiting: of its records, those without a base that is open */
    bool asked;         /* waiting: for these */
    struct zn_base *next;
    zipnn_error fault; /* failed: why */
    /* What zn_base_know has found, for circles.h. */
    bool looked_at, known;       /* known: it can be read */
    struct zn_identity identity; /* of its original; the digest of archives only */
    struct zn_identity *made_from;
    unsigned n_made_from;
    bool leads_back;              /* to the original asked about last ... */
    struct zn_base *next_leading; /* ... and the next one that does */
};

/* All that a context was given. */
struct zn_bases {
    const struct zn_engine *e; /* for memory and kernels */
    struct zn_base *base;
    size_t n;     /* those that may be read ... */
    size_t n_all; /* ... and, behind them, those that only tell what they were made from */
};

/* Copies the sources of options->bases and options->known; on failure nothing is owned. zn_bases_destroy accepts a
 * zeroed struct. */
zipnn_status zn_bases_create(const struct zn_engine *e, const zipnn_options *options, struct zn_bases *bases,
                             zipnn_error *err);
void zn_bases_destroy(struct zn_bases *bases);

/* Makes the i-th base ready to be read, together with those that it is made against: all of them must have been given.
 */
zipnn_status zn_base_open(struct zn_bases *all, size_t i, zipnn_error *err);

/* Learns what the i-th base says of itself, whether or not what it was made from is at hand, and keeps no more than
 * that. One that cannot be read says nothing. */
zipnn_status zn_base_know(struct zn_bases *all, size_t i, zipnn_error *err);

/* What a table says of the i-th base, which is open. Reads all of a base that is no archive. */
zipnn_status zn_base_identify(struct zn_bases *all, size_t i, struct zn_base_record *record, zipnn_error *err);

struct zn_identity zn_identity_of(const struct zn_base_record *record);

/* The digest of all of a random-access input. */
zipnn_status zn_input_digest(const struct zn_engine *e, const struct zn_input *in, uint8_t xxh3[16], zipnn_error *err);

enum zn_missing { ZN_MISSING_FAILS, ZN_MISSING_STAYS_NULL };

/* Reads the table of an archive from its first frame and finds its bases among those given: records, bases and what
 * follows from them. */
zipnn_status zn_archive_resolve(struct zn_bases *all, struct zn_archive *a, const uint8_t *frame,
                                const struct zn_place *place, enum zn_missing missing, zipnn_error *err);

/* The same, with the frame read from a random-access archive, and if its header knows of bases. */
zipnn_status zn_archive_find_bases(struct zn_bases *all, struct zn_archive *a, enum zn_missing missing,
                                   zipnn_error *err);

#endif
