/* Quantised values in plain C; values_loops.h has the contracts. Each values_*.c includes this once, with ZN_FN defined
 * as the storage class and target attribute of its functions. */
#include <string.h>

#include "base/bytes.h"
#include "kernels/values/values_loops.h"

#define ZN_EACH_BYTE UINT64_C(0x0101010101010101)

/* ---- records ---- */

/* Move eight bits to the lowest bits of eight bytes, and back. */
ZN_FN uint64_t values_spread_bits(unsigned bits) {
    const uint64_t own = ZN_EACH_BYTE * bits & UINT64_C(0x8040201008040201); /* the bit that belongs to each byte */
    return (own + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & ZN_EACH_BYTE;
}

ZN_FN unsigned values_gather_bits(uint64_t bytes) {
    return (unsigned)((bytes & ZN_EACH_BYTE) * UINT64_C(0x0102040810204080) >> 56);
}

/* One record's bits of a part, moved up by `shift`; those of shift 0 come first. */
ZN_FN void values_take(const uint8_t *restrict src, size_t n, unsigned bits, unsigned stride, unsigned shift,
                       uint8_t *restrict values) {
    const unsigned per = 8 / bits, mask = (1u << bits) - 1;
    if (bits == 1 && stride == 1) {
        for (size_t i = 0; i < n / 8; i++)
            zn_put_u64(values + 8 * i, zn_get_u64(values + 8 * i) | values_spread_bits(src[i]) << shift);
        return;
    }
    for (size_t i = 0; i < n; i += (size_t)per * stride, src += stride)
        for (unsigned q = 0; q < per; q++) {
            uint8_t *restrict to = values + i + q * stride;
            for (unsigned j = 0; j < stride; j++) {
                const unsigned v = (src[j] >> q * bits & mask) << shift;
                to[j] = (uint8_t)(shift ? to[j] | v : v);
            }
        }
}

ZN_FN void values_give(const uint8_t *restrict values, size_t n, unsigned bits, unsigned stride, unsigned shift,
                       uint8_t *restrict dst) {
    const unsigned per = 8 / bits, mask = (1u << bits) - 1;
    if (bits == 1 && stride == 1) {
        for (size_t i = 0; i < n / 8; i++) dst[i] = (uint8_t)values_gather_bits(zn_get_u64(values + 8 * i) >> shift);
        return;
    }
    for (size_t i = 0; i < n; i += (size_t)per * stride, dst += stride)
        for (unsigned j = 0; j < stride; j++) {
            unsigned b = 0;
            for (unsigned q = 0; q < per; q++) b |= (values[i + q * stride + j] >> shift & mask) << q * bits;
            dst[j] = (uint8_t)b;
        }
}

ZN_FN void values_flip(const uint8_t *restrict from, size_t n, uint8_t *restrict to) {
    for (size_t i = 0; i < n; i++) to[i] = from[i] ^ 128;
}

/* Each stride that occurs is a constant here, so that inner loops become vectors. */
#define ZN_VALUES_STRIDES(of)            \
    switch (p->bits * 256 + p->stride) { \
        case 4 * 256 + 8:                \
            of(4, 8);                    \
            break;                       \
        case 4 * 256 + 16:               \
            of(4, 16);                   \
            break;                       \
        case 4 * 256 + 32:               \
            of(4, 32);                   \
            break;                       \
        case 4 * 256 + 64:               \
            of(4, 64);                   \
            break;                       \
        case 2 * 256 + 32:               \
            of(2, 32);                   \
            break;                       \
        case 256 + 32:                   \
            of(1, 32);                   \
            break;                       \
        default:                         \
            of(1, 1);                    \
    }

ZN_FN void values_unpack_part(const struct zn_values_shape *s, const struct zn_value_bits *p, unsigned shift,
                              const uint8_t *records, size_t n, uint8_t *values) {
#define TAKE(bits, stride)                                              \
    for (size_t r = 0; r < n; r++, records += s->width, values += s->n) \
    values_take(records + p->at, s->n, bits, stride, shift, values)
    ZN_VALUES_STRIDES(TAKE)
#undef TAKE
}

ZN_FN void values_pack_part(const struct zn_values_shape *s, const struct zn_value_bits *p, unsigned shift,
                            const uint8_t *values, size_t n, uint8_t *records) {
#define GIVE(bits, stride)                                              \
    for (size_t r = 0; r < n; r++, records += s->width, values += s->n) \
    values_give(values, s->n, bits, stride, shift, records + p->at)
    ZN_VALUES_STRIDES(GIVE)
#undef GIVE
}

ZN_FN void values_unpack(const struct zn_values_shape *s, const uint8_t *records, size_t n, uint8_t *values) {
    if (s->low.bits == 8) {
        for (size_t r = 0; r < n; r++) values_flip(records + r * s->width + s->low.at, s->n, values + r * s->n);
        return;
    }
    values_unpack_part(s, &s->low, 0, records, n, values);
    if (s->high.bits) values_unpack_part(s, &s->high, s->low.bits, records, n, values);
}

ZN_FN void values_pack(const struct zn_values_shape *s, const uint8_t *values, size_t n, uint8_t *records) {
    if (s->low.bits == 8) {
        for (size_t r = 0; r < n; r++) memcpy(records + r * s->width + s->low.at, values + r * s->n, s->n);
        return;
    }
    values_pack_part(s, &s->low, 0, values, n, records);
    if (s->high.bits) values_pack_part(s, &s->high, s->low.bits, values, n, records);
}

/* ---- keys ---- */

/* Returns log2 of a small number, 1024 to the octave, as the bits of a half hold it: a float holds 13 bits more and
 * begins 112 octaves lower. 0 counts as 0. */
ZN_FN int32_t values_log(uint8_t i) {
    const float number = i;
    int32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return i ? (bits >> 13) - 112 * 1024 : 0;
}

/* Computes n keys. Where n is 16, the compiler knows it, as it knows `up` or `down` to be NULL. */
ZN_FN void values_put_keys(const int32_t *from, const uint8_t *up, const uint8_t *down, int n, bool relative,
                           uint8_t *keys) {
    int32_t levels[16], sum = 0;
    for (int i = 0; i < n; i++) {
        levels[i] = from[i] + (up ? values_log(up[i]) : 0) - (down ? values_log(down[i]) : 0);
        sum += levels[i];
    }
    const int32_t middle = 8192 - (relative ? sum / n : 0);
    for (int i = 0; i < n; i++) {
        const int32_t level = levels[i] + middle, least = level < 0 ? 0 : level;
        keys[i] = (uint8_t)((least > 16383 ? 16383 : least) >> 6);
    }
}

ZN_FN void values_keys_of(const int32_t *levels, const uint8_t *up, const uint8_t *down, size_t n, bool relative,
                          uint8_t *keys) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        values_put_keys(levels + i, up ? up + i : NULL, down ? down + i : NULL, 16, relative, keys + i);
    if (i < n)
        values_put_keys(levels + i, up ? up + i : NULL, down ? down + i : NULL, (int)(n - i), relative, keys + i);
}

