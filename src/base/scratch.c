#include "base/scratch.h"

#include <assert.h>

#include "base/bytes.h"
#include "base/redzone.h"

enum { ALIGN = 64, GAP = 64 };

void zn_scratch_carve(struct zn_scratch *s, struct zn_arena *arena, size_t cap) {
    *s = (struct zn_scratch){zn_carve(arena, cap), cap, 0};
    if (s->base) ZN_FORBID(s->base, cap);
}

void *zn_scratch_take(struct zn_scratch *s, size_t len) {
    uint8_t *p = s->base + s->used;
    s->used += (len + ALIGN - 1) / ALIGN * ALIGN + GAP;
    assert(s->used <= s->cap);
    ZN_ALLOW(p, len);
    return p;
}

void zn_scratch_back(struct zn_scratch *s, size_t mark) {
    ZN_FORBID(s->base + mark, s->used - mark);
    s->used = mark;
}
