#include "codec/bits.h"

/* Eight symbols of k varying bits take k bytes. Kernels code the whole groups; the rest is padded to one more group. */
enum { GROUP = 8 };

struct zn_bits zn_bits_find(const uint8_t *plane, size_t n) {
    uint8_t any = 0, all = 255;
    for (size_t i = 0; i < n; i++) {
        any |= plane[i];
        all &= plane[i];
    }
    return (struct zn_bits){any ^ all, all};
}

struct zn_bits zn_bits_of_counts(const uint32_t *counts) {
    unsigned any = 0, all = 255;
    for (unsigned v = 0; v < 256; v++) {
        if (counts[v] == 0) continue;
        any |= v;
        all &= v;
    }
    return (struct zn_bits){(uint8_t)(any ^ (any & all)), (uint8_t)all};
}

static size_t packed_len(struct zn_bits bits, size_t n) {
    const unsigned k = (unsigned)__builtin_popcount(bits.mask);
    return n / GROUP * k + (n % GROUP * k + 7) / 8;
}

size_t zn_bits_len(struct zn_bits bits, size_t n) {
    return ZN_BITS_HEAD + packed_len(bits, n);
}

void zn_bits_write(const struct zn_kernels *k, struct zn_bits bits, const uint8_t *plane, size_t n,
                   struct zn_out *out) {
    const size_t whole = n / GROUP, len = packed_len(bits, n), whole_len = packed_len(bits, whole * GROUP);
    zn_out_u8(out, bits.mask);
    zn_out_u8(out, bits.base);
    uint8_t *to = zn_out_room(out, len);
    if (!to) return;
    k->pack_bits(plane, whole, bits.mask, to);
    uint8_t last[GROUP] = {0}, packed[GROUP];
    for (size_t i = whole * GROUP; i < n; i++) last[i % GROUP] = plane[i];
    zn_kernels_scalar.pack_bits(last, 1, bits.mask, packed);
    if (len > whole_len) memcpy(to + whole_len, packed, len - whole_len);
}

zipnn_status zn_bits_decode(const struct zn_kernels *k, const struct zn_coded *in, uint8_t *out, size_t n,
                            zipnn_error *err) {
    const struct zn_bits bits = {in->len > 0 ? in->data[0] : 0, in->len > 1 ? in->data[1] : 0};
    const size_t whole = n / GROUP, len = packed_len(bits, n), whole_len = packed_len(bits, whole * GROUP);
    if (in->len < ZN_BITS_HEAD || in->len - ZN_BITS_HEAD != len)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "stream of %d bits a symbol has %zu bytes for %zu",
                       __builtin_popcount(bits.mask), in->len, n);
    if (bits.mask & bits.base)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "bits 0x%02x are both constant and not", bits.mask & bits.base);
    const uint8_t *from = in->data + ZN_BITS_HEAD;
    k->unpack_bits(from, whole, bits.mask, bits.base, out);
    if (n % GROUP == 0) return ZIPNN_OK;
    uint8_t packed[GROUP] = {0}, last[GROUP];
    const unsigned used = (unsigned)(n % GROUP) * (unsigned)__builtin_popcount(bits.mask) % 8;
    if (len > whole_len) memcpy(packed, from + whole_len, len - whole_len);
    if (used > 0 && from[len - 1] >> used != 0)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "the unused bits of a packed stream are not 0");
    zn_kernels_scalar.unpack_bits(packed, 1, bits.mask, bits.base, last);
    memcpy(out + whole * GROUP, last, n % GROUP);
    return ZIPNN_OK;
}
