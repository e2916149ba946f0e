#include "format/reference.h"

void zn_reference_write(uint8_t *out, const struct zn_reference *ref) {
    struct zn_out o = zn_out_of(out, ZN_REFERENCE_LEN);
    zn_out_u8(&o, ZN_KIND_REFERENCE);
    zn_out_u8(&o, ref->method);
    zn_out_u8(&o, ref->source);
    zn_out_u8(&o, 0);
    zn_out_u32(&o, ref->len);
    zn_out_u64(&o, ref->off);
    zn_out_u64(&o, ref->ref_check);
    zn_out_u64(&o, ref->orig_check);
}

zipnn_status zn_reference_read(const uint8_t *body, size_t len, uint32_t orig_len, uint64_t at,
                               struct zn_reference *ref, zipnn_error *err) {
    struct zn_cur c = zn_cur_of(body, len);
    uint64_t end;
    zn_cur_u8(&c);
    ref->method = zn_cur_u8(&c);
    ref->source = zn_cur_u8(&c);
    const uint8_t reserved = zn_cur_u8(&c);
    ref->len = zn_cur_u32(&c);
    ref->off = zn_cur_u64(&c);
    ref->ref_check = zn_cur_u64(&c);
    ref->orig_check = zn_cur_u64(&c);
    if (!zn_cur_ok(&c)) return zn_fail(err, ZIPNN_E_CORRUPT, at, "reference of %zu bytes is cut short", len);
    if (ref->method >= ZN_N_METHODS || reserved != 0)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "reference method %u, flags %u", ref->method, reserved);
    if (ref->len != orig_len)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "chunk of %u bytes refers to %u", orig_len, ref->len);
    if (!zn_add(ref->off, ref->len, &end))
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "reference to offset %llu", (unsigned long long)ref->off);
    if (ref->method == ZN_METHOD_COPY && zn_cur_left(&c) != 0)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "copy that is none");
    if (zn_method_copies(ref->method) && ref->ref_check != ref->orig_check)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "copy that is none");
    if (zn_method_makes(ref->method) && ref->off != 0)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "a reference by parts begins at offset %llu",
                       (unsigned long long)ref->off);
    return ZIPNN_OK;
}

size_t zn_bases_len(const struct zn_base_record *bases, unsigned n) {
    size_t len = ZN_BASES_LEN;
    for (unsigned i = 0; i < n; i++) len += (size_t)ZN_BASE_LEN + bases[i].name_len;
    return len;
}

void zn_bases_write(uint8_t *out, const struct zn_base_record *bases, unsigned n) {
    struct zn_out o = zn_out_of(out, zn_bases_len(bases, n));
    zn_out_u8(&o, ZN_KIND_BASES);
    zn_out_u8(&o, (uint8_t)n);
    zn_out_u16(&o, 0);
    for (unsigned i = 0; i < n; i++) {
        zn_out_bytes(&o, bases[i].xxh3, sizeof bases[i].xxh3);
        zn_out_u64(&o, bases[i].length);
        zn_out_u8(&o, 0);
        zn_out_u8(&o, bases[i].name_len);
        zn_out_bytes(&o, bases[i].name, bases[i].name_len);
    }
}

static zipnn_status read_base(struct zn_cur *c, uint64_t at, struct zn_base_record *base, zipnn_error *err) {
    const uint8_t *xxh3 = zn_cur_take(c, sizeof base->xxh3);
    base->length = zn_cur_u64(c);
    const uint8_t reserved = zn_cur_u8(c);
    base->name_len = zn_cur_u8(c);
    const uint8_t *name = zn_cur_take(c, base->name_len);
    if (!xxh3 || !name) return zn_fail(err, ZIPNN_E_CORRUPT, at, "table of bases is cut short");
    if (reserved) return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "base of kind %u", reserved);
    memcpy(base->xxh3, xxh3, sizeof base->xxh3);
    memcpy(base->name, name, base->name_len);
    base->name[base->name_len] = '\0';
    return ZIPNN_OK;
}

zipnn_status zn_bases_read(const uint8_t *body, size_t len, uint64_t at, struct zn_base_record *bases, unsigned *n,
                           zipnn_error *err) {
    struct zn_cur c = zn_cur_of(body, len);
    const uint8_t kind = zn_cur_u8(&c);
    *n = zn_cur_u8(&c);
    const uint16_t reserved = zn_cur_u16(&c);
    if (!zn_cur_ok(&c) || kind != ZN_KIND_BASES)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "no table of bases where one must be");
    if (reserved) return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "table of bases with flags 0x%04x", reserved);
    if (*n == 0 || *n > ZN_MAX_BASES)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "table of %u bases, 1 to %d are legal", *n, ZN_MAX_BASES);
    for (unsigned i = 0; i < *n; i++) ZN_TRY(read_base(&c, at, &bases[i], err));
    if (zn_cur_left(&c)) return zn_fail(err, ZIPNN_E_CORRUPT, at, "bytes follow the table of bases");
    return ZIPNN_OK;
}
