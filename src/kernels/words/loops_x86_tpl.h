/* What the x86 sets share beyond the plain loops. Each includes this once, after loops_tpl.h, with ZN_FN as there and
 * stream_line() defined: it copies 64 bytes to an aligned address, past the caches.
 */

/* ---- merging past the caches ------------------------------------------------------------------------------------- */

typedef void merge_fn(const uint8_t *const *planes, size_t n, uint8_t *out);

enum { BOUNCE = 1024 };

/* Merges into a buffer in the 1st-level cache and streams whole lines from there, so that no shape and no alignment of
 * `out` needs loops of its own; 3 % slower than streaming stores in the loops (20.9 of 21.5 GB/s from hot planes;
 * ordinary stores 9.8). The buffer lies to cache lines as `out` does; what does not fill a line waits in it. */
ZN_FN void merge_stream(merge_fn *merge, enum zn_shape shape, const uint8_t *const *planes, size_t n, uint8_t *out) {
    static const uint8_t width[ZN_N_SHAPES] = {1, 2, 2, 4, 4, 8, 8, 2},
                         n_planes[ZN_N_SHAPES] = {1, 2, 2, 4, 4, 8, 8, 3};
    alignas(64) uint8_t bounce[BOUNCE + 64];
    const uint8_t *rest[8];
    const size_t lead = (uintptr_t)out & 63, head = -lead & 63, step = BOUNCE / width[shape];
    size_t fill = lead, done = head;
    if (n < step) {
        merge(planes, n, out);
        return;
    }
    for (unsigned p = 0; p < n_planes[shape]; p++) rest[p] = planes[p];
    for (size_t i = 0; i < n; i += step) {
        const size_t k = ZN_MIN(step, n - i);
        merge(rest, k, bounce + fill);
        fill += k * width[shape];
        for (unsigned p = 0; p < n_planes[shape]; p++) rest[p] += shape == ZN_SHAPE_F16 && p == 1 ? k / 64 * 24 : k;
        if (i == 0) memcpy(out, bounce + lead, head);
        size_t from = i == 0 ? lead + head : 0;
        for (; fill - from >= 64; from += 64, done += 64) stream_line(out + done, bounce + from);
        fill -= from;
        memmove(bounce, bounce + from, 64);
    }
    memcpy(out + done, bounce, fill);
}

ZN_FN void settle(void) {
    _mm_sfence();
}

ZN_FN void merge_8(const uint8_t *const *planes, size_t n, uint8_t *out, enum zn_store store) {
    const size_t head = -(uintptr_t)out & 63;
    size_t i = head;
    if (store == ZN_STORE_CACHED || n < BOUNCE) {
        plain_merge_8(planes, n, out);
        return;
    }
    memcpy(out, planes[0], head);
    for (; n - i >= 64; i += 64) stream_line(out + i, planes[0] + i);
    memcpy(out + i, planes[0] + i, n - i);
}

#define ZN_MERGE(suffix, SHAPE)                                                                            \
    ZN_FN void merge_##suffix(const uint8_t *const *planes, size_t n, uint8_t *out, enum zn_store store) { \
        if (store == ZN_STORE_STREAM)                                                                      \
            merge_stream(cached_merge_##suffix, SHAPE, planes, n, out);                                    \
        else                                                                                               \
            cached_merge_##suffix(planes, n, out);                                                         \
    }

/* The entries of a set for words of `bits` bits, rotated by `rot`, from its split<bits>() and merge<bits>(). */
#define ZN_WORDS(suffix, SHAPE, bits, rot)                                                   \
    ZN_FN void split_##suffix(const uint8_t *src, size_t n, uint8_t *const *planes) {        \
        split##bits(src, n, planes, rot);                                                    \
    }                                                                                        \
    ZN_FN void cached_merge_##suffix(const uint8_t *const *planes, size_t n, uint8_t *out) { \
        merge##bits(planes, n, out, rot);                                                    \
    }                                                                                        \
    ZN_MERGE(suffix, SHAPE)

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* The costs of two classes in one word, by pair of classes and table, as multiply-and-add instructions want them.
 * Tables that do not exist cost the most and, having the highest index, win no tie. */
ZN_FN void transpose_costs(const uint16_t (*cost)[ZN_R16_CLASSES], unsigned n_tables,
                           uint32_t pairs[ZN_R16_CLASSES / 2][ZN_R16_MAX_TABLES]) {
    for (unsigned c = 0; c < ZN_R16_CLASSES / 2; c++)
        for (unsigned t = 0; t < ZN_R16_MAX_TABLES; t++)
            pairs[c][t] = t < n_tables ? cost[t][2 * c] | (uint32_t)cost[t][2 * c + 1] << 16 : 4095u << 16 | 4095u;
}
