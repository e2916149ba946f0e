#include "legacy/record_write.h"

#include "legacy/groups.h"

enum {
    VERSION_MAJOR = 0,
    VERSION_MINOR = 5,
    VERSION_TINY = 3,
    CHUNK_LOG = 18,
    MIN_CHUNK_LOG = 2,  /* whole words */
    MAX_CHUNK_LOG = 20, /* longer chunks would be stored */
    BYTE_CHUNK = 128 << 10,
    MAX_HEAD = ZN_OLD_HEADER + ZN_OLD_SHAPE_MAX
};

struct zn_old_press {
    zipnn_allocator alloc;
    struct zn_huff0_code code;
    uint8_t chunk[1 << MAX_CHUNK_LOG];
    uint8_t base[1 << MAX_CHUNK_LOG];
    uint8_t group[1 << MAX_CHUNK_LOG];
    uint8_t coded[ZN_HUFF0_BOUND];
    uint8_t *table; /* types and sizes as in the record */
    size_t table_cap;
};

/* A record while it is made. */
struct making {
    struct zn_old_press *press;
    const zipnn_source *source, *base;
    uint64_t at, len;
    const struct zn_old_make *make;
    uint64_t chunk, n_chunks;
    unsigned n_groups;
    uint8_t head[MAX_HEAD];
    size_t head_len;
    uint64_t areas; /* bytes of all groups */
};

struct zn_old_make zn_old_make_default(zipnn_dtype dtype) {
    return (struct zn_old_make){.dtype = dtype, .kind = ZN_OLD_BYTES, .chunk_log = CHUNK_LOG, .threshold = 0.95F};
}

zipnn_status zn_old_press_create(const zipnn_allocator *alloc, struct zn_old_press **press, zipnn_error *err) {
    struct zn_old_press *p = zn_alloc(alloc, sizeof *p);
    if (!p)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: writing old records takes %zu bytes",
                       sizeof *p);
    p->alloc = *alloc;
    p->table = NULL;
    p->table_cap = 0;
    *press = p;
    return ZIPNN_OK;
}

void zn_old_press_free(struct zn_old_press *press) {
    if (!press) return;
    const zipnn_allocator alloc = press->alloc;
    zn_free(&alloc, press->table);
    zn_free(&alloc, press);
}

static unsigned element_of(zipnn_dtype dtype) {
    return dtype == ZIPNN_F32 ? 4 : dtype == ZIPNN_BF16 || dtype == ZIPNN_F16 ? 2 : 1;
}

/* ---- the header */

static uint8_t code_of(zipnn_dtype dtype) {
    return dtype == ZIPNN_F32 ? 1 : dtype == ZIPNN_F16 ? 4 : dtype == ZIPNN_BF16 ? 6 : dtype == ZIPNN_F8_E4M3 ? 29 : 30;
}

static void put_shape(struct making *m) {
    uint8_t *to = m->head + ZN_OLD_HEADER;
    *to++ = (uint8_t)m->make->rank;
    for (uint32_t i = 0; i < m->make->rank; i++) {
        const uint64_t dim = m->make->dims[i];
        const unsigned width = dim < 1 << 8 ? 1 : dim < 1 << 16 ? 2 : dim <= UINT32_MAX ? 4 : 8;
        *to++ = (uint8_t)width;
        for (unsigned k = 0; k < width; k++) *to++ = (uint8_t)(dim >> 8 * k);
    }
    m->head_len = (size_t)(to - m->head);
}

static void put_head(struct making *m) {
    const struct zn_old_make *k = m->make;
    const uint8_t head[16] = {'Z',
                              'N',
                              VERSION_MAJOR,
                              VERSION_MINOR,
                              VERSION_TINY,
                              k->dtype == ZIPNN_F32 ? 0xDC : 0x0A,
                              k->dtype != ZIPNN_F16,
                              k->method,
                              (uint8_t)k->kind,
                              k->delta,
                              0,
                              0,
                              0,
                              k->streaming_log ? (uint8_t)(128 + k->streaming_log) : 0,
                              k->chunk_log,
                              code_of(k->dtype)};
    memcpy(m->head, head, sizeof head);
    zn_put_u64(m->head + 16, m->len);
    m->head_len = ZN_OLD_HEADER;
    if (k->kind != ZN_OLD_BYTES) put_shape(m);
}

