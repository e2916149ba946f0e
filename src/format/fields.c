#include "format/fields.h"

uint32_t zn_record_width(const struct zn_record *r) {
    uint32_t width = 0;
    for (unsigned f = 0; f < r->n_fields; f++) width += r->field[f].len;
    return width;
}

unsigned zn_record_planes(const struct zn_record *r) {
    unsigned n = 0;
    for (unsigned f = 0; f < r->n_fields; f++) n += zn_field_planes(&r->field[f]);
    return n;
}

void zn_record_write(const struct zn_record *r, struct zn_out *out) {
    zn_out_u8(out, (uint8_t)r->n_fields);
    for (unsigned f = 0; f < r->n_fields; f++) {
        zn_out_u8(out, r->field[f].kind);
        zn_out_u16(out, r->field[f].len);
    }
}

zipnn_status zn_record_read(struct zn_cur *cur, uint64_t at, struct zn_record *r, zipnn_error *err) {
    r->n_fields = zn_cur_u8(cur);
    if (!zn_cur_ok(cur)) return zn_fail(err, ZIPNN_E_CORRUPT, at, "chunk ends before its table of fields");
    if (r->n_fields == 0 || r->n_fields > ZN_MAX_FIELDS)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "records of %u fields are not supported", r->n_fields);
    for (unsigned f = 0; f < r->n_fields; f++) {
        const uint8_t kind = zn_cur_u8(cur);
        const uint16_t len = zn_cur_u16(cur);
        if (!zn_cur_ok(cur)) return zn_fail(err, ZIPNN_E_CORRUPT, at, "chunk ends inside its table of fields");
        if (kind >= ZN_N_FIELD_KINDS)
            return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "field kind %u is not supported", kind);
        if (len == 0) return zn_fail(err, ZIPNN_E_CORRUPT, at, "field %u has no bytes", f);
        r->field[f] = (struct zn_field){kind, len};
    }
    const uint32_t width = zn_record_width(r);
    if (width > ZN_MAX_RECORD || zn_record_planes(r) > ZN_MAX_PLANES)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "records of %u bytes in %u planes, %d in %d are allowed", width,
                       zn_record_planes(r), ZN_MAX_RECORD, ZN_MAX_PLANES);
    return ZIPNN_OK;
}
