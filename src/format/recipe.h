/* Recipes: how a reference is made of parts of an original (doc/format.md, section 9.1). */
#ifndef ZN_FORMAT_RECIPE_H
#define ZN_FORMAT_RECIPE_H

#include "base/cur.h"
#include "base/err.h"
#include "base/out.h"

/* What a part is: zeros, bytes as they are, columns of a matrix, a matrix turned over, or floats that are cast to another
 * type. */
enum zn_form {
    ZN_FORM_ZEROS,
    ZN_FORM_RANGE,
    ZN_FORM_COLUMNS,
    ZN_FORM_TURNED,
    ZN_FORM_CAST = 16, /* and an enum zn_cast */
};

/* Casts round to the nearest, ties to even; the one that cuts drops the lower bits. */
enum zn_cast {
    ZN_CAST_F32_BF16,
    ZN_CAST_F32_BF16_CUT,
    ZN_CAST_F32_F16,
    ZN_CAST_BF16_F32,
    ZN_CAST_F16_F32,
    ZN_CAST_BF16_F16,
    ZN_CAST_F16_BF16,
    ZN_N_CASTS
};

enum {
    ZN_MAX_PARTS = 4096,
    ZN_RECIPE_HEAD = 2,    /* the number of parts */
    ZN_MAX_PART = 48,      /* bytes of a part's record */
    ZN_LEAST_ROW = 32,     /* bytes of a row of columns */
    ZN_MAX_VIEW = 32 << 20 /* bytes of the matrix that is seen */
};

struct zn_part {
    uint8_t form;
    uint32_t len; /* bytes that it makes */
    uint64_t off; /* of the bytes that it is made of, in the original */
    /* Columns: rows of `row` bytes that begin `stride` bytes apart, of which the first `skip` bytes are left out. Turned:
     * a matrix of `row` rows and `stride` columns of `width` bytes, of whose elements, column by column, the first `skip`
     * are left out. */
    uint32_t row, stride, skip;
    uint8_t width;
};

/* Bytes of an element before and after a cast. */
struct zn_cast_widths {
    uint8_t from, to;
};
extern const struct zn_cast_widths zn_casts[ZN_N_CASTS];

/* Returns how many bytes of the original, from part->off on, the part is made of; of views, in which it lies. */
uint64_t zn_part_reads(const struct zn_part *part);

/* Makes a part of columns, or of a matrix turned over, out of all the bytes that it lies in. */
void zn_part_see(const struct zn_part *part, const uint8_t *seen, uint8_t *to);

/* Writes a part. *next is where the part before ended in the original, 0 at first. */
void zn_part_write(struct zn_out *out, const struct zn_part *part, uint64_t *next);

/* Reads a part that makes at most `left` bytes. `at` is for errors. */
zipnn_status zn_part_read(struct zn_cur *cur, uint32_t left, uint64_t at, uint64_t *next, struct zn_part *part,
                          zipnn_error *err);

#endif
