#include "sync/roster.h"

#include <stdlib.h>

#include "base/out.h"
#include "plan/dtype.h"

/* ---- sizes -------------------------------------------------------------------------------------------------------- */

/* Finds the bytes of a tensor. Returns false when its shape does not suit its type, or they are too many. */
static bool measure(struct zn_member *m) {
    const struct zn_dtype_facts *facts = zn_dtype_facts(m->dtype);
    const unsigned bits = m->dtype == ZIPNN_DTYPE_UNKNOWN ? 8 : facts->bits;
    uint64_t n = 1;
    m->unit = bits >= 8 ? bits / 8 : 1;
    for (uint32_t i = 0; i < m->rank; i++)
        if (m->shape[i] == 0) n = 0; /* however long the other dimensions are */
    for (uint32_t i = 0; i < m->rank && n; i++)
        if (!zn_mul(n, m->shape[i], &n)) return false;
    if (facts->kind == ZN_KIND_BLOCK && n % facts->elements) return false;
    if (facts->kind == ZN_KIND_BLOCK) return zn_mul(n / facts->elements, facts->word, &m->bytes);
    if (!zn_mul(n, bits, &m->bytes) || !zn_add(m->bytes, 7, &m->bytes)) return false;
    m->bytes /= 8;
    return true;
}

static bool is_small(const struct zn_member *m) {
    return m->bytes < ZN_SYNC_SMALL;
}

