/* What an R16 decoder eats: renormalisation bytes, or escaped symbols. A loop asks for reach once per burst and then
 * reads without looking; near the end of a feed its bytes move to a room where zeros follow. What was taken is settled
 * after the burst.
 */
#ifndef ZN_KERNELS_R16_FEED_H
#define ZN_KERNELS_R16_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { ZN_R16_REACH = 2048 }; /* the most bytes that a burst takes of a feed: one for each symbol */

struct zn_r16_feed {
    const uint8_t *p;
    size_t left;
    bool moved;
    uint8_t room[2 * ZN_R16_REACH];
};

static inline void zn_r16_feed_start(struct zn_r16_feed *f, const uint8_t *p, const uint8_t *end) {
    f->p = p;
    f->left = (size_t)(end - p);
    f->moved = false;
}

/* Makes ZN_R16_REACH bytes readable at f->p. */
static inline void zn_r16_feed_reach(struct zn_r16_feed *f) {
    if (f->left >= ZN_R16_REACH || f->moved) return;
    if (f->left) memcpy(f->room, f->p, f->left);
    memset(f->room + f->left, 0, ZN_R16_REACH); /* f->p stays at or before these */
    f->p = f->room;
    f->moved = true;
}

/* Settles a burst that used the bytes before `end`. Returns false if those are more than there were. */
static inline bool zn_r16_feed_take(struct zn_r16_feed *f, const uint8_t *end) {
    size_t n = (size_t)(end - f->p);
    if (n > f->left) return false;
    f->p = end;
    f->left -= n;
    return true;
}

/* The positions of a burst. */
struct zn_r16_cursors {
    const uint8_t *in, *esc;
};

#endif
