/* The layout of records: blocks of fixed size that fall apart into fields (doc/format.md, section 5). */
#ifndef ZN_CHUNK_RECORDS_H
#define ZN_CHUNK_RECORDS_H

#include "format/fields.h"

/* Returns the record of a block type; a record without fields for other types. */
struct zn_record zn_record_of_dtype(zipnn_dtype dtype);

/* Move one field of n records, which stands at src in the first record, to its planes of n * len bytes, and back. Bits
 * that a plane should not have are lost, or spoil their byte. */
void zn_field_split(const struct zn_field *f, const uint8_t *src, size_t n, size_t width, uint8_t *const *planes);
void zn_field_merge(const struct zn_field *f, const uint8_t *const *planes, size_t n, size_t width, uint8_t *out);

#endif
