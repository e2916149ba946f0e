#include "chunk/columns.h"

#include "codec/bits.h"

struct zn_columns zn_columns_begin(const struct zn_columns_head *head, size_t n, uint16_t *mean) {
    const size_t n_columns = ZN_MIN(head->stride, n);
    for (size_t i = 0; i < n_columns; i++) mean[i] = zn_mean_of(head->start);
    return (struct zn_columns){.head = *head, .mean = mean};
}

/* Returns how slowly the means move in the current row: the first rows move them most. */
static unsigned slowness(const struct zn_columns *c) {
    unsigned slow = c->head.fast;
    while (slow < c->head.slow && (c->row + ((size_t)1 << c->head.fast)) >> (slow + 1)) slow++;
    return slow;
}

/* Returns how many of the next n symbols lie in the current row. */
static size_t in_row(const struct zn_columns *c, size_t n) {
    return ZN_MIN(n, c->head.stride - c->column);
}

static void advance(struct zn_columns *c, size_t n) {
    c->column += n;
    if (c->column < c->head.stride) return;
    c->column = 0;
    c->row++;
}

void zn_columns_add(struct zn_columns *c, const struct zn_joint_kernels *k, uint8_t *symbols, size_t n) {
    for (size_t m; n > 0; n -= m, symbols += m) {
        m = in_row(c, n);
        k->add_means(c->mean + c->column, symbols, m, slowness(c));
        advance(c, m);
    }
}

uint64_t zn_columns_take(struct zn_columns *c, const struct zn_joint_kernels *k, const uint8_t *symbols, size_t n,
                         uint8_t *out) {
    uint64_t distances = 0;
    for (size_t m; n > 0; n -= m, symbols += m, out += m) {
        m = in_row(c, n);
        distances += k->take_means(c->mean + c->column, symbols, m, slowness(c), out);
        advance(c, m);
    }
    return distances;
}

/* Packs the n numbers of a plane. */
static zipnn_status pack(struct zn_coder *coder, const struct zn_coded *in, const uint8_t *numbers, size_t n,
                         unsigned bits, const uint8_t **plane, zipnn_error *err) {
    const struct zn_bits packed = {(uint8_t)((1u << bits) - 1), 0};
    const size_t len = zn_bits_len(packed, n);
    uint8_t *to = zn_scratch_take(&coder->scratch, len + ZN_SLACK), all = 0;
    struct zn_out out = zn_out_of(to, len);
    for (size_t i = 0; i < n; i++) all |= numbers[i];
    if (all > packed.mask) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "a part of a float is above %u", packed.mask);
    zn_bits_write(coder->codec.k, packed, numbers, n, &out);
    *plane = to + ZN_BITS_HEAD;
    return ZIPNN_OK;
}

zipnn_status zn_columns_plane(struct zn_coder *coder, const struct zn_coded *in, size_t n, unsigned bits,
                              const uint8_t **plane, zipnn_error *err) {
    *plane = in->data;
    if (bits == 8 && in->codec == ZN_CODEC_RAW && in->len == n) return ZIPNN_OK;
    uint8_t *numbers = zn_scratch_take(&coder->scratch, n);
    ZN_TRY(zn_stream_decode(&coder->codec, 0, in, numbers, n, err));
    *plane = numbers;
    return bits < 8 ? pack(coder, in, numbers, n, bits, plane, err) : ZIPNN_OK;
}
