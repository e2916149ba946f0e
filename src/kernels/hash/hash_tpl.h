/* Hashing while memory does something else, by an instruction set's own XXH3. Its hash_*.c includes this once, after
 * the library's header and its stream_line(to, from): 64 bytes past the caches to an aligned address.
 */

/* A copy in whole lines past the caches. The bytes before the first line and after the last are stored as usual. */
struct copier {
    uint8_t *to;
    const uint8_t *from;
    size_t len, done;
};

static inline struct copier copier_start(uint8_t *to, const uint8_t *from, size_t len) {
    const size_t head = (size_t)(-(uintptr_t)to % 64);
    struct copier c = {to, from, len, head < len ? head : len};
    if (to && c.done) memcpy(to, from, c.done);
    return c;
}

static inline void copier_reach(struct copier *c, size_t upto) {
    if (!c->to) return;
    for (; c->done + 64 <= upto; c->done += 64) stream_line(c->to + c->done, c->from + c->done);
}

static inline void copier_finish(const struct copier *c) {
    if (c->to && c->done < c->len) memcpy(c->to + c->done, c->from + c->done, c->len - c->done);
}

/* Steps of 1 KiB: of 4 KiB, 1 % less is gained by copying on the way. */
static inline uint64_t hash_passing(const void *data, size_t len, struct zn_ahead *ahead, uint8_t *copy) {
    enum { STEP = 1024 };
    const uint8_t *p = data;
    size_t fetched = (size_t)ahead->lines * 64;
    if (ahead->len < len / STEP * fetched) fetched = 0;
    if (fetched == 0 && !copy) return XXH3_64bits(data, len);
    struct copier copier = copier_start(copy, p, len);
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < STEP ? len - at : STEP;
        if (fetched && n == STEP) {
            for (size_t i = 0; i < fetched; i += 64) __builtin_prefetch(ahead->at + i, 0, 2);
            ahead->at += fetched;
            ahead->len -= fetched;
        }
        XXH3_64bits_update(&state, p + at, n);
        copier_reach(&copier, at + n);
    }
    copier_finish(&copier);
    return XXH3_64bits_digest(&state);
}
