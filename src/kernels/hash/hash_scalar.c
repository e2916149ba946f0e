/* XXH3 for the instruction set every processor of the target has: SSE2 on x86-64, NEON on AArch64. */
#include "kernels/hash/hash.h"

#define XXH_INLINE_ALL
#define XXH_PREFETCH_DIST ZN_XXH3_AHEAD
#include <xxhash.h>

_Static_assert(sizeof(XXH3_state_t) == ZN_XXH3_STATE_SIZE, "size of the library's state");
_Static_assert(_Alignof(XXH3_state_t) <= ZN_XXH3_STATE_ALIGN, "alignment of the library's state");

void zn_xxh3_128_reset(void *state) {
    XXH3_128bits_reset(state);
}

void zn_xxh3_128_digest(const void *state, uint8_t out[16]) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    memcpy(out, canonical.digest, sizeof canonical.digest);
}

uint64_t zn_xxh3_64_scalar(const void *data, size_t len) {
    return XXH3_64bits(data, len);
}

uint64_t zn_xxh3_64_passing_scalar(const void *data, size_t len, struct zn_ahead *ahead, uint8_t *copy) {
    (void)ahead;
    if (copy && len) memcpy(copy, data, len);
    return XXH3_64bits(data, len);
}

void zn_xxh3_update_scalar(void *state, const void *data, size_t len) {
    XXH3_128bits_update(state, data, len);
}