ZN_FN void values_keys(const int32_t *levels, const uint8_t *up, const uint8_t *down, size_t n, bool relative,
                       uint8_t *keys) {
    if (!up)
        values_keys_of(levels, NULL, NULL, n, relative, keys);
    else if (!down)
        values_keys_of(levels, up, NULL, n, relative, keys);
    else
        values_keys_of(levels, up, down, n, relative, keys);
}

/* ---- symbols and low bits, by units of 16 values ---- */

/* Returns a bit for each of 16 symbols: whether it is exact. */
ZN_FN unsigned values_exact(uint64_t s0, uint64_t s1, unsigned n_bins) {
    const uint64_t add = ZN_EACH_BYTE * (128 - n_bins);
    return values_gather_bits((s0 + add) >> 7) | values_gather_bits((s1 + add) >> 7) << 8;
}

/* Returns the next 64 low bits, or fewer; bits past the end are 0. */
ZN_FN uint64_t values_peek(const struct zn_low_bits *low) {
    const size_t byte = low->bit >> 3;
    const unsigned phase = low->bit & 7;
    if (byte + 9 <= low->len)
        return zn_get_u64(low->data + byte) >> phase | (uint64_t)low->data[byte + 8] << 1 << (63 - phase);
    uint64_t bits = 0;
    for (size_t i = byte; i < low->len && i < byte + 8; i++) bits |= (uint64_t)low->data[i] << 8 * (i - byte);
    return bits >> phase | (low->len > byte + 8 ? (uint64_t)low->data[byte + 8] << 1 << (63 - phase) : 0);
}

