/* Packed planes of joint symbols in plain C: numbers of 7, 6 or 2 bits, eight at a time. The including file defines ZN_FN.
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

ZN_FN uint64_t joint_pack6(uint64_t v) {
    v = (v & UINT64_C(0x003f003f003f003f)) | (v & UINT64_C(0x3f003f003f003f00)) >> 2;
    v = (v & UINT64_C(0x00000fff00000fff)) | (v & UINT64_C(0x0fff00000fff0000)) >> 4;
    return (v & UINT64_C(0x0000000000ffffff)) | (v & UINT64_C(0x00ffffff00000000)) >> 8;
}

ZN_FN uint64_t joint_unpack6(uint64_t v) {
    v = (v & UINT64_C(0x0000000000ffffff)) | (v & UINT64_C(0x0000ffffff000000)) << 8;
    v = (v & UINT64_C(0x00000fff00000fff)) | (v & UINT64_C(0x00fff00000fff000)) << 4;
    return (v & UINT64_C(0x003f003f003f003f)) | (v & UINT64_C(0x0fc00fc00fc00fc0)) << 2;
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

ZN_FN uint64_t joint_pack_group(uint64_t v, unsigned k) {
    return k == 7 ? joint_pack7(v) : k == 6 ? joint_pack6(v) : joint_pack2(v);
}

ZN_FN uint64_t joint_unpack_group(uint64_t v, unsigned k) {
    return k == 7 ? joint_unpack7(v) : k == 6 ? joint_unpack6(v) : joint_unpack2(v);
}

/* Pack and unpack n numbers below 1 << k, where k is 7, 6 or 2 and n is at most JOINT_PIECE. `bytes` has room for a whole
 * last group. */
ZN_FN void joint_pack(const uint8_t *bytes, size_t n, unsigned k, uint8_t *packed) {
    uint8_t group[8];
    size_t i = 0;
    for (; i + 16 <= n; i += 8, packed += k) { /* a store of 8 bytes stays within the groups that follow */
        const uint64_t v = joint_pack_group(zn_get_u64(bytes + i), k);
        if (k > 2)
            zn_put_u64(packed, v);
        else
            zn_put_u16(packed, (uint16_t)v);
    }
    for (; i < n; i += 8, packed += k) {
        const size_t rest = ZN_MIN(n - i, (size_t)8);
        uint64_t v = 0;
        for (size_t j = 0; j < rest; j++) v |= (uint64_t)bytes[i + j] << 8 * j;
        zn_put_u64(group, joint_pack_group(v, k));
        memcpy(packed, group, (rest * k + 7) / 8);
    }
}

ZN_FN void joint_unpack(const uint8_t *packed, size_t n, unsigned k, uint8_t *bytes) {
    uint8_t group[8] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 8, packed += k)
        zn_put_u64(bytes + i, joint_unpack_group(k > 2 ? zn_get_u64(packed) : zn_get_u16(packed), k));
    for (; i < n; i += 8, packed += k) {
        const size_t rest = ZN_MIN(n - i, (size_t)8);
        memcpy(group, packed, (rest * k + 7) / 8);
        const uint64_t v = zn_get_u64(group);
        zn_put_u64(group, joint_unpack_group(v, k));
        memcpy(bytes + i, group, rest);
    }
}

#endif