static uint64_t size_of(const struct making *m) {
    return m->head_len + 9 * m->n_groups * m->n_chunks + m->areas;
}

static zipnn_status check_make(const struct zn_old_make *k, uint64_t len, zipnn_error *err) {
    const bool known = k->dtype == ZIPNN_F32 || k->dtype == ZIPNN_BF16 || k->dtype == ZIPNN_F16 ||
                       k->dtype == ZIPNN_F8_E4M3 || k->dtype == ZIPNN_F8_E5M2;
    if (!known)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                       "old records hold BF16, F16, F32, F8_E4M3 or F8_E5M2, not %s", zipnn_dtype_name(k->dtype));
    if (k->chunk_log < MIN_CHUNK_LOG || k->chunk_log > MAX_CHUNK_LOG || k->rank > ZN_OLD_MAX_RANK ||
        k->streaming_log > 63)
        return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE, "an old record of chunk 2^%u and rank %u", k->chunk_log,
                       k->rank);
    if (len % element_of(k->dtype))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                       "%llu bytes are no whole elements of %s, and the Python package fails on such",
                       (unsigned long long)len, zipnn_dtype_name(k->dtype));
    return ZIPNN_OK;
}

/* ---- chunks */

/* Reads chunk i, XORs it with its base, and moves its exponents. *len is its length. */
static zipnn_status read_chunk(const struct making *m, uint64_t i, size_t *len, zipnn_error *err) {
    struct zn_old_press *p = m->press;
    const uint64_t off = m->at + i * m->chunk;
    *len = (size_t)ZN_MIN(m->len - i * m->chunk, m->chunk);
    ZN_TRY(zn_old_read(m->source, off, p->chunk, *len, err));
    if (m->base) {
        ZN_TRY(zn_old_read(m->base, off, p->base, *len, err));
        for (size_t k = 0; k < *len; k++) p->chunk[k] ^= p->base[k];
    }
    if (m->n_groups > 1 && m->make->dtype != ZIPNN_F16) zn_groups_rotate(p->chunk, *len, m->n_groups);
    return ZIPNN_OK;
}

/* Codes group g of the current chunk, or leaves it as it is: whichever the package would have kept. */
static uint8_t press_group(const struct making *m, size_t chunk_len, unsigned g, const uint8_t **bytes, size_t *len) {
    struct zn_old_press *p = m->press;
    const size_t n = (size_t)zn_group_len(chunk_len, m->n_groups, g);
    zn_groups_extract(p->chunk, chunk_len, m->n_groups, g, p->group);
    *bytes = p->coded;
    if (zn_huff0_encode(&p->code, p->group, n, p->coded, len) && (double)*len < (double)n * (double)m->make->threshold)
        return 1;
    *bytes = p->group;
    *len = n;
    return 0;
}

static zipnn_status make_table(struct making *m, zipnn_error *err) {
    struct zn_old_press *p = m->press;
    const uint64_t entries = m->n_groups * m->n_chunks;
    uint64_t total[ZN_OLD_MAX_GROUPS] = {0};
    void *table = p->table;
    if (entries > SIZE_MAX / 16) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "the tables do not fit in memory");
    zipnn_status status = zn_grow(&p->alloc, &table, &p->table_cap, (size_t)(9 * entries), 1, err);
    p->table = table;
    ZN_TRY(status);
    for (uint64_t i = 0; i < m->n_chunks; i++) {
        size_t chunk_len, len;
        ZN_TRY(read_chunk(m, i, &chunk_len, err));
        for (unsigned g = 0; g < m->n_groups; g++) {
            const uint8_t *bytes;
            const uint64_t entry = g * m->n_chunks + i;
            p->table[entry] = press_group(m, chunk_len, g, &bytes, &len);
            total[g] += len;
            zn_put_u64(p->table + entries + 8 * entry, total[g]);
        }
    }
    for (unsigned g = 0; g < m->n_groups; g++) m->areas += total[g];
    return ZIPNN_OK;
}

