/* No archive may need itself. The tables of the archives that the caller gave tell which original was made from which.
 * An original leads back to another if it is that one, or if an archive of it was made from that one, over any number
 * of steps. If an archive were made in a circle and the files removed, both originals would be lost. */
#ifndef ZN_ARCHIVE_CIRCLES_H
#define ZN_ARCHIVE_CIRCLES_H

#include "archive/bases.h"

/* Tells whether any base could lead back to an original of `length` bytes. Only then is it worth computing its digest.
 */
zipnn_status zn_circle_possible(struct zn_bases *all, uint64_t length, bool *possible, zipnn_error *err);

/* Finds the archives that lead back to `original`; zn_circle_leads asks about one original, until the next call. */
zipnn_status zn_circle_find(struct zn_bases *all, const struct zn_identity *original, zipnn_error *err);
bool zn_circle_leads(const struct zn_bases *all, const struct zn_identity *original, const struct zn_identity *other);

/* Tells the same of the i-th base. A base that is no archive is read as a whole if an original that leads back has its
 * length. */
zipnn_status zn_circle_has(struct zn_bases *all, const struct zn_identity *original, size_t i, bool *has,
                           zipnn_error *err);

/* Returns ZIPNN_E_BASE if one of the n records, from which `original` is to be made, leads back to it. */
zipnn_status zn_circle_refuse(struct zn_bases *all, const struct zn_identity *original,
                              const struct zn_base_record *records, unsigned n, zipnn_error *err);

#endif
