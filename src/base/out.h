/* A bounded writer: the twin of zn_cur. Writing past the end writes nothing and sticks; ask once at the end. */
#ifndef ZN_BASE_OUT_H
#define ZN_BASE_OUT_H

#include "base/bytes.h"

struct zn_out {
    uint8_t *start, *at, *end;
    bool full;
};

static inline struct zn_out zn_out_of(void *data, size_t cap) {
    return (struct zn_out){(uint8_t *)data, (uint8_t *)data, (uint8_t *)data + cap, false};
}

static inline size_t zn_out_len(const struct zn_out *o) {
    return (size_t)(o->at - o->start);
}
static inline size_t zn_out_left(const struct zn_out *o) {
    return (size_t)(o->end - o->at);
}

/* Room for `len` bytes to be filled by the caller, or NULL (and stuck). */
static inline uint8_t *zn_out_room(struct zn_out *o, size_t len) {
    if (o->full || len > zn_out_left(o)) {
        o->full = true;
        return NULL;
    }
    uint8_t *p = o->at;
    o->at += len;
    return p;
}

static inline void zn_out_u8(struct zn_out *o, uint8_t v) {
    uint8_t *p = zn_out_room(o, 1);
    if (p) *p = v;
}
static inline void zn_out_u16(struct zn_out *o, uint16_t v) {
    uint8_t *p = zn_out_room(o, 2);
    if (p) zn_put_u16(p, v);
}
static inline void zn_out_u32(struct zn_out *o, uint32_t v) {
    uint8_t *p = zn_out_room(o, 4);
    if (p) zn_put_u32(p, v);
}
static inline void zn_out_u64(struct zn_out *o, uint64_t v) {
    uint8_t *p = zn_out_room(o, 8);
    if (p) zn_put_u64(p, v);
}
static inline void zn_out_bytes(struct zn_out *o, const void *data, size_t len) {
    uint8_t *p = zn_out_room(o, len);
    if (p && len) memcpy(p, data, len);
}

#endif
