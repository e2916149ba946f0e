#include "format/value_types.h"

const struct zn_values_type zn_values_types[ZN_N_VALUES] = {
#define P(at, bits, stride) \
    { at, bits, stride }
#define VALUES(id, number, width, n, group_log2, key, low, high, ...) \
    [number] = {width, n, group_log2, ZN_KEY_##key, low, high, {__VA_ARGS__}},
#include "format/value_types.def"
#undef VALUES
#undef P
};

void zn_values_head_write(const struct zn_values_head *h, struct zn_out *out) {
    zn_out_u8(out, h->type);
    zn_out_u8(out, h->low_bits);
    zn_out_u8(out, h->sorted);
    zn_out_u8(out, h->n_exact);
    zn_out_bytes(out, h->exact, h->n_exact);
}

zipnn_status zn_values_head_read(struct zn_cur *cur, uint64_t at, struct zn_values_head *h, zipnn_error *err) {
    h->type = zn_cur_u8(cur);
    h->low_bits = zn_cur_u8(cur);
    const uint8_t order = zn_cur_u8(cur);
    h->n_exact = zn_cur_u8(cur);
    if (!zn_cur_ok(cur)) return zn_fail(err, ZIPNN_E_CORRUPT, at, "chunk ends inside what it says of its values");
    if (h->type >= ZN_N_VALUES || order > 1)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "values of type %u in order %u are not supported", h->type, order);
    h->sorted = order == 1;
    const unsigned bits = zn_values_bits(&zn_values_types[h->type]);
    if (h->low_bits > ZN_MAX_LOW_BITS || h->low_bits == 3 || h->low_bits >= bits || bits - h->low_bits > 4 ||
        h->n_exact > ZN_MAX_EXACT)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "values of %u bits, %u of them stored, %u values with symbols", bits,
                       h->low_bits, h->n_exact);
    for (unsigned i = 0; i < h->n_exact; i++) {
        h->exact[i] = zn_cur_u8(cur);
        if (!zn_cur_ok(cur) || h->exact[i] >> bits || (i > 0 && h->exact[i] <= h->exact[i - 1]))
            return zn_fail(err, ZIPNN_E_CORRUPT, at, "value %u with a symbol of its own is %u", i, h->exact[i]);
    }
    return ZIPNN_OK;
}