zipnn_status zn_old_put(const zipnn_sink *sink, const uint8_t *bytes, size_t len, zipnn_error *err) {
    if (len == 0) return ZIPNN_OK;
    if (err) err->status = ZIPNN_OK;
    zipnn_status status = sink->write(sink->user, bytes, len, err);
    if (status == ZIPNN_OK || (err && err->status == status)) return status;
    return zn_fail(err, status, ZN_NOWHERE, "the sink failed (%s)", zipnn_status_name(status));
}

/* Writes the areas in the second pass, a group at a time. The table says how long each must become. */
static zipnn_status put_area(const struct making *m, unsigned g, const zipnn_sink *sink, zipnn_error *err) {
    const uint8_t *types = m->press->table, *sizes = types + m->n_groups * m->n_chunks;
    uint64_t total = 0;
    for (uint64_t i = 0; i < m->n_chunks; i++) {
        const uint8_t *bytes;
        size_t chunk_len, len;
        const uint64_t entry = g * m->n_chunks + i;
        ZN_TRY(read_chunk(m, i, &chunk_len, err));
        const uint8_t type = press_group(m, chunk_len, g, &bytes, &len);
        total += len;
        if (type != types[entry] || total != zn_get_u64(sizes + 8 * entry))
            return zn_fail(err, ZIPNN_E_IO, m->at + i * m->chunk, "the source changed while it was read");
        ZN_TRY(zn_old_put(sink, bytes, len, err));
    }
    return ZIPNN_OK;
}

/* ---- records */

static zipnn_status prepare(struct making *m, zipnn_error *err) {
    ZN_TRY(check_make(m->make, m->len, err));
    m->n_groups = element_of(m->make->dtype);
    m->chunk = (uint64_t)1 << m->make->chunk_log;
    if (m->n_groups == 1) m->chunk = ZN_MIN(m->chunk, (uint64_t)BYTE_CHUNK);
    m->n_chunks = m->len / m->chunk + (m->len % m->chunk != 0);
    put_head(m);
    ZN_TRY(make_table(m, err));
    zn_put_u64(m->head + 24, size_of(m));
    return ZIPNN_OK;
}

zipnn_status zn_old_record_size(struct zn_old_press *press, const zipnn_source *source, uint64_t at, uint64_t len,
                                const zipnn_source *base, const struct zn_old_make *make, uint64_t *size,
                                zipnn_error *err) {
    struct making m = {.press = press, .source = source, .base = base, .at = at, .len = len, .make = make};
    ZN_TRY(prepare(&m, err));
    *size = size_of(&m);
    return ZIPNN_OK;
}

zipnn_status zn_old_record_write(struct zn_old_press *press, const zipnn_source *source, uint64_t at, uint64_t len,
                                 const zipnn_source *base, const struct zn_old_make *make, const zipnn_sink *sink,
                                 uint64_t *size, zipnn_error *err) {
    struct making m = {.press = press, .source = source, .base = base, .at = at, .len = len, .make = make};
    ZN_TRY(prepare(&m, err));
    ZN_TRY(zn_old_put(sink, m.head, m.head_len, err));
    ZN_TRY(zn_old_put(sink, press->table, (size_t)(9 * m.n_groups * m.n_chunks), err));
    for (unsigned g = 0; g < m.n_groups && m.n_chunks; g++) ZN_TRY(put_area(&m, g, sink, err));
    *size = size_of(&m);
    return ZIPNN_OK;
}

zipnn_status zn_old_file_write(struct zn_old_press *press, const zipnn_source *source, const zipnn_source *base,
                               const struct zn_old_make *make, const zipnn_sink *sink, uint64_t *size,
                               zipnn_error *err) {
    struct zn_old_make one = *make;
    const uint64_t step = make->streaming_log ? (uint64_t)1 << make->streaming_log : source->length;
    one.delta = base != NULL;
    if (base && base->length != source->length)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a delta of %llu bytes against a base of %llu",
                       (unsigned long long)source->length, (unsigned long long)base->length);
    *size = 0;
    if (source->length == 0) return zn_old_record_write(press, source, 0, 0, base, &one, sink, size, err);
    for (uint64_t at = 0; at < source->length; at += step) {
        uint64_t added;
        ZN_TRY(
            zn_old_record_write(press, source, at, ZN_MIN(step, source->length - at), base, &one, sink, &added, err));
        *size += added;
    }
    return ZIPNN_OK;
}
