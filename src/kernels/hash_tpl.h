/* Hashing while something else is fetched, by an instruction set's own XXH3. Its hash_*.c includes this once, after the
 * library's header.
 */

/* Decoding with AVX-512 is bound by memory, as is encoding now and then, and hashing is when memory has least to do: a
 * quarter of what comes next, 18 lines for every 4 KiB, gained 7 % of decoding and 2 to 4 % of encoding; 9 or 36 lines
 * half of that, and all of them lost 10 %. Decoding with AVX2 has no need of it and lost 2 %. */
static inline uint64_t hash_fetching(const void *data, size_t len, struct zn_ahead *ahead) {
    enum { STEP = 4096 };
    const uint8_t *p = data;
    const size_t fetched = (size_t)ahead->lines * 64;
    if (ahead->len < len / STEP * fetched || fetched == 0) return XXH3_64bits(data, len);
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (; len >= STEP; p += STEP, len -= STEP) {
        for (size_t i = 0; i < fetched; i += 64) __builtin_prefetch(ahead->at + i, 0, 2);
        XXH3_64bits_update(&state, p, STEP);
        ahead->at += fetched;
        ahead->len -= fetched;
    }
    XXH3_64bits_update(&state, p, len);
    return XXH3_64bits_digest(&state);
}
