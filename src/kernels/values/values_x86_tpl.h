/* The bits of quantised values in records, with vectors of 32 bytes; values_loops.h has the contracts. The sets of AVX2
 * and AVX-512 include this once each, after values_tpl.h, with ZN_FN as there, and with `struct spread`, spread_of() and
 * spread_64() defined, which make 64 values of their symbols and k low bits each. Each shape of a record that occurs is a
 * constant, so that all loops over the parts of a record are unrolled. */

ZN_FN __m256i values_load(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

ZN_FN void values_store(uint8_t *p, __m256i v) {
    _mm256_storeu_si256((__m256i *)p, v);
}

/* Moves `mask`ed bits of each byte up by `by`, or down if that is negative. They must stay within their byte. */
ZN_VALUES_INLINE __m256i values_move(__m256i v, unsigned mask, int by) {
    const __m256i bits = _mm256_and_si256(v, _mm256_set1_epi8((char)mask));
    return by < 0 ? _mm256_srli_epi16(bits, -by) : _mm256_slli_epi16(bits, by);
}

/* Puts bits [shift, shift + bits) of values together where the stride is 32 or more: 32 bytes hold the bits of 8 / bits
 * times 32 values, `stride` values apart. */
ZN_VALUES_INLINE __m256i values_give_32(const __m256i *v, unsigned bits, unsigned stride, unsigned shift) {
    const unsigned mask = ((1u << bits) - 1) << shift;
    __m256i all = _mm256_setzero_si256();
    for (unsigned q = 0; q < 8 / bits; q++)
        all = _mm256_or_si256(all, values_move(v[q * stride / 32], mask, (int)(q * bits) - (int)shift));
    return all;
}

ZN_VALUES_INLINE void values_take_32(__m256i bytes, unsigned bits, unsigned stride, unsigned shift, uint8_t *values) {
    for (unsigned q = 0; q < 8 / bits; q++) {
        const __m256i v = values_move(bytes, ((1u << bits) - 1) << q * bits, (int)shift - (int)(q * bits));
        uint8_t *to = values + q * stride;
        values_store(to, shift ? _mm256_or_si256(v, values_load(to)) : v);
    }
}

/* Puts the low nibbles of 32 values together: byte i of each half of 16 bytes, or of each quarter of eight, holds value i
 * of it and the one `stride` further on. */
ZN_VALUES_INLINE __m128i values_give_nibbles(__m256i v, unsigned stride) {
    const __m256i low = _mm256_and_si256(v, _mm256_set1_epi8(15));
    if (stride == 16)
        return _mm_or_si128(_mm256_castsi256_si128(low), _mm_slli_epi16(_mm256_extracti128_si256(low, 1), 4));
    const __m256i pairs = _mm256_or_si256(low, _mm256_slli_epi16(_mm256_srli_si256(low, 8), 4));
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(pairs, 0x08));
}

ZN_VALUES_INLINE __m256i values_take_nibbles(__m128i bytes, unsigned stride) {
    const __m128i nibbles = _mm_set1_epi8(15);
    const __m128i low = _mm_and_si128(bytes, nibbles), high = _mm_and_si128(_mm_srli_epi16(bytes, 4), nibbles);
    return stride == 16 ? _mm256_set_m128i(high, low)
                        : _mm256_set_m128i(_mm_unpackhi_epi64(low, high), _mm_unpacklo_epi64(low, high));
}

/* Spreads 32 bits to the bit `shift` of 32 bytes. */
ZN_VALUES_INLINE __m256i values_take_bits(uint32_t bits, unsigned shift) {
    const __m256i bytes =
        _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits),
                            _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
    const __m256i own = _mm256_set1_epi64x((long long)UINT64_C(0x8040201008040201));
    const __m256i is = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, own), own);
    return _mm256_and_si256(is, _mm256_set1_epi8((char)(1u << shift)));
}

