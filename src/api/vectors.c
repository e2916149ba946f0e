/* Makes vectors ready for products. */
#include "api/vectors.h"

#include "base/bytes.h"

/* Returns the number of vectors that kernels are made for. */
static unsigned filled_up(unsigned n) {
    return n > 4 ? 8 : n > 2 ? 4 : n;
}

size_t zipnn_vectors_size(uint64_t n_columns, unsigned n) {
    uint64_t size;
    if (n == 0 || n > ZIPNN_MAX_VECTORS || n_columns > UINT64_MAX - ZN_PRODUCT_STEP) return SIZE_MAX;
    const uint64_t steps = (n_columns + ZN_PRODUCT_STEP - 1) / ZN_PRODUCT_STEP;
    if (!zn_mul(steps, ZN_PRODUCT_STEP * sizeof(float) * filled_up(n), &size) || size > SIZE_MAX - ZN_VECTORS_HEAD)
        return SIZE_MAX;
    return (size_t)size + ZN_VECTORS_HEAD;
}

static float float_of(uint16_t word) {
    const uint32_t bits = (uint32_t)word << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Rounds to the nearest, ties to even; a NaN stays one. */
static uint16_t bf16_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* The numbers of one vector. */
struct values {
    const uint8_t *bytes;
    zipnn_dtype dtype;
};

static float value_at(const struct values *v, size_t i) {
    uint16_t word;
    float f;
    if (v->dtype == ZIPNN_F32) {
        memcpy(&f, v->bytes + i * sizeof f, sizeof f);
        return f;
    }
    memcpy(&word, v->bytes + i * sizeof word, sizeof word);
    return float_of(word);
}

static uint16_t word_at(const struct values *v, size_t i) {
    uint16_t word;
    if (v->dtype == ZIPNN_F32) return bf16_of(value_at(v, i));
    memcpy(&word, v->bytes + i * sizeof word, sizeof word);
    return word;
}

/* Writes a vector between the `all` of them: each 32 of its numbers lie together, as struct zn_product says. */
static void lay_out(zipnn_sum sum, const struct values *v, size_t n, unsigned at, unsigned all, uint8_t *x) {
    if (sum == ZIPNN_SUM_BF16_PAIRS) {
        uint16_t *to = (uint16_t *)(void *)x;
        for (size_t i = 0; i < n; i++) to[(i / 32 * all + at) * 32 + i % 32] = word_at(v, i);
        return;
    }
    float *to = (float *)(void *)x;
    for (size_t i = 0; i < n; i++) to[(i / 32 * all + at) * 32 + i % 2 * 16 + i % 32 / 2] = value_at(v, i);
}

zipnn_status zipnn_vectors_pack(zipnn_sum sum, zipnn_dtype dtype, const void *values, size_t stride, uint64_t n_columns,
                                unsigned n, void *vectors, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_vectors_pack", n_columns ? values : vectors, vectors, err));
    const size_t size = zipnn_vectors_size(n_columns, n);
    if ((unsigned)sum >= ZN_N_SUMS || (dtype != ZIPNN_F32 && dtype != ZIPNN_BF16))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE, "there are no products of sum %d with vectors of dtype %d",
                       (int)sum, (int)dtype);
    if (size == SIZE_MAX || (uintptr_t)vectors % 64)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                       "zipnn_vectors_pack takes 1 to %d vectors, and memory that is aligned to 64 bytes",
                       ZIPNN_MAX_VECTORS);
    const size_t width = dtype == ZIPNN_F32 ? sizeof(float) : sizeof(uint16_t);
    const struct zn_vectors head = {ZN_VECTORS_MARK, (uint32_t)sum, n, filled_up(n), n_columns};
    memset(vectors, 0, size);
    memcpy(vectors, &head, sizeof head);
    for (unsigned v = 0; v < n; v++) {
        const struct values one = {(const uint8_t *)values + v * stride * width, dtype};
        lay_out(sum, &one, (size_t)n_columns, v, head.n_filled, (uint8_t *)vectors + ZN_VECTORS_HEAD);
    }
    return ZIPNN_OK;
}
