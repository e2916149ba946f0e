/* Makes archives that no encoder writes, from doc/format.md. Every frame has a right check, whatever it claims. */
#ifndef ZN_TESTS_SUPPORT_FORGE_H
#define ZN_TESTS_SUPPORT_FORGE_H

#include "format/reference.h"

struct zt_forge {
    uint8_t *data;
    size_t len, cap;
    uint8_t *entries; /* entries of the index */
    size_t n_entries;
    uint64_t original; /* original bytes of all frames */
    uint32_t max_chunk;
};

/* Begins an archive with a header. Memory grows as needed; zt_forge_free releases it. */
void zt_forge_begin(struct zt_forge *f, uint8_t flags, uint32_t max_chunk);
void zt_forge_free(struct zt_forge *f);

/* Appends a frame of any kind. */
void zt_forge_frame(struct zt_forge *f, const uint8_t *body, size_t body_len, uint32_t orig_len);

/* Append chunks: `value` len times, and stored bytes. */
void zt_forge_constant(struct zt_forge *f, uint8_t value, uint32_t len);
void zt_forge_raw(struct zt_forge *f, const void *bytes, uint32_t len);

/* Appends a chunk that copies [off, off + len) of an original (0: its own), whose bytes have this checksum. */
void zt_forge_copy(struct zt_forge *f, uint8_t source, uint64_t off, uint32_t len, uint64_t check);

/* Appends the table of the only base that the archive is made against. */
void zt_forge_base(struct zt_forge *f, const uint8_t xxh3[16], uint64_t length, const char *name);

/* Makes the index say that the last frame has so many original bytes. */
void zt_forge_list_as(struct zt_forge *f, uint32_t orig_len);

/* Appends index and trailer. If xxh3 is NULL, the digest is zeros. */
void zt_forge_end(struct zt_forge *f, const uint8_t xxh3[16]);

/* Return digests for forged chunks: of bytes, or of `len` times one value, which need no memory. */
uint64_t zt_check_of(const void *bytes, size_t len);
void zt_digest_of(const void *bytes, size_t len, uint8_t xxh3[16]);

#endif
