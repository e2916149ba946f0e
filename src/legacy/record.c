/* Reads what comes before the chunks of an old record. */
#include "legacy/record.h"

#include "base/cur.h"

enum {
    REORDER_4 = 0xDC, /* how bytes are grouped: elements of 32 bits in four groups */
    REORDER_2 = 0x0A, /* elements of 16 bits in two groups, bytes in one */
    FORMAT_BYTES = 1,
    FORMAT_TORCH = 2,
    FORMAT_NUMPY = 3,
    METHOD_LZ4 = 3,
    METHOD_SNAPPY = 4,
    STREAMING = 128, /* log2 of the streaming chunk is added */
    MAX_CHUNK_LOG = 62,
    BYTE_CHUNK = 128 << 10, /* chunks of 8-bit elements are never longer */
    WHOLE_TABLE = 4 + 4 * 8 /* of a whole record: a type and a size for each group */
};

/* The fields of the header that are only needed for checking. */
struct fields {
    uint8_t reorder, rotate, method, format, delta, streaming, chunk_log, dtype;
};

zipnn_status zn_old_read(const zipnn_source *source, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    if (len == 0) return ZIPNN_OK;
    if (err) err->status = ZIPNN_OK;
    zipnn_status status = source->read_at(source->user, off, buf, len, err);
    if (status == ZIPNN_OK || (err && err->status == status)) return status;
    return zn_fail(err, status, off, "the source failed (%s)", zipnn_status_name(status));
}

bool zn_old_record_begins(const uint8_t *bytes, size_t len) {
    return len >= 2 && bytes[0] == 'Z' && bytes[1] == 'N' && (len < 6 || bytes[5] != 0);
}

static zipnn_dtype dtype_of(uint8_t code) {
    static const zipnn_dtype dtypes[] = {[1] = ZIPNN_F32,  [2] = ZIPNN_F32,      [4] = ZIPNN_F16,     [5] = ZIPNN_F16,
                                         [6] = ZIPNN_BF16, [29] = ZIPNN_F8_E4M3, [30] = ZIPNN_F8_E5M2};
    return code < sizeof dtypes / sizeof dtypes[0] ? dtypes[code] : ZIPNN_DTYPE_UNKNOWN;
}

static void read_fields(const uint8_t header[ZN_OLD_HEADER], struct zn_old_record *r, struct fields *f) {
    memcpy(r->version, header + 2, sizeof r->version);
    *f = (struct fields){.reorder = header[5],
                         .rotate = header[6],
                         .method = header[7],
                         .format = header[8],
                         .delta = header[9],
                         .streaming = header[13],
                         .chunk_log = header[14],
                         .dtype = header[15]};
    r->original = zn_get_u64(header + 16);
    r->len = zn_get_u64(header + 24);
    r->dtype = dtype_of(f->dtype);
    r->delta = f->delta != 0;
    r->streaming = f->streaming >= STREAMING;
    r->n_groups = r->dtype == ZIPNN_F32 ? 4 : r->dtype == ZIPNN_BF16 || r->dtype == ZIPNN_F16 ? 2 : 1;
    r->rotated = f->rotate == 1 && r->n_groups > 1;
}

static zipnn_status check_fields(const struct zn_old_record *r, const struct fields *f, zipnn_error *err) {
    if (r->dtype == ZIPNN_DTYPE_UNKNOWN)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, r->at + 15,
                       "an old record of element type %u; 1, 2, 4, 5, 6, 29 and 30 were written", f->dtype);
    if (f->reorder != (r->n_groups == 4 ? REORDER_4 : REORDER_2))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, r->at + 5, "an old record groups its bytes in the unknown way %u",
                       f->reorder);
    if (f->rotate > 1 || f->format < FORMAT_BYTES || f->format > FORMAT_NUMPY || f->delta > 2 ||
        f->chunk_log > MAX_CHUNK_LOG)
        return zn_fail(err, ZIPNN_E_CORRUPT, r->at + 6,
                       "the header of an old record holds a value that was never written");
    return ZIPNN_OK;
}

static zipnn_status cut_short(const struct zn_old_record *r, uint64_t end, const char *what, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_TRUNCATED, end, "the %s of the old record at %llu is cut short", what,
                   (unsigned long long)r->at);
}