static int compare_names(const struct zn_member *a, const struct zn_member *b) {
    const size_t len = ZN_MIN(a->name_len, b->name_len);
    const int order = len ? memcmp(a->name, b->name, len) : 0;
    return order ? order : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

/* Small tensors come first, those of one type together. */
static int compare(const void *one, const void *other) {
    const struct zn_member *a = one, *b = other;
    if (is_small(a) != is_small(b)) return is_small(a) ? -1 : 1;
    const int order = is_small(a) ? strcmp(zn_dtype_name(a->dtype), zn_dtype_name(b->dtype)) : 0;
    return order ? order : compare_names(a, b);
}

static int compare_named(const void *one, const void *other) {
    return compare_names(*(const struct zn_member *const *)one, *(const struct zn_member *const *)other);
}

/* Refuses two tensors of one name. */
static zipnn_status check_names(const struct zn_roster *r, zipnn_status fault, zipnn_error *err) {
    if (r->n < 2) return ZIPNN_OK;
    const struct zn_member **named = zn_alloc(&r->alloc, r->n * sizeof *named);
    if (!named) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: the names of %zu tensors", r->n);
    for (size_t i = 0; i < r->n; i++) named[i] = &r->members[i];
    qsort(named, r->n, sizeof *named, compare_named);
    zipnn_status status = ZIPNN_OK;
    for (size_t i = 0; i + 1 < r->n && status == ZIPNN_OK; i++)
        if (compare_names(named[i], named[i + 1]) == 0)
            status = zn_fail(err, fault, ZN_NOWHERE, "two tensors are called \"%.80s\"", named[i]->name);
    zn_free(&r->alloc, named);
    return status;
}

/* Gives each member its first chunk. Returns false when there are too many bytes or chunks to say. */
static bool number_chunks(struct zn_roster *r) {
    const struct zn_member *before = NULL;
    uint64_t held = 0; /* bytes of the small tensors in chunk number n_chunks */
    r->bytes = r->n_chunks = 0;
    for (size_t i = 0; i < r->n; before = &r->members[i++]) {
        struct zn_member *m = &r->members[i];
        if (!zn_add(r->bytes, m->bytes, &r->bytes)) return false;
        const bool joins = is_small(m) && before && before->dtype == m->dtype && held + m->bytes <= ZN_SYNC_CHUNK;
        if (!joins) {
            r->n_chunks += held != 0;
            held = 0;
        }
        m->chunk = r->n_chunks;
        if (is_small(m))
            held += m->bytes;
        else
            r->n_chunks += (m->bytes - 1) / ZN_SYNC_CHUNK + 1;
    }
    r->n_chunks += held != 0;
    return r->n_chunks <= UINT32_MAX;
}

/* ---- the list in an update --------------------------------------------------------------------------------------- */

enum { ROW = 5, MAX_DTYPE = 16 }; /* bytes of a row besides name, type and shape */

static size_t row_len(const struct zn_member *m) {
    return ROW + m->name_len + strlen(zn_dtype_name(m->dtype)) + 8 * (size_t)m->rank;
}

static void write_row(struct zn_out *out, const struct zn_member *m) {
    const char *dtype = zn_dtype_name(m->dtype);
    zn_out_u16(out, (uint16_t)m->name_len);
    zn_out_bytes(out, m->name, m->name_len);
    zn_out_u8(out, 0);
    zn_out_u8(out, (uint8_t)strlen(dtype));
    zn_out_bytes(out, dtype, strlen(dtype));
    zn_out_u8(out, (uint8_t)m->rank);
    for (uint32_t i = 0; i < m->rank; i++) zn_out_u64(out, m->shape[i]);
}

/* Returns false when no type has this name. */
static bool read_dtype(struct zn_cur *cur, zipnn_dtype *dtype) {
    char name[MAX_DTYPE + 1] = "";
    const size_t len = zn_cur_u8(cur);
    const uint8_t *text = zn_cur_take(cur, len);
    if (!text || len > MAX_DTYPE) return false;
    if (len) memcpy(name, text, len);
    *dtype = ZIPNN_DTYPE_UNKNOWN;
    if (strcmp(name, zn_dtype_name(ZIPNN_DTYPE_UNKNOWN)) == 0) return true;
    return zn_dtype_from_text(name, dtype) && strcmp(name, zn_dtype_name(*dtype)) == 0;
}

/* Reads a row. Its shape is appended to *shapes, which has room for all of the text. */
static zipnn_status read_row(struct zn_cur *cur, struct zn_member *m, uint64_t **shapes, zipnn_error *err) {
    m->name_len = zn_cur_u16(cur);
    m->name = (const char *)zn_cur_take(cur, m->name_len);
    if (zn_cur_u8(cur) != 0 || !zn_cur_ok(cur) || (m->name_len && memchr(m->name, 0, m->name_len)))
        return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "the name of a tensor of the update is damaged");
    if (!read_dtype(cur, &m->dtype))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE, "tensor \"%.80s\" of the update has an unknown type",
                       m->name);
    m->rank = zn_cur_u8(cur);
    m->shape = *shapes;
    if (m->rank > ZIPNN_TENSOR_MAX_RANK || !zn_cur_count(cur, m->rank, 8))
        return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "tensor \"%.80s\" of the update has %u dimensions", m->name,
                       m->rank);
    for (uint32_t i = 0; i < m->rank; i++) *(*shapes)++ = zn_cur_u64(cur);
    if (measure(m)) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "tensor \"%.80s\" of the update has an impossible shape", m->name);
}

/* Makes members and shapes of the text. */
static zipnn_status read_rows(struct zn_roster *r, zipnn_error *err) {
    struct zn_cur cur = zn_cur_of(r->text, r->text_len);
    if (!zn_cur_count(&cur, r->n, ROW))
        return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "%zu tensors in a list of %zu bytes", r->n, r->text_len);
    r->members = zn_alloc(&r->alloc, r->n * sizeof *r->members + 1);
    r->shapes = zn_alloc(&r->alloc, r->text_len / 8 * 8 + 8);
    if (!r->members || !r->shapes)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a list of %zu tensors", r->n);
    uint64_t *shapes = r->shapes;
    for (size_t i = 0; i < r->n; i++) {
        struct zn_member *m = &r->members[i];
        *m = (struct zn_member){.given = i};
        ZN_TRY(read_row(&cur, m, &shapes, err));
        if (i && compare(m - 1, m) >= 0)
            return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "tensor \"%.80s\" of the update is not in its place",
                           m->name);
    }
    if (zn_cur_left(&cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "the list of tensors has %zu bytes past its end",
                       zn_cur_left(&cur));
    if (!number_chunks(r)) return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE, "the tensors have too many bytes");
    return ZIPNN_OK;
}

