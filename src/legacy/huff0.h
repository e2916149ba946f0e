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

/* Scratch of the decoder, with any contents. */
struct zn_huff0_table {
    struct {
        uint8_t symbol, length;
    } cell[1 << ZN_HUFF0_MAX_LOG]; /* cells by the next `log` bits */
    unsigned log;
};

/* Decodes the block src[0, len) into dst[0, n). `at` is the offset of src in the input, for messages. */
zipnn_status zn_huff0_decode(struct zn_huff0_table *table, const uint8_t *src, size_t len, uint8_t *dst, size_t n,
                             uint64_t at, zipnn_error *err);

/* Scratch of the encoder, with any contents. */
struct zn_huff0_code {
    uint16_t code[256];
    uint8_t length[256];
};

/* The longest output of the encoder, before it decides whether to keep it. */
#define ZN_HUFF0_BOUND (2 * ZN_HUFF0_MAX_BLOCK + 512)

/* Encodes src[0, n) into dst[0, ZN_HUFF0_BOUND), byte for byte as the coder of the Python package did. One byte encodes
 * a run of it. Returns false when that coder gave up, in which case the bytes are to be stored. */
bool zn_huff0_encode(struct zn_huff0_code *code, const uint8_t *src, size_t n, uint8_t *dst, size_t *len);

/* Writes the tree description of `code`, whose longest code has `log` bits, for symbols 0 to `last`; at most 129 bytes.
 * Returns false when the tree has no description. */
bool zn_huff0_write_tree(const struct zn_huff0_code *code, unsigned log, unsigned last, uint8_t *dst, size_t *len);

#endif