/* Puts a part of the n values of a record, 32 in each vector, to their place. */
ZN_VALUES_INLINE void values_give_part(const __m256i *v, unsigned n, struct zn_value_bits p, unsigned shift,
                                       uint8_t *to) {
    if (p.bits == 8) {
        for (unsigned i = 0; i < n; i += 32) values_store(to + i, v[i / 32]);
    } else if (p.stride == 1) {
        for (unsigned i = 0; i < n; i += 32)
            zn_put_u32(to + i / 8, (uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(v[i / 32], 7 - (int)shift)));
    } else if (p.stride < 32) {
        for (unsigned i = 0; i < n; i += 32, to += 16)
            _mm_storeu_si128((__m128i *)to, values_give_nibbles(v[i / 32], p.stride));
    } else {
        for (unsigned i = 0; i < n; i += 8 / p.bits * p.stride)
            for (unsigned j = 0; j < p.stride; j += 32, to += 32)
                values_store(to, values_give_32(v + (i + j) / 32, p.bits, p.stride, shift));
    }
}

ZN_VALUES_INLINE void values_take_part(const uint8_t *from, unsigned n, struct zn_value_bits p, unsigned shift,
                                       uint8_t *values) {
    if (p.bits == 8) {
        for (unsigned i = 0; i < n; i += 32)
            values_store(values + i, _mm256_xor_si256(values_load(from + i), _mm256_set1_epi8((char)128)));
    } else if (p.stride == 1) {
        for (unsigned i = 0; i < n; i += 32)
            values_store(values + i,
                         _mm256_or_si256(values_load(values + i), values_take_bits(zn_get_u32(from + i / 8), shift)));
    } else if (p.stride < 32) {
        for (unsigned i = 0; i < n; i += 32, from += 16)
            values_store(values + i, values_take_nibbles(_mm_loadu_si128((const __m128i *)from), p.stride));
    } else {
        for (unsigned i = 0; i < n; i += 8 / p.bits * p.stride)
            for (unsigned j = 0; j < p.stride; j += 32, from += 32)
                values_take_32(values_load(from), p.bits, p.stride, shift, values + i + j);
    }
}

/* Shapes of records: values, low bits and their stride, high bits and their stride, log2 of a group, bytes beside. Other
 * shapes take the plain loops. */
#define ZN_VALUES_SHAPES(of)                                                                                    \
    of(32, 8, 1, 0, 1, 5, 2) of(32, 4, 16, 0, 1, 5, 2) of(32, 4, 16, 0, 1, 5, 4) of(32, 4, 16, 0, 1, 5, 1)      \
        of(32, 4, 16, 1, 1, 5, 2) of(32, 4, 16, 1, 1, 5, 4) of(64, 4, 8, 0, 1, 4, 0) of(256, 4, 16, 0, 1, 5, 2) \
            of(256, 4, 32, 0, 1, 5, 4) of(256, 4, 32, 1, 32, 5, 4) of(256, 4, 64, 2, 32, 4, 2)                  \
                of(256, 2, 32, 1, 32, 4, 2)

ZN_FN bool values_has_shape(const struct zn_values_shape *s, unsigned n, unsigned low, unsigned low_stride,
                            unsigned high, unsigned high_stride) {
    return s->n == n && s->low.bits == low && s->low.stride == low_stride && s->high.bits == high &&
           s->high.stride == high_stride;
}

ZN_VALUES_INLINE void values_unpack_as(const struct zn_values_shape *s, unsigned n, struct zn_value_bits low,
                                       struct zn_value_bits high, const uint8_t *records, size_t n_records,
                                       uint8_t *values) {
    for (size_t r = 0; r < n_records; r++, values += n, records += s->width) {
        values_take_part(records + s->low.at, n, low, 0, values);
        if (high.bits) values_take_part(records + s->high.at, n, high, low.bits, values);
    }
}

ZN_FN void values_unpack_x86(const struct zn_values_shape *s, const uint8_t *records, size_t n, uint8_t *values) {
#define UNPACK(n_values, low, low_stride, high, high_stride, group, beside)                 \
    if (values_has_shape(s, n_values, low, low_stride, high, high_stride)) {                \
        values_unpack_as(s, n_values, (struct zn_value_bits){0, low, low_stride},           \
                         (struct zn_value_bits){0, high, high_stride}, records, n, values); \
        return;                                                                             \
    }
    ZN_VALUES_SHAPES(UNPACK)
#undef UNPACK
    values_unpack(s, records, n, values);
}