/* Move eight numbers of k bits to eight bytes, and back. */
ZN_FN uint64_t values_spread(uint64_t v, unsigned k) {
    if (k == 1) return values_spread_bits(v & 0xff);
    if (k == 2) {
        v = (v & 0xff) | (v & 0xff00) << 24;
        v = (v & UINT64_C(0x0000000f0000000f)) | (v & UINT64_C(0x000000f0000000f0)) << 12;
        return (v & UINT64_C(0x0003000300030003)) | (v & UINT64_C(0x000c000c000c000c)) << 6;
    }
    v = (v & 0xffff) | (v & UINT64_C(0xffff0000)) << 16;
    v = (v & UINT64_C(0x000000ff000000ff)) | (v & UINT64_C(0x0000ff000000ff00)) << 8;
    return (v & UINT64_C(0x000f000f000f000f)) | (v & UINT64_C(0x00f000f000f000f0)) << 4;
}

ZN_FN uint64_t values_gather(uint64_t v, unsigned k) {
    if (k == 1) return values_gather_bits(v);
    if (k == 2) {
        v = (v & UINT64_C(0x0003000300030003)) | (v & UINT64_C(0x0300030003000300)) >> 6;
        v = (v & UINT64_C(0x0000000f0000000f)) | (v & UINT64_C(0x000f0000000f0000)) >> 12;
        return (v & 0xff) | v >> 24;
    }
    v = (v & UINT64_C(0x000f000f000f000f)) | (v & UINT64_C(0x0f000f000f000f00)) >> 4;
    v = (v & UINT64_C(0x000000ff000000ff)) | (v & UINT64_C(0x00ff000000ff0000)) >> 8;
    return (v & 0xffff) | v >> 16;
}

/* Opens or closes a gap of k bits at number i. */
ZN_FN uint64_t values_open(uint64_t bits, unsigned k, unsigned i) {
    const uint64_t below = (UINT64_C(1) << k * i) - 1;
    return (bits & below) | (bits & ~below) << k;
}

ZN_FN uint64_t values_close(uint64_t bits, unsigned k, unsigned i) {
    const uint64_t below = (UINT64_C(1) << k * i) - 1;
    return (bits & below) | (bits >> k & ~below);
}

/* Returns the value of an exact symbol s. The symbol may have changed since it was checked, so every s must find a
 * value. */
ZN_FN uint8_t values_exact_of(const struct zn_values_code *c, unsigned s) {
    return c->exact[(s - c->n_bins) % ZN_VALUES_EXACT];
}

/* Restores one unit. k is a constant for the compiler, and not 0. */
ZN_FN void values_restore_unit(const struct zn_values_code *c, unsigned k, const uint8_t *symbols,
                               struct zn_low_bits *low, uint8_t *values) {
    const uint64_t s0 = zn_get_u64(symbols), s1 = zn_get_u64(symbols + 8), bins = ZN_EACH_BYTE * 15;
    const uint64_t flip = ZN_EACH_BYTE * c->flip;
    const unsigned exact = values_exact(s0, s1, c->n_bins);
    uint64_t bits = values_peek(low);
    for (unsigned m = exact; m; m &= m - 1) bits = values_open(bits, k, (unsigned)__builtin_ctz(m));
    zn_put_u64(values, ((s0 & bins) << k | values_spread(bits, k)) ^ flip);
    zn_put_u64(values + 8, ((s1 & bins) << k | values_spread(bits >> 8 * k, k)) ^ flip);
    for (unsigned m = exact; m; m &= m - 1) {
        const unsigned i = (unsigned)__builtin_ctz(m);
        values[i] = values_exact_of(c, symbols[i]) ^ c->flip;
    }
    low->bit += (size_t)k * (ZN_VALUES_UNIT - (unsigned)__builtin_popcount(exact));
}

/* Restores one unit without low bits. */
ZN_FN void values_restore_plain(const struct zn_values_code *c, const uint8_t *symbols, uint8_t *values) {
    for (unsigned i = 0; i < ZN_VALUES_UNIT; i++)
        values[i] = (symbols[i] < c->n_bins ? symbols[i] : values_exact_of(c, symbols[i])) ^ c->flip;
}

