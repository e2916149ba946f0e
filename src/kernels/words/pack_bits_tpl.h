/* Packing the bits of a mask, by the instructions pext and pdep; for sets that have them. The contracts are in
 * kernels.h. */
#include <immintrin.h>

ZN_FN void pack_bits(const uint8_t *src, size_t n_groups, uint8_t mask, uint8_t *out) {
    const uint64_t wide = mask * UINT64_C(0x0101010101010101);
    const unsigned k = (unsigned)__builtin_popcount(mask);
    const size_t rest = k ? 8 / k : n_groups; /* groups after one, whose bytes cover what it touches past its own */
    uint8_t group[8];
    size_t i = 0;
    for (; i + rest < n_groups; i++, out += k) {
        uint64_t word;
        memcpy(&word, src + 8 * i, 8);
        zn_put_u64(out, _pext_u64(word, wide));
    }
    for (; i < n_groups; i++, out += k) {
        zn_put_u64(group, _pext_u64(zn_get_u64(src + 8 * i), wide));
        memcpy(out, group, k);
    }
}

ZN_FN void unpack_bits(const uint8_t *in, size_t n_groups, uint8_t mask, uint8_t base, uint8_t *out) {
    const uint64_t wide = mask * UINT64_C(0x0101010101010101), wide_base = base * UINT64_C(0x0101010101010101);
    const unsigned k = (unsigned)__builtin_popcount(mask);
    const size_t rest = k ? 8 / k : n_groups; /* as above */
    uint8_t group[8] = {0};
    size_t i = 0;
    for (; i + rest < n_groups; i++, in += k) zn_put_u64(out + 8 * i, _pdep_u64(zn_get_u64(in), wide) | wide_base);
    for (; i < n_groups; i++, in += k) {
        memcpy(group, in, k);
        zn_put_u64(out + 8 * i, _pdep_u64(zn_get_u64(group), wide) | wide_base);
    }
}