/* Reads the shape after the header and sets r->body. */
static zipnn_status read_shape(const zipnn_source *source, struct zn_old_record *r, uint64_t end, zipnn_error *err) {
    uint8_t bytes[ZN_OLD_SHAPE_MAX];
    const uint64_t at = r->at + ZN_OLD_HEADER;
    const size_t len = (size_t)ZN_MIN(end - at, (uint64_t)sizeof bytes);
    ZN_TRY(zn_old_read(source, at, bytes, len, err));
    struct zn_cur c = zn_cur_of(bytes, len);
    r->has_shape = true;
    r->rank = zn_cur_u8(&c);
    if (r->rank > ZN_OLD_MAX_RANK)
        return zn_fail(err, ZIPNN_E_LIMIT, at, "an old record of %u dimensions, %d are allowed", r->rank,
                       ZN_OLD_MAX_RANK);
    for (uint32_t i = 0; i < r->rank; i++) {
        const uint8_t width = zn_cur_u8(&c);
        if (zn_cur_ok(&c) && width != 1 && width != 2 && width != 4 && width != 8 && width != 0)
            return zn_fail(err, ZIPNN_E_CORRUPT, at + len - zn_cur_left(&c) - 1,
                           "dimension %u of an old record has %u bytes", i, width);
        r->dims[i] = 0;
        const uint8_t *dim = zn_cur_take(&c, width);
        for (size_t k = 0; dim && k < width; k++) r->dims[i] |= (uint64_t)dim[k] << 8 * k;
    }
    if (!zn_cur_ok(&c)) return cut_short(r, at + len, "shape", err);
    r->body = at + len - zn_cur_left(&c);
    return ZIPNN_OK;
}

/* Opens a whole record. Up to 0.3.5, float32 had no original length in its header, and a table that does not depend on
 * it. */
static zipnn_status open_whole(const zipnn_source *source, struct zn_old_record *r, const struct fields *f,
                               zipnn_error *err) {
    uint8_t table[WHOLE_TABLE];
    const uint64_t end = r->at + r->len;
    if (end - r->body < sizeof table) return cut_short(r, end, "table", err);
    ZN_TRY(zn_old_read(source, r->body, table, sizeof table, err));
    uint64_t sum = r->body + sizeof table;
    for (unsigned g = 0; g < 4; g++) {
        r->sizes[g] = zn_get_u64(table + 4 + 8 * g);
        r->zstd[g] = table[g] == 1;
        if (table[g] > 1)
            return zn_fail(err, ZIPNN_E_CORRUPT, r->body + g, "group %u of an old record has type %u, 0 and 1 exist", g,
                           table[g]);
        if (table[g] == 1 && (f->method == METHOD_LZ4 || f->method == METHOD_SNAPPY))
            return zn_fail(err, ZIPNN_E_UNSUPPORTED, r->at + 7,
                           "a float32 record of zipnn %u.%u.%u by %s, which this library does not read", r->version[0],
                           r->version[1], r->version[2], f->method == METHOD_LZ4 ? "LZ4" : "Snappy");
        if (!zn_add(sum, r->sizes[g], &sum)) sum = UINT64_MAX;
    }
    if (sum != end)
        return zn_fail(err, ZIPNN_E_CORRUPT, r->body + 4, "the groups of an old record do not add up to its %llu bytes",
                       (unsigned long long)r->len);
    r->whole = true;
    return zn_old_whole_measure(source, r, err);
}

static zipnn_status open_chunks(struct zn_old_record *r, const struct fields *f, zipnn_error *err) {
    const uint64_t left = r->at + r->len - r->body;
    r->chunk = (uint64_t)1 << f->chunk_log;
    if (r->n_groups == 1) r->chunk = ZN_MIN(r->chunk, (uint64_t)BYTE_CHUNK);
    r->n_chunks = r->original / r->chunk + (r->original % r->chunk != 0);
    if (r->n_chunks > left / (9 * r->n_groups))
        return zn_fail(err, ZIPNN_E_CORRUPT, r->at + 16,
                       "an old record of %llu bytes has no room for the tables of %llu original bytes",
                       (unsigned long long)r->len, (unsigned long long)r->original);
    return ZIPNN_OK;
}

zipnn_status zn_old_record_open(const zipnn_source *source, uint64_t at, uint64_t end, struct zn_old_record *r,
                                zipnn_error *err) {
    uint8_t header[ZN_OLD_HEADER];
    struct fields f;
    memset(r, 0, sizeof *r);
    r->at = at;
    if (end - at < sizeof header) return cut_short(r, end, "header", err);
    ZN_TRY(zn_old_read(source, at, header, sizeof header, err));
    if (!zn_old_record_begins(header, sizeof header))
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "no old record begins here");
    read_fields(header, r, &f);
    ZN_TRY(check_fields(r, &f, err));
    if (r->len > end - at)
        return zn_fail(err, ZIPNN_E_TRUNCATED, end,
                       "the old record at %llu has %llu bytes, the input ends %llu bytes too early",
                       (unsigned long long)at, (unsigned long long)r->len, (unsigned long long)(r->len - (end - at)));
    if (r->len < sizeof header)
        return zn_fail(err, ZIPNN_E_CORRUPT, at + 24, "an old record of %llu bytes, its header alone has %d",
                       (unsigned long long)r->len, ZN_OLD_HEADER);
    r->body = at + sizeof header;
    if (f.format != FORMAT_BYTES) ZN_TRY(read_shape(source, r, at + r->len, err));
    if (r->n_groups == 4 && r->original == 0 && r->body < at + r->len) return open_whole(source, r, &f, err);
    return open_chunks(r, &f, err);
}
