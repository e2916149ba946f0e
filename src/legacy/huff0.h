/* The Huffman coder of the old format: RFC 8878, section 4.2, a tree description and four streams. Blocks hold 12 bytes
 * to 128 KiB. */
#ifndef ZN_LEGACY_HUFF0_H
#define ZN_LEGACY_HUFF0_H

#include "base/bytes.h"
#include "base/err.h"

enum {
    ZN_HUFF0_MAX_BLOCK = 128 << 10, /* bytes that one block restores */
    ZN_HUFF0_MAX_LOG = 12           /* longest code */
};

/* Scratch of the decoder; any contents. */
struct zn_huff0_table {
    struct {
        uint8_t symbol, length;
    } cell[1 << ZN_HUFF0_MAX_LOG]; /* by the next `log` bits */
    unsigned log;
};

/* Decodes the block src[0, len) into dst[0, n). `at` is the offset of src in the input, for messages. */
zipnn_status zn_huff0_decode(struct zn_huff0_table *table, const uint8_t *src, size_t len, uint8_t *dst, size_t n,
                             uint64_t at, zipnn_error *err);

#endif