zipnn_status zn_roster_read(struct zn_roster *r, const zipnn_allocator *alloc, const uint8_t *text, size_t len,
                            uint32_t n, zipnn_error *err) {
    *r = (struct zn_roster){.alloc = *alloc, .n = n, .text_len = len, .text = zn_alloc(alloc, len + 1)};
    zipnn_status status = ZIPNN_OK;
    if (!r->text) status = zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a list of tensors");
    if (status == ZIPNN_OK && len) memcpy(r->text, text, len);
    if (status == ZIPNN_OK) status = read_rows(r, err);
    if (status == ZIPNN_OK) status = check_names(r, ZIPNN_E_CORRUPT, err);
    if (status != ZIPNN_OK) zn_roster_release(r);
    return status;
}

void zn_roster_release(struct zn_roster *r) {
    if (!r->alloc.release) return;
    zn_free(&r->alloc, r->members);
    zn_free(&r->alloc, r->text);
    zn_free(&r->alloc, r->shapes);
    zn_free(&r->alloc, r->strides);
    *r = (struct zn_roster){.n = 0};
}

/* ---- the caller's tensors ---------------------------------------------------------------------------------------- */

static zipnn_status look_at(const zipnn_tensor *t, size_t given, struct zn_member *m, zipnn_error *err) {
    if (!t->name || (t->rank && !t->shape) || t->rank > ZIPNN_TENSOR_MAX_RANK || strlen(t->name) > UINT16_MAX)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                       "tensor %zu: it needs a name of at most %u bytes, and a shape of at most %u dimensions", given,
                       UINT16_MAX, ZIPNN_TENSOR_MAX_RANK);
    if (t->dtype != ZIPNN_DTYPE_UNKNOWN && zn_dtype_facts(t->dtype) == zn_dtype_facts(ZIPNN_DTYPE_UNKNOWN))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "tensor \"%.80s\": dtype %d does not exist", t->name,
                       (int)t->dtype);
    *m = (struct zn_member){.name = t->name,
                            .name_len = strlen(t->name),
                            .dtype = t->dtype,
                            .rank = t->rank,
                            .shape = t->shape,
                            .strides = t->strides,
                            .data = t->data,
                            .given = given};
    if (!measure(m) || m->bytes > SIZE_MAX / 2)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                       "tensor \"%.80s\": its shape does not suit its type, or is too large", t->name);
    if (m->bytes && !m->data)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "tensor \"%.80s\": data is NULL", t->name);
    const bool whole = zn_dtype_facts(t->dtype)->bits >= 8 || t->dtype == ZIPNN_DTYPE_UNKNOWN;
    if (m->strides && !whole)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "tensor \"%.80s\": %s has no strides", t->name,
                       zn_dtype_name(t->dtype));
    return ZIPNN_OK;
}

/* Returns whether the elements lie row after row, so that strides need not be followed. */
static bool is_in_rows(const struct zn_member *m) {
    int64_t step = m->unit;
    for (uint32_t i = m->rank; i-- > 0; step *= (int64_t)m->shape[i])
        if (m->shape[i] != 1 && m->strides[i] != step) return false;
    return true;
}

/* Writes the list of sorted members. */
static zipnn_status write_rows(struct zn_roster *r, const struct zn_member *sorted, size_t n, zipnn_error *err) {
    size_t len = 0;
    for (size_t i = 0; i < n; i++) len += row_len(&sorted[i]);
    r->text = zn_alloc(&r->alloc, len + 1);
    if (!r->text) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a list of %zu tensors", n);
    struct zn_out out = zn_out_of(r->text, len);
    for (size_t i = 0; i < n; i++) write_row(&out, &sorted[i]);
    r->text_len = len;
    r->n = n;
    return ZIPNN_OK;
}

