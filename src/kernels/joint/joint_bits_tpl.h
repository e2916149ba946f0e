/* Packed planes of joint symbols in plain C: numbers of 7 or 2 bits, eight at a time. The including file defines ZN_FN.
 */
#ifndef ZN_KERNELS_JOINT_BITS_TPL_H
#define ZN_KERNELS_JOINT_BITS_TPL_H

#include <string.h>

#include "base/bytes.h"

/* Move eight bytes of k bits to k bytes, and back, by halves: pairs of numbers move together. */
ZN_FN uint64_t joint_pack7(uint64_t v) {
    v = (v & UINT64_C(0x007f007f007f007f)) | (v & UINT64_C(0x7f007f007f007f00)) >> 1;
    v = (v & UINT64_C(0x00003fff00003fff)) | (v & UINT64_C(0x3fff00003fff0000)) >> 2;
    return (v & UINT64_C(0x000000000fffffff)) | (v & UINT64_C(0x0fffffff00000000)) >> 4;
}

ZN_FN uint64_t joint_unpack7(uint64_t v) {
    v = (v & UINT64_C(0x000000000fffffff)) | (v & UINT64_C(0x00fffffff0000000)) << 4;
    v = (v & UINT64_C(0x00003fff00003fff)) | (v & UINT64_C(0x0fffc0000fffc000)) << 2;
    return (v & UINT64_C(0x007f007f007f007f)) | (v & UINT64_C(0x3f803f803f803f80)) << 1;
}

ZN_FN uint64_t joint_pack2(uint64_t v) {
    v = (v & UINT64_C(0x0003000300030003)) | (v & UINT64_C(0x0300030003000300)) >> 6;
    v = (v & UINT64_C(0x0000000f0000000f)) | (v & UINT64_C(0x000f0000000f0000)) >> 12;
    return (v & UINT64_C(0x00000000000000ff)) | (v & UINT64_C(0x000000ff00000000)) >> 24;
}

ZN_FN uint64_t joint_unpack2(uint64_t v) {
    v = (v & UINT64_C(0x00000000000000ff)) | (v & UINT64_C(0x000000000000ff00)) << 24;
    v = (v & UINT64_C(0x0000000f0000000f)) | (v & UINT64_C(0x000000f0000000f0)) << 12;
    return (v & UINT64_C(0x0003000300030003)) | (v & UINT64_C(0x000c000c000c000c)) << 6;
}

enum { JOINT_PIECE = 1024 }; /* elements of a loop's scratch */

/* Pack and unpack n numbers below 1 << k, where k is 7 or 2 and n is at most JOINT_PIECE. `bytes` has room for a whole
 * last group. */
ZN_FN void joint_pack(const uint8_t *bytes, size_t n, unsigned k, uint8_t *packed) {
    uint8_t group[8];
    size_t i = 0;
    for (; i + 16 <= n; i += 8, packed += k) { /* a store of 8 bytes stays within the groups that follow */
        const uint64_t v = zn_get_u64(bytes + i);
        if (k == 7)
            zn_put_u64(packed, joint_pack7(v));
        else
            zn_put_u16(packed, (uint16_t)joint_pack2(v));
    }
    for (; i < n; i += 8, packed += k) {
        const size_t rest = ZN_MIN(n - i, (size_t)8);
        uint64_t v = 0;
        for (size_t j = 0; j < rest; j++) v |= (uint64_t)bytes[i + j] << 8 * j;
        zn_put_u64(group, k == 7 ? joint_pack7(v) : joint_pack2(v));
        memcpy(packed, group, (rest * k + 7) / 8);
    }
}

ZN_FN void joint_unpack(const uint8_t *packed, size_t n, unsigned k, uint8_t *bytes) {
    uint8_t group[8] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 8, packed += k)
        zn_put_u64(bytes + i, k == 7 ? joint_unpack7(zn_get_u64(packed)) : joint_unpack2(zn_get_u16(packed)));
    for (; i < n; i += 8, packed += k) {
        const size_t rest = ZN_MIN(n - i, (size_t)8);
        memcpy(group, packed, (rest * k + 7) / 8);
        const uint64_t v = zn_get_u64(group);
        zn_put_u64(group, k == 7 ? joint_unpack7(v) : joint_unpack2(v));
        memcpy(bytes + i, group, rest);
    }
}

#endif
