/* The originals that a caller gave as bases: files as they are, or archives. They are opened when an archive asks for
 * one, and found by digest, never by name. */
#ifndef ZN_ARCHIVE_BASES_H
#define ZN_ARCHIVE_BASES_H

#include "archive/original.h"

enum { ZN_MAX_CHAIN = 64 /* archives one behind the other */ };

/* Length and digest: two originals that agree in both are taken for the same. */
struct zn_identity {
    uint64_t length;
    uint8_t xxh3[16];
};

/* Each file is looked at once, whoever asks for it. What is wrong with it is remembered. */
enum zn_base_state {
    ZN_BASE_UNSEEN,
    ZN_BASE_SIGHTED, /* the length of its original is known, and whether it is an archive */
    ZN_BASE_WAITING, /* its table is known, and not all of its own bases are open */
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
    unsigned n_missing; /* waiting: how many of its records have no open base */
    bool asked;         /* waiting: its own bases were asked for */
    struct zn_base *next;
    zipnn_error fault; /* failed: why */
    /* What zn_base_know has found, for circles.h. */
    bool looked_at, known;       /* known: it can be read */
    struct zn_identity identity; /* of its original; the digest of archives only */
    struct zn_identity *made_from;
    unsigned n_made_from;
    bool leads_back;              /* whether it leads back to the original asked about last ... */
    struct zn_base *next_leading; /* ... and the next base that does */
};

/* All that a context was given. */
struct zn_bases {
    const struct zn_engine *e; /* for memory and kernels */
    struct zn_base *base;
    size_t n;     /* bases that may be read ... */
    size_t n_all; /* ... and with those behind them, which only tell what they were made from */
};

/* Copies the sources of options->bases and options->known; on failure nothing is owned. zn_bases_destroy accepts a
 * zeroed struct. */
zipnn_status zn_bases_create(const struct zn_engine *e, const zipnn_options *options, struct zn_bases *bases,
                             zipnn_error *err);
void zn_bases_destroy(struct zn_bases *bases);

/* Makes the i-th base ready to be read, and the bases that it needs: all of these must have been given. */
zipnn_status zn_base_open(struct zn_bases *all, size_t i, zipnn_error *err);

/* Learns the identity of the i-th base and what it was made from, and keeps no more. Its own bases need not be at hand.
 * A base that cannot be read says nothing: `known` stays false. */
zipnn_status zn_base_know(struct zn_bases *all, size_t i, zipnn_error *err);

/* Fills the record of the i-th base, which is open, for a table. A base that is no archive is read as a whole. */
zipnn_status zn_base_identify(struct zn_bases *all, size_t i, struct zn_base_record *record, zipnn_error *err);

struct zn_identity zn_identity_of(const struct zn_base_record *record);

/* Computes the digest of a whole random-access input. */
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