ZN_FN void values_restore_group(const struct zn_values_code *c, unsigned k, const uint8_t *symbols,
                                struct zn_low_bits *low, uint8_t *values) {
    for (size_t u = 0; u < (size_t)1 << c->group_log2; u += ZN_VALUES_UNIT)
        if (k)
            values_restore_unit(c, k, symbols + u, low, values + u);
        else
            values_restore_plain(c, symbols + u, values + u);
}

ZN_FN bool values_restore(const struct zn_values_code *c, const uint8_t *symbols, const uint32_t *places, size_t n,
                          struct zn_low_bits *low, uint8_t *values, size_t stride) {
    for (size_t g = 0; g < n; g++, values += stride) {
        const uint8_t *at = symbols + ((size_t)places[g] << c->group_log2);
        if (c->low_bits == 4)
            values_restore_group(c, 4, at, low, values);
        else if (c->low_bits == 2)
            values_restore_group(c, 2, at, low, values);
        else
            values_restore_group(c, c->low_bits == 1, at, low, values);
    }
    return low->bit <= 8 * low->len;
}

/* Rebuilds some records at a time in between. */
ZN_FN bool values_rebuild(const struct zn_values_rebuilt *v, size_t n, struct zn_low_bits *low, uint8_t *records) {
    enum { MOST = 4096 };
    uint8_t values[MOST];
    const size_t group = (size_t)1 << v->code->group_log2, groups = v->shape->n / group, most = MOST / v->shape->n;
    for (size_t from = 0, some; from < n; from += some, records += some * v->shape->width) {
        some = ZN_MIN(n - from, most);
        if (!values_restore(v->code, v->symbols, v->places + from * groups, some * groups, low, values, group))
            return false;
        values_pack(v->shape, values, some, records);
        for (size_t r = 0; r < some; r++)
            memcpy(records + r * v->shape->width + v->beside_at, v->beside + (from + r) * v->beside_len, v->beside_len);
    }
    return true;
}

/* Appends n <= 32 bits. The bits above those must be 0. */
ZN_FN void values_append(struct zn_low_writer *low, uint64_t bits, unsigned n) {
    const unsigned total = low->n_left + n, bytes = total / 8;
    low->left |= bits << low->n_left;
    zn_put_u64(low->at, low->left);
    low->at += bytes;
    low->left >>= 8 * bytes;
    low->n_left = total % 8;
}

ZN_FN void values_divide_unit(const struct zn_values_code *c, unsigned k, const uint8_t *values, uint8_t *symbols,
                              struct zn_low_writer *low) {
    for (unsigned i = 0; i < ZN_VALUES_UNIT; i++) symbols[i] = c->symbol_of[values[i]];
    if (k == 0) return;
    const uint64_t each = ZN_EACH_BYTE * ((1u << k) - 1), v0 = zn_get_u64(values) & each,
                   v1 = zn_get_u64(values + 8) & each;
    const unsigned exact = values_exact(zn_get_u64(symbols), zn_get_u64(symbols + 8), c->n_bins);
    uint64_t bits = values_gather(v0, k) | values_gather(v1, k) << 8 * k;
    for (unsigned m = exact; m;) {
        const unsigned i = 31u - (unsigned)__builtin_clz(m);
        bits = values_close(bits, k, i);
        m ^= 1u << i;
    }
    const unsigned n = k * (ZN_VALUES_UNIT - (unsigned)__builtin_popcount(exact)), some = n < 32 ? n : 32;
    values_append(low, bits & ((UINT64_C(1) << some) - 1), some);
    if (n > 32) values_append(low, bits >> 32, n - 32);
}

ZN_FN void values_divide(const struct zn_values_code *c, const uint8_t *values, const uint32_t *places, size_t n,
                         uint8_t *symbols, struct zn_low_writer *low) {
    const size_t units = (size_t)1 << (c->group_log2 - 4);
    for (size_t g = 0; g < n; g++) {
        uint8_t *at = symbols + ((size_t)places[g] << c->group_log2);
        for (size_t u = 0; u < units; u++, at += ZN_VALUES_UNIT, values += ZN_VALUES_UNIT) switch (c->low_bits) {
                case 1:
                    values_divide_unit(c, 1, values, at, low);
                    break;
                case 2:
                    values_divide_unit(c, 2, values, at, low);
                    break;
                case 4:
                    values_divide_unit(c, 4, values, at, low);
                    break;
                default:
                    values_divide_unit(c, 0, values, at, low);
            }
    }
}
