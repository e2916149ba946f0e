/* No archive may need itself. What is known of who was made from whom are the tables of the archives that the caller
 * gave as bases; an original leads back to another when it is that one, or when an archive of it was made, over any
 * number of steps, from that one. Removing the files of both would then lose both. */
#ifndef ZN_ARCHIVE_CIRCLES_H
#define ZN_ARCHIVE_CIRCLES_H

#include "archive/bases.h"

/* Whether any base could lead back to an original of `length` bytes: its digest is worth a pass over it then only. */
zipnn_status zn_circle_possible(struct zn_bases *all, uint64_t length, bool *possible, zipnn_error *err);

/* Finds the archives that lead back to `original`; zn_circle_leads asks about one original, until the next call. */
zipnn_status zn_circle_find(struct zn_bases *all, const struct zn_identity *original, zipnn_error *err);
bool zn_circle_leads(const struct zn_bases *all, const struct zn_identity *original, const struct zn_identity *other);

/* The same for the i-th base. Reads all of one that is no archive if an original that leads back has its length. */
zipnn_status zn_circle_has(struct zn_bases *all, const struct zn_identity *original, size_t i, bool *has,
                           zipnn_error *err);

/* ZIPNN_E_BASE when `original` is to be made from one of n records that lead back to it. */
zipnn_status zn_circle_refuse(struct zn_bases *all, const struct zn_identity *original,
                              const struct zn_base_record *records, unsigned n, zipnn_error *err);

#endif
