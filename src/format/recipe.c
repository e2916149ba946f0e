#include "format/recipe.h"

const struct zn_cast_widths zn_casts[ZN_N_CASTS] = {
    [ZN_CAST_F32_BF16] = {4, 2}, [ZN_CAST_F32_BF16_CUT] = {4, 2}, [ZN_CAST_F32_F16] = {4, 2},
    [ZN_CAST_BF16_F32] = {2, 4}, [ZN_CAST_F16_F32] = {2, 4},      [ZN_CAST_BF16_F16] = {2, 2},
    [ZN_CAST_F16_BF16] = {2, 2},
};

static bool is_cast(unsigned form) {
    return form >= ZN_FORM_CAST && form < (unsigned)ZN_FORM_CAST + ZN_N_CASTS;
}

uint64_t zn_part_reads(const struct zn_part *part) {
    if (part->form == ZN_FORM_ZEROS) return 0;
    if (part->form == ZN_FORM_RANGE) return part->len;
    if (part->form == ZN_FORM_TURNED) return (uint64_t)part->row * part->stride * part->width;
    if (part->form == ZN_FORM_COLUMNS) {
        const uint64_t last = (uint64_t)part->skip + part->len - 1;
        return last / part->row * part->stride + last % part->row + 1;
    }
    const struct zn_cast_widths *w = &zn_casts[part->form - ZN_FORM_CAST];
    return (uint64_t)part->len / w->to * w->from;
}

void zn_part_see(const struct zn_part *p, const uint8_t *seen, uint8_t *to) {
    if (p->form == ZN_FORM_COLUMNS)
        for (uint64_t i = 0, at = p->skip; i < p->len; i++, at++) to[i] = seen[at / p->row * p->stride + at % p->row];
    else
        for (uint64_t i = 0, k = p->skip; i < p->len / p->width; i++, k++)
            memcpy(to + i * p->width, seen + (k % p->row * p->stride + k / p->row) * p->width, p->width);
}

/* Numbers take 7 bits a byte, from the low ones up. */
static void write_number(struct zn_out *out, uint64_t v) {
    for (; v > 127; v >>= 7) zn_out_u8(out, (uint8_t)(v | 128));
    zn_out_u8(out, (uint8_t)v);
}

static bool read_number(struct zn_cur *cur, uint64_t *v) {
    *v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = zn_cur_u8(cur);
        if (shift == 63 && byte > 1) return false;
        *v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return zn_cur_ok(cur);
    }
    return false;
}

static bool is_view(const struct zn_part *part) {
    return part->form == ZN_FORM_COLUMNS || part->form == ZN_FORM_TURNED;
}

static void write_view(struct zn_out *out, const struct zn_part *part) {
    if (!is_view(part)) return;
    if (part->form == ZN_FORM_TURNED) zn_out_u8(out, part->width);
    write_number(out, part->row);
    write_number(out, part->stride);
    write_number(out, part->skip);
}

void zn_part_write(struct zn_out *out, const struct zn_part *part, uint64_t *next) {
    zn_out_u8(out, part->form);
    write_number(out, part->len);
    if (part->form == ZN_FORM_ZEROS) return;
    const uint64_t ahead = part->off - *next, back = *next - part->off;
    write_number(out, ahead <= back ? ahead << 1 : (back << 1) - 1);
    write_view(out, part);
    *next = part->off + zn_part_reads(part);
}

/* Reads a number of at most `most`. */
static bool read_small(struct zn_cur *cur, uint32_t most, uint32_t *v) {
    uint64_t wide;
    const bool legal = read_number(cur, &wide) && wide <= most;
    *v = legal ? (uint32_t)wide : 0;
    return legal;
}

/* What is seen has at most ZN_MAX_VIEW bytes, rows of columns are not tiny, and the part lies inside. */
static bool read_view(struct zn_cur *cur, struct zn_part *part) {
    if (part->form == ZN_FORM_TURNED) part->width = zn_cur_u8(cur);
    if (!read_small(cur, ZN_MAX_VIEW, &part->row) || !read_small(cur, ZN_MAX_VIEW, &part->stride) ||
        !read_small(cur, ZN_MAX_VIEW, &part->skip) || part->row == 0 || part->stride == 0)
        return false;
    if (part->form == ZN_FORM_COLUMNS)
        return part->row >= ZN_LEAST_ROW && part->stride >= part->row && part->skip < part->row &&
               zn_part_reads(part) <= ZN_MAX_VIEW;
    const unsigned w = part->width;
    if ((w != 1 && w != 2 && w != 4 && w != 8) || part->len % w) return false;
    const uint64_t elements = (uint64_t)part->row * part->stride;
    return elements <= ZN_MAX_VIEW / w && part->skip + (uint64_t)part->len / w <= elements;
}

zipnn_status zn_part_read(struct zn_cur *cur, uint32_t left, uint64_t at, uint64_t *next, struct zn_part *part,
                          zipnn_error *err) {
    uint64_t len, step = 0, end;
    *part = (struct zn_part){.form = zn_cur_u8(cur)};
    if (part->form > ZN_FORM_TURNED && !is_cast(part->form))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "a reference is made by form %u, which is not supported",
                       part->form);
    bool legal = read_number(cur, &len) && len != 0 && len <= left;
    if (legal && part->form != ZN_FORM_ZEROS) legal = read_number(cur, &step);
    if (!legal) return zn_fail(err, ZIPNN_E_CORRUPT, at, "a part of a reference claims too much, or is cut short");
    part->len = (uint32_t)len;
    if (part->form == ZN_FORM_ZEROS) return ZIPNN_OK;
    part->off = step & 1 ? *next - (step >> 1) - 1 : *next + (step >> 1);
    if (is_view(part) && !read_view(cur, part))
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "a reference sees a matrix that does not exist");
    if (is_cast(part->form) && len % zn_casts[part->form - ZN_FORM_CAST].to)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "%llu bytes are no whole elements", (unsigned long long)len);
    if (!zn_add(part->off, zn_part_reads(part), &end))
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "a part of a reference lies at offset %llu",
                       (unsigned long long)part->off);
    *next = end;
    return ZIPNN_OK;
}