/* Takes over what the list does not say. */
static zipnn_status take_places(struct zn_roster *r, const struct zn_member *sorted, zipnn_error *err) {
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) n += r->members[i].rank;
    r->strides = zn_alloc(&r->alloc, n * sizeof *r->strides + 1);
    if (!r->strides) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: the strides of %zu tensors", r->n);
    int64_t *to = r->strides;
    for (size_t i = 0; i < r->n; to += r->members[i++].rank) {
        struct zn_member *m = &r->members[i];
        m->data = sorted[i].data;
        m->given = sorted[i].given;
        m->strides = sorted[i].strides;
        if (!m->strides || m->bytes == 0 || is_in_rows(m)) {
            m->strides = NULL;
            continue;
        }
        memcpy(to, m->strides, m->rank * sizeof *to);
        m->strides = to;
    }
    return ZIPNN_OK;
}

static zipnn_status take_sorted(struct zn_roster *r, struct zn_member *sorted, const zipnn_tensor *tensors, size_t n,
                                zipnn_error *err) {
    for (size_t i = 0; i < n; i++) ZN_TRY(look_at(&tensors[i], i, &sorted[i], err));
    if (n) qsort(sorted, n, sizeof *sorted, compare);
    ZN_TRY(check_names(&(struct zn_roster){.alloc = r->alloc, .members = sorted, .n = n}, ZIPNN_E_ARGUMENT, err));
    ZN_TRY(write_rows(r, sorted, n, err));
    ZN_TRY(read_rows(r, err));
    return take_places(r, sorted, err);
}

zipnn_status zn_roster_take(struct zn_roster *r, const zipnn_allocator *alloc, const zipnn_tensor *tensors, size_t n,
                            zipnn_error *err) {
    *r = (struct zn_roster){.alloc = *alloc};
    if (n > UINT32_MAX || n > SIZE_MAX / sizeof(struct zn_member))
        return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE, "%zu tensors are too many", n);
    struct zn_member *sorted = zn_alloc(alloc, n * sizeof *sorted + 1);
    if (!sorted) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a list of %zu tensors", n);
    const zipnn_status status = take_sorted(r, sorted, tensors, n, err);
    zn_free(alloc, sorted);
    if (status != ZIPNN_OK) zn_roster_release(r);
    return status;
}

zipnn_status zn_roster_compare(const struct zn_roster *r, const struct zn_roster *of_update, zipnn_error *err) {
    const bool same = r->text_len == of_update->text_len;
    if (same && (r->text_len == 0 || memcmp(r->text, of_update->text, r->text_len) == 0)) return ZIPNN_OK;
    for (size_t i = 0; i < ZN_MIN(r->n, of_update->n); i++) {
        const struct zn_member *mine = &r->members[i], *its = &of_update->members[i];
        const bool alike = compare_names(mine, its) == 0 && mine->dtype == its->dtype && mine->rank == its->rank;
        if (alike && (mine->rank == 0 || memcmp(mine->shape, its->shape, mine->rank * sizeof *mine->shape) == 0))
            continue;
        return zn_fail(err, ZIPNN_E_BASE, ZN_NOWHERE,
                       "the update is of other tensors: it has \"%.70s\" (%s, %u dimensions) where the weights have "
                       "\"%.70s\" (%s, %u)",
                       its->name, zn_dtype_name(its->dtype), its->rank, mine->name, zn_dtype_name(mine->dtype),
                       mine->rank);
    }
    return zn_fail(err, ZIPNN_E_BASE, ZN_NOWHERE, "the update is of %zu tensors, and the weights have %zu",
                   of_update->n, r->n);
}