/* The symbols of 32 values, of one group or of two. */
ZN_VALUES_INLINE __m256i values_load_symbols(const uint8_t *symbols, const uint32_t *places, unsigned group_log2) {
    if (group_log2 == 5) return values_load(symbols + ((size_t)places[0] << 5));
    const __m128i a = _mm_loadu_si128((const __m128i *)(symbols + ((size_t)places[0] << 4)));
    const __m128i b = _mm_loadu_si128((const __m128i *)(symbols + ((size_t)places[1] << 4)));
    return _mm256_set_m128i(b, a);
}

/* Rebuilds records while there are low bits for all loads, two of 32 values or one of more at a time; returns their
 * number. All of a shape are constants for the compiler. What a turn reads is kept in registers: stores of bytes may change
 * anything else. */
ZN_VALUES_INLINE size_t values_rebuild_as(const struct zn_values_rebuilt *v, unsigned n, struct zn_value_bits low,
                                          struct zn_value_bits high, unsigned group_log2, unsigned beside_len,
                                          size_t n_records, struct zn_low_bits *bits, uint8_t *records) {
    const unsigned k = low.bits + high.bits > 4 ? low.bits + high.bits - 4 : 0, turn = n == 32 ? 2 : 1;
    const unsigned per = 32 >> group_log2;
    const struct spread spread = spread_of(v->code, k);
    const uint8_t *const symbols = v->symbols, *beside = v->beside;
    const uint32_t *places = v->places;
    const size_t width = v->shape->width, low_at = v->shape->low.at, high_at = v->shape->high.at, at = v->beside_at;
    struct zn_low_bits own = *bits;
    size_t r = 0;
    for (; r + turn <= n_records && (k == 0 || own.bit / 8 + turn * n * k / 8 + 64 <= own.len); r += turn) {
        __m256i value[8];
        for (unsigned i = 0; i < turn * n / 32; i += 2, places += 2 * per) {
            value[i] = values_load_symbols(symbols, places, group_log2);
            value[i + 1] = values_load_symbols(symbols, places + per, group_log2);
            if (k) spread_64(&spread, k, value + i, &own);
        }
        for (unsigned i = 0; i < turn; i++, records += width, beside += beside_len) {
            values_give_part(value + i, n, low, 0, records + low_at);
            if (high.bits) values_give_part(value + i, n, high, low.bits, records + high_at);
            memcpy(records + at, beside, beside_len);
        }
    }
    *bits = own;
    return r;
}

/* Sixteen bins, and the low bits that a value has beside them: what encoders write. */
ZN_FN bool values_has_usual_code(const struct zn_values_rebuilt *v) {
    const unsigned bits = v->shape->low.bits + v->shape->high.bits, k = bits > 4 ? bits - 4 : 0;
    return v->code->low_bits == k && (k || v->code->n_exact == 0);
}

ZN_FN bool values_rebuild_x86(const struct zn_values_rebuilt *v, size_t n, struct zn_low_bits *bits, uint8_t *records) {
    struct zn_values_rebuilt rest = *v;
    size_t done = 0;
    const unsigned group_log2 = v->code->group_log2;
#define REBUILD(n_values, low, low_stride, high, high_stride, group, beside)              \
    if (v->beside_len == (beside) && group_log2 == (group) &&                             \
        values_has_shape(v->shape, n_values, low, low_stride, high, high_stride))         \
        done = values_rebuild_as(v, n_values, (struct zn_value_bits){0, low, low_stride}, \
                                 (struct zn_value_bits){0, high, high_stride}, group, beside, n, bits, records);
    if (values_has_usual_code(v)) {
        ZN_VALUES_SHAPES(REBUILD)
    }
#undef REBUILD
    rest.places += done * (v->shape->n >> group_log2);
    rest.beside += done * v->beside_len;
    return values_rebuild(&rest, n - done, bits, records + done * v->shape->width);
}
