/* A bounded cursor over untrusted bytes. A short read gives zero and sticks: parse a record straight through, ask once.
 */
#ifndef ZN_BASE_CUR_H
#define ZN_BASE_CUR_H

#include "base/bytes.h"

struct zn_cur {
    const uint8_t *at, *end;
    bool bad;
};

static inline struct zn_cur zn_cur_of(const void *data, size_t len) {
    return (struct zn_cur){(const uint8_t *)data, (const uint8_t *)data + len, false};
}

static inline bool zn_cur_ok(const struct zn_cur *c) {
    return !c->bad;
}
static inline size_t zn_cur_left(const struct zn_cur *c) {
    return (size_t)(c->end - c->at);
}

/* Returns the next `len` bytes; NULL, and the cursor is stuck, if fewer remain. */
static inline const uint8_t *zn_cur_take(struct zn_cur *c, uint64_t len) {
    if (c->bad || len > zn_cur_left(c)) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *p = c->at;
    c->at += len;
    return p;
}

static inline uint8_t zn_cur_u8(struct zn_cur *c) {
    const uint8_t *p = zn_cur_take(c, 1);
    return p ? *p : 0;
}
static inline uint16_t zn_cur_u16(struct zn_cur *c) {
    const uint8_t *p = zn_cur_take(c, 2);
    return p ? zn_get_u16(p) : 0;
}
static inline uint32_t zn_cur_u32(struct zn_cur *c) {
    const uint8_t *p = zn_cur_take(c, 4);
    return p ? zn_get_u32(p) : 0;
}
static inline uint64_t zn_cur_u64(struct zn_cur *c) {
    const uint8_t *p = zn_cur_take(c, 8);
    return p ? zn_get_u64(p) : 0;
}

/* Returns whether `count` records of at least `each` bytes can still follow. Ask before a count sizes a loop or an
 * allocation. */
static inline bool zn_cur_count(struct zn_cur *c, uint64_t count, size_t each) {
    if (c->bad || count > zn_cur_left(c) / each) c->bad = true;
    return !c->bad;
}

#endif
