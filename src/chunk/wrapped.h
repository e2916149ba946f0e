/* Chunks that are made of other chunks: what repeats, or follows from earlier bytes, is taken out, and the rest is a
 * chunk of its own (doc/format.md, section 5.1). */
#ifndef ZN_CHUNK_WRAPPED_H
#define ZN_CHUNK_WRAPPED_H

#include "chunk/chunk.h"

/* Decodes a chunk inside `outer`, whose body has the bytes [from, from + len), to out[0, orig_len). It must not be of
 * layout REPEATS; it may be of another layout of CHUNKS, or of VALUES, only inside REPEATS. */
zipnn_status zn_inner_decode(struct zn_coder *coder, const struct zn_body *outer, struct zn_cur from, uint8_t *out,
                             uint32_t orig_len, zipnn_error *err);

enum {
    ZN_MAX_FREQUENT = 255,
    ZN_RUN_LEN = 12,
    ZN_MADE_HEAD = 4096 /* room for what differences or frequent values write besides the chunks inside */
};

enum zn_difference { ZN_DIFFERENCE_DELTA = 1, ZN_DIFFERENCE_ZIGZAG = 2 }; /* flags */

/* Return and set elements of 1 << width_log2 bytes. */
static inline uint64_t zn_element_get(const uint8_t *p, unsigned width_log2) {
    switch (width_log2) {
        case 0:
            return *p;
        case 1:
            return zn_get_u16(p);
        case 2:
            return zn_get_u32(p);
        default:
            return zn_get_u64(p);
    }
}

static inline void zn_element_put(uint8_t *p, unsigned width_log2, uint64_t value) {
    switch (width_log2) {
        case 0:
            *p = (uint8_t)value;
            break;
        case 1:
            zn_put_u16(p, (uint16_t)value);
            break;
        case 2:
            zn_put_u32(p, (uint32_t)value);
            break;
        default:
            zn_put_u64(p, value);
    }
}

#endif
