/* The originals that a caller gave as bases: files as they are, or archives. They are opened when an archive asks for
 * one, and found by digest, never by name. */
#ifndef ZN_ENGINE_BASES_H
#define ZN_ENGINE_BASES_H

#include "engine/origin.h"

enum { ZN_MAX_CHAIN = 64 /* archives one behind the other */ };

struct zn_base {
    struct zn_input in;
    const char *name; /* "" for none */
    struct zn_origin origin;
    struct zn_toc toc;
    struct zn_place *places;
    struct zn_base_record *records;
    uint8_t xxh3[16];
    bool sighted; /* origin.length is known, and whether it is an archive */
    bool digested;
    enum { ZN_BASE_CLOSED, ZN_BASE_OPENING, ZN_BASE_OPEN } state;
};

/* Copies the sources; on failure nothing is owned. zn_bases_destroy accepts a zeroed struct. */
zipnn_status zn_bases_create(const zipnn_allocator *alloc, const zipnn_source *sources, const char *const *names,
                             size_t n, struct zn_bases *bases, zipnn_error *err);
void zn_bases_destroy(const zipnn_allocator *alloc, struct zn_bases *bases);

/* Makes the i-th base ready to be read, together with those that it is made against: all of them must have been given.
 */
zipnn_status zn_base_open(struct zn_engine *e, size_t i, zipnn_error *err);

/* What a table says of the i-th base, which is open. Reads all of a base that is no archive. */
zipnn_status zn_base_identify(struct zn_engine *e, size_t i, struct zn_base_record *record, zipnn_error *err);

enum zn_missing { ZN_MISSING_FAILS, ZN_MISSING_STAYS_NULL };

/* Reads the table of the archive from its first frame and finds its bases among those given: origin->records (to be
 * freed with zn_free), bases and what follows from them. Nothing is done when the header knows of no bases. */
zipnn_status zn_origin_resolve(struct zn_engine *e, struct zn_origin *origin, const uint8_t *frame,
                               const struct zn_place *place, enum zn_missing missing, struct zn_base_record **records,
                               zipnn_error *err);

/* The same, with the frame read from a random-access archive; a header without bases will do, too. */
zipnn_status zn_origin_resolve_from(struct zn_engine *e, struct zn_origin *origin, enum zn_missing missing,
                                    struct zn_base_record **records, zipnn_error *err);

#endif
