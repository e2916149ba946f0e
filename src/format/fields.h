/* The table of fields in a body of records: how blocks of a fixed size fall apart (doc/format.md, section 5). */
#ifndef ZN_FORMAT_FIELDS_H
#define ZN_FORMAT_FIELDS_H

#include "format/format.h"

/* Wire values. */
enum zn_field_kind {
    ZN_FIELD_BYTES,  /* one plane; the others two, which halve each byte: */
    ZN_FIELD_HALVES, /* its low half, its high half */
    ZN_FIELD_E4,     /* the same of the byte rotated left by one bit (fp8: mantissa and sign, exponent of four bits) */
    ZN_FIELD_E5,     /* the low three and the high five bits of the byte so rotated */
    ZN_FIELD_SIGNED, /* the halves of the byte with its top bit flipped: integers around 0 come to lie in the middle */
    ZN_FIELD_E6,     /* the low two and the high six bits of the byte rotated as for E4 */
    ZN_FIELD_E7,     /* the low bit and the high seven bits of the same */
    ZN_FIELD_FIVE,   /* the low three and the high five bits of the byte */
    ZN_FIELD_SIGNED_FIVE, /* the same of the byte with its top bit flipped */
    ZN_N_FIELD_KINDS
};

/* The first version that reads fields of E6 and of the kinds after it; the others stand since 1.0. */
enum { ZN_FIELD_E6_SINCE = 101 };

/* How a byte of a kind with two planes is turned before it is cut: rotated left, or some bits flipped. */
static inline unsigned zn_field_rotation(uint8_t kind) {
    return kind == ZN_FIELD_E4 || kind == ZN_FIELD_E5 || kind == ZN_FIELD_E6 || kind == ZN_FIELD_E7;
}

static inline uint8_t zn_field_flip(uint8_t kind) {
    return kind == ZN_FIELD_SIGNED || kind == ZN_FIELD_SIGNED_FIVE ? 128 : 0;
}

/* Bits of the low plane of a kind that has two. */
static inline unsigned zn_field_low_bits(uint8_t kind) {
    switch (kind) {
        case ZN_FIELD_E7:
            return 1;
        case ZN_FIELD_E6:
            return 2;
        case ZN_FIELD_E5:
        case ZN_FIELD_FIVE:
        case ZN_FIELD_SIGNED_FIVE:
            return 3;
        default:
            return 4;
    }
}

struct zn_field {
    uint8_t kind;
    uint16_t len; /* bytes of a record */
};

struct zn_record {
    unsigned n_fields;
    struct zn_field field[ZN_MAX_FIELDS];
};

static inline unsigned zn_field_planes(const struct zn_field *f) {
    return f->kind == ZN_FIELD_BYTES ? 1 : 2;
}

/* Bytes of a record, and its planes. */
uint32_t zn_record_width(const struct zn_record *r);
unsigned zn_record_planes(const struct zn_record *r);

void zn_record_write(const struct zn_record *r, struct zn_out *out);

/* Reads the table at the cursor, which lies at offset `at` of the archive. What comes out keeps every limit. */
zipnn_status zn_record_read(struct zn_cur *cur, uint64_t at, struct zn_record *r, zipnn_error *err);

#endif
