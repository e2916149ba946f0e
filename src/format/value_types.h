/* Blocks of quantised values: value_types.def as a table, and what a body of layout VALUES adds to its head. */
#ifndef ZN_FORMAT_VALUE_TYPES_H
#define ZN_FORMAT_VALUE_TYPES_H

#include "base/cur.h"
#include "base/err.h"
#include "base/out.h"

enum { ZN_MAX_SIDES = 5, ZN_MAX_EXACT = 16, ZN_MAX_LOW_BITS = 4 };

enum zn_values_id {
#define VALUES(id, number, ...) ZN_VALUES_##id = number,
#include "format/value_types.def"
#undef VALUES
    ZN_N_VALUES
};

/* What the groups of a type are sorted by: how large their scale is beside those around it, or where 0 lies among
 * their values; the names after the underscore are those of the types whose scales lie the same way. */
enum zn_key {
    ZN_KEY_SCALE,
    ZN_KEY_SCALE_Q3_K,
    ZN_KEY_SCALE_Q6_K,
    ZN_KEY_SCALE_IQ4_XS,
    ZN_KEY_SCALE_E8M0,
    ZN_KEY_SCALE_E4M3,
    ZN_KEY_ZERO,
    ZN_KEY_ZERO_K
};

struct zn_values_part {
    uint16_t at;
    uint8_t bits, stride;
};

struct zn_values_type {
    uint16_t width, n;
    uint8_t group_log2, key;
    struct zn_values_part low, high;
    struct {
        uint16_t at, len;
    } side[ZN_MAX_SIDES];
};

/* Indexed by enum zn_values_id. */
extern const struct zn_values_type zn_values_types[ZN_N_VALUES];

static inline unsigned zn_values_bits(const struct zn_values_type *t) {
    return t->low.bits + t->high.bits;
}

static inline unsigned zn_values_sides(const struct zn_values_type *t) {
    unsigned n = 0;
    while (n < ZN_MAX_SIDES && t->side[n].len) n++;
    return n;
}

/* What stands after the head. */
struct zn_values_head {
    uint8_t type;     /* enum zn_values_id */
    uint8_t low_bits; /* of a value, that are stored as they are */
    bool sorted;      /* groups by their keys */
    uint8_t n_exact;
    uint8_t exact[ZN_MAX_EXACT]; /* values that have symbols of their own, ascending */
};

void zn_values_head_write(const struct zn_values_head *h, struct zn_out *out);

/* Reads it at the cursor, which lies at offset `at` of the archive. What comes out keeps every limit. */
zipnn_status zn_values_head_read(struct zn_cur *cur, uint64_t at, struct zn_values_head *h, zipnn_error *err);

#endif
