/* Reads tensors as values: row after row and little-endian, whatever their bytes look like. */
#include <stdlib.h>

#include "api/archive.h"
#include "plan/dtype.h"
#include "zipnn/tiles.h"

enum {
    STEP = 32 << 20,  /* bytes of a run that are read at once; enough for all threads */
    BUFFER = 64 << 10 /* bytes collected before they are passed on; whole elements of any type that is converted */
};

/* A tensor whose rows are read. */
struct reading {
    zipnn_ctx *ctx; /* the context that reads */
    const zipnn_archive *a;
    const struct zn_tensor *t;
    const uint64_t *dims;
    uint64_t element; /* bytes of an element; 0 for elements below a byte, and for blocks */
    uint64_t first, n;
    const zipnn_sink *sink;
    uint8_t *buffer;
    size_t used;
};

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static uint64_t rows_of(const struct zn_plan *plan, const struct zn_tensor *t) {
    return t->rank ? plan->dims[t->shape] : 1;
}

/* Computes the elements of a row. Returns false on overflow. */
static bool row_elements(const struct zn_plan *plan, const struct zn_tensor *t, uint64_t *n) {
    *n = 1;
    for (uint32_t i = 1; i < t->rank; i++)
        if (!zn_mul(*n, plan->dims[t->shape + i], n)) return plan->dims[t->shape] == 0;
    return true;
}

/* Types without a name have the size that length and shape give them. */
static uint64_t element_of(const struct zn_plan *plan, const struct zn_tensor *t) {
    const struct zn_dtype_facts *f = zn_dtype_facts(t->type);
    uint64_t n;
    if (f->bits) return f->bits % 8 ? 0 : f->bits / 8;
    if (f->kind == ZN_KIND_BLOCK || !row_elements(plan, t, &n) || !zn_mul(n, rows_of(plan, t), &n)) return 0;
    return n && t->len % n == 0 ? t->len / n : 0;
}

static bool is_scattered(const struct zn_tensor *t) {
    return t->strides != ZN_NO_STRIDES || t->grid != ZN_NO_GRID;
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
    while (b) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Computes the bytes of the first n rows of a run. Returns false when row n begins inside a byte or a block. */
static bool place_of_row(const struct zn_plan *plan, const struct zn_tensor *t, uint64_t n, uint64_t *len) {
    const uint64_t rows = rows_of(plan, t);
    const unsigned block = zn_dtype_elements(t->type) ? zn_dtype_word(t->type) : 1;
    *len = 0;
    if (n == 0 || rows == 0) return true;
    const uint64_t divisor = common_divisor(t->len, rows);
    if (n % (rows / divisor) != 0) return false;
    *len = n / (rows / divisor) * (t->len / divisor);
    return *len % block == 0;
}

static zipnn_status check_rows(const zipnn_archive *a, const struct zn_tensor *t, uint64_t first, uint64_t n,
                               zipnn_error *err) {
    const uint64_t rows = rows_of(&a->plan, t);
    uint64_t unused;
    if (t->meaning & ZN_UNREADABLE)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, t->off,
                       "this tensor is stored in another form (filtered, or as text) by its own file format: read it "
                       "from the restored file");
    if (first > rows || n > rows - first)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "rows %llu to %llu are not all inside a tensor of %llu rows",
                       (unsigned long long)first, (unsigned long long)(first + n), (unsigned long long)rows);
    if (is_scattered(t)) return ZIPNN_OK;
    if (!place_of_row(&a->plan, t, first, &unused) || !place_of_row(&a->plan, t, first + n, &unused))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                       "rows %llu to %llu of this tensor begin or end inside a byte or block",
                       (unsigned long long)first, (unsigned long long)(first + n));
    return ZIPNN_OK;
}

zipnn_status zn_archive_size_values(const zipnn_archive *a, const struct zn_tensor *t, uint64_t n, uint64_t *len,
                                    zipnn_error *err) {
    const uint64_t rows = rows_of(&a->plan, t);
    uint64_t row;
    if (!is_scattered(t) && n == rows) {
        *len = t->len;
        return ZIPNN_OK;
    }
    if (!is_scattered(t)) return place_of_row(&a->plan, t, n, len) ? ZIPNN_OK : check_rows(a, t, 0, n, err);
    if (!row_elements(&a->plan, t, &row) || !zn_mul(row, element_of(&a->plan, t), &row) || !zn_mul(row, n, len))
        return zn_fail(err, ZIPNN_E_LIMIT, t->off, "the values of this tensor do not fit in 64 bits");
    return ZIPNN_OK;
}

/* ---- bytes to values --------------------------------------------------------------------------------------------- */

static void reverse(uint8_t *p, unsigned len) {
    for (unsigned i = 0; i < len / 2; i++) {
        const uint8_t swap = p[i];
        p[i] = p[len - 1 - i];
        p[len - 1 - i] = swap;
    }
}

static void swap_units(uint8_t *p, size_t len, unsigned unit) {
    for (size_t i = 0; i + unit <= len; i += unit) reverse(p + i, unit);
}

/* Inverts the signs of floats, which are in their last byte. One follows the other after `step` bytes. */
static void flip_signs(uint8_t *p, size_t len, size_t first, size_t step) {
    for (size_t i = first; i < len; i += step) p[i] ^= 0x80;
}

static void negate_integers(uint8_t *p, size_t len, unsigned unit) {
    for (size_t i = 0; i + unit <= len; i += unit) {
        unsigned carry = 1;
        for (unsigned b = 0; b < unit; b++) {
            carry += (uint8_t)~p[i + b];
            p[i + b] = (uint8_t)carry;
            carry >>= 8;
        }
    }
}

/* Copies whole elements as they are in the file. */
static void make_values(const struct zn_tensor *t, uint8_t *p, size_t len) {
    const unsigned unit = zn_dtype_unit(t->type);
    const enum zn_dtype_kind kind = zn_dtype_facts(t->type)->kind;
    if (unit == 0) return;
    if ((t->meaning & ZN_BIG_ENDIAN) && unit > 1) swap_units(p, len, unit);
    if ((t->meaning & ZN_CONJUGATE) && kind == ZN_KIND_COMPLEX) flip_signs(p, len, 2 * unit - 1, 2 * unit);
    if ((t->meaning & ZN_NEGATIVE) == 0) return;
    if (kind == ZN_KIND_FLOAT || kind == ZN_KIND_COMPLEX)
        flip_signs(p, len, unit - 1, unit);
    else
        negate_integers(p, len, unit);
}

static zipnn_status flush(struct reading *r, zipnn_error *err) {
    make_values(r->t, r->buffer, r->used);
    const size_t n = r->used;
    r->used = 0;
    return n ? r->sink->write(r->sink->user, r->buffer, n, err) : ZIPNN_OK;
}

static zipnn_status put(struct reading *r, const uint8_t *bytes, uint64_t len, zipnn_error *err) {
    while (len > 0) {
        const size_t n = (size_t)ZN_MIN(len, (uint64_t)(BUFFER - r->used));
        memcpy(r->buffer + r->used, bytes, n);
        r->used += n;
        bytes += n;
        len -= n;
        if (r->used == BUFFER) ZN_TRY(flush(r, err));
    }
    return ZIPNN_OK;
}

/* `n` elements that follow each other at a distance of `step` bytes, which may be 0. */
static zipnn_status put_spaced(struct reading *r, const uint8_t *bytes, uint64_t n, uint64_t step, zipnn_error *err) {
    if (step == r->element) return put(r, bytes, n * r->element, err);
    for (uint64_t i = 0; i < n; i++) ZN_TRY(put(r, bytes + i * step, r->element, err));
    return ZIPNN_OK;
}

/* ---- one run ----------------------------------------------------------------------------------------------------- */

static zipnn_status write_run(struct reading *r, zipnn_error *err) {
    uint64_t from = 0, to = 0;
    place_of_row(&r->a->plan, r->t, r->first, &from);
    place_of_row(&r->a->plan, r->t, r->first + r->n, &to);
    uint8_t *bytes = zn_alloc(&r->ctx->engine.alloc, (size_t)ZN_MIN(to - from, (uint64_t)STEP) + 1);
    zipnn_status st = bytes ? ZIPNN_OK : zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory reading a tensor");
    for (size_t n; from < to && st == ZIPNN_OK; from += n) {
        n = (size_t)ZN_MIN(to - from, (uint64_t)STEP);
        st = zipnn_archive_read_in(r->ctx, r->a, r->t->off + from, n, bytes, err);
        if (st != ZIPNN_OK) break;
        make_values(r->t, bytes, n);
        st = r->sink->write(r->sink->user, bytes, n, err);
    }
    zn_free(&r->ctx->engine.alloc, bytes);
    return st;
}

/* ---- strides ----------------------------------------------------------------------------------------------------- */

/* Advances the indices of all dimensions but the last. Returns false after the last combination. */
static bool advance(uint64_t *index, const uint64_t *dims, uint32_t rank) {
    for (uint32_t i = rank > 0 ? rank - 1 : 0; i-- > 0;) {
        if (++index[i] < dims[i]) return true;
        index[i] = 0;
    }
    return false;
}

/* Sets the strides in bytes. Where a tensor has no list of strides, its first index varies fastest. */
static bool find_strides(const struct reading *r, uint64_t *stride) {
    uint64_t next = r->element;
    for (uint32_t i = 0; i < r->t->rank; i++) {
        stride[i] = next;
        if (r->t->strides == ZN_NO_STRIDES && !zn_mul(next, r->dims[i], &next)) return false;
        if (r->t->strides != ZN_NO_STRIDES && !zn_mul(r->a->plan.dims[r->t->strides + i], r->element, &stride[i]))
            return false;
    }
    return true;
}

/* Finds the bytes from the first element of the rows to the end of the last. Returns false when some are outside the
 * tensor. */
static bool find_extent(const struct reading *r, const uint64_t *dims, const uint64_t *stride, uint64_t *from,
                        uint64_t *len) {
    uint64_t end;
    *from = 0;
    *len = r->element;
    if (r->t->rank && !zn_mul(r->first, stride[0], from)) return false;
    for (uint32_t i = 0; i < r->t->rank; i++) {
        uint64_t reach;
        if (!zn_mul(dims[i] - 1, stride[i], &reach) || !zn_add(*len, reach, len)) return false;
    }
    return zn_add(*from, *len, &end) && end <= r->t->len;
}

static zipnn_status write_strided(struct reading *r, zipnn_error *err) {
    uint64_t dims[ZN_MAX_RANK] = {1}, stride[ZN_MAX_RANK] = {0}, index[ZN_MAX_RANK] = {0}, from, len;
    const uint32_t rank = r->t->rank, last = rank ? rank - 1 : 0;
    memcpy(dims, r->dims, rank * sizeof *dims);
    if (rank) dims[0] = r->n;
    for (uint32_t i = 0; i < rank; i++)
        if (dims[i] == 0) return ZIPNN_OK;
    if (!find_strides(r, stride) || !find_extent(r, dims, stride, &from, &len) || len > SIZE_MAX)
        return zn_fail(err, ZIPNN_E_CORRUPT, r->t->off, "the strides of this tensor lead outside its bytes");
    uint8_t *bytes = zn_alloc(&r->ctx->engine.alloc, (size_t)len);
    if (!bytes)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %llu bytes of a tensor with strides",
                       (unsigned long long)len);
    zipnn_status st = zipnn_archive_read_in(r->ctx, r->a, r->t->off + from, len, bytes, err);
    for (bool more = true; more && st == ZIPNN_OK; more = advance(index, dims, rank)) {
        uint64_t at = 0;
        for (uint32_t i = 0; i < last; i++) at += index[i] * stride[i];
        st = put_spaced(r, bytes + at, dims[last], stride[last], err);
    }
    zn_free(&r->ctx->engine.alloc, bytes);
    return st;
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

/* The pieces of one row of cells. */
struct slab {
    const struct zn_grid *grid;
    const struct zn_grid_piece *piece; /* the first of them */
    size_t n;
    uint8_t *bytes;              /* of all pieces that exist, one after the other */
    uint64_t cells[ZN_MAX_RANK]; /* along each dimension */
};

/* Returns how many pieces of the grid come before a cell. */
static size_t pieces_before(const struct zn_plan *plan, const struct zn_grid *grid, uint64_t cell) {
    const struct zn_grid_piece *p = plan->pieces + grid->first;
    size_t lo = 0, hi = grid->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (p[mid].cell < cell)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Returns the bytes of a cell, NULL for a missing one. */
static const uint8_t *find_cell(const struct slab *s, uint64_t cell) {
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (s->piece[mid].cell < cell)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n && s->piece[lo].cell == cell ? s->bytes + lo * s->grid->piece_len : NULL;
}

static zipnn_status load_slab(struct reading *r, struct slab *s, uint64_t row, zipnn_error *err) {
    const struct zn_plan *plan = &r->a->plan;
    uint64_t across = 1, len;
    for (uint32_t i = 1; i < r->t->rank; i++)
        if (!zn_mul(across, s->cells[i], &across)) across = UINT64_MAX;
    const uint64_t start = r->t->rank ? row * across : 0;
    const size_t first = pieces_before(plan, s->grid, start);
    s->piece = plan->pieces + s->grid->first + first;
    s->n = pieces_before(plan, s->grid, start + across) - first;
    if (!zn_mul(s->n, s->grid->piece_len, &len) || len >= SIZE_MAX) len = SIZE_MAX - 1;
    zn_free(&r->ctx->engine.alloc, s->bytes);
    s->bytes = zn_alloc(&r->ctx->engine.alloc, (size_t)len + 1);
    if (!s->bytes)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %llu bytes of a tensor in pieces",
                       (unsigned long long)len);
    for (size_t i = 0; i < s->n; i++)
        ZN_TRY(zipnn_archive_read_in(r->ctx, r->a, s->piece[i].off, s->grid->piece_len,
                                     s->bytes + i * s->grid->piece_len, err));
    return ZIPNN_OK;
}

/* The elements with these indices, but the last, of which all. */
static zipnn_status put_line(struct reading *r, const struct slab *s, const uint64_t *index, zipnn_error *err) {
    const uint64_t *piece = r->a->plan.dims + s->grid->shape;
    const uint32_t rank = r->t->rank, last = rank ? rank - 1 : 0;
    const uint64_t width = rank ? piece[last] : 1, length = rank ? r->dims[last] : 1;
    uint64_t cell = 0, within = 0;
    for (uint32_t i = 0; i < last; i++) {
        cell = (cell + index[i] / piece[i]) * s->cells[i + 1];
        within = (within + index[i] % piece[i]) * piece[i + 1];
    }
    const bool alone = rank == 1; /* the last index is the first, too: a line is what the slab has of it */
    uint64_t from = alone ? index[0] : 0,
             end = alone ? ZN_MIN(r->first + r->n, index[0] / width * width + width) : length;
    end = ZN_MIN(end, length);
    while (from < end) {
        const uint64_t n = ZN_MIN(width - from % width, end - from);
        const uint8_t *bytes = find_cell(s, cell + from / width);
        if (bytes)
            ZN_TRY(put(r, bytes + (within + from % width) * r->element, n * r->element, err));
        else
            ZN_TRY(put_spaced(r, s->grid->fill, n, 0, err));
        from += n;
    }
    return ZIPNN_OK;
}

/* Reads rows from `row` on, as many as one row of cells has. */
static zipnn_status write_slab(struct reading *r, struct slab *s, uint64_t row, uint64_t end, zipnn_error *err) {
    uint64_t index[ZN_MAX_RANK] = {row};
    const uint64_t *piece = r->a->plan.dims + s->grid->shape;
    ZN_TRY(load_slab(r, s, r->t->rank ? row / piece[0] : 0, err));
    if (r->t->rank < 2) return put_line(r, s, index, err);
    do {
        ZN_TRY(put_line(r, s, index, err));
    } while (advance(index, r->dims, r->t->rank) && index[0] < end);
    return ZIPNN_OK;
}

/* Counts cells. Returns false for pieces whose size differs from that of their shape. */
static bool count_cells(const struct reading *r, struct slab *s) {
    const uint64_t *piece = r->a->plan.dims + s->grid->shape;
    uint64_t len = r->element, all = 1;
    for (uint32_t i = 0; i < r->t->rank; i++) {
        if (piece[i] == 0 || !zn_mul(len, piece[i], &len)) return false;
        s->cells[i] = (r->dims[i] - 1) / piece[i] + 1;
        if (!zn_mul(all, s->cells[i], &all)) return false;
    }
    return len == s->grid->piece_len && r->element <= ZN_MAX_FILL;
}

static zipnn_status write_pieces(struct reading *r, zipnn_error *err) {
    struct slab s = {.grid = &r->a->plan.grids[r->t->grid]};
    const uint64_t *piece = r->a->plan.dims + s.grid->shape;
    const uint64_t end = r->first + r->n;
    for (uint32_t i = 0; i < r->t->rank; i++)
        if (r->dims[i] == 0) return ZIPNN_OK;
    if (!count_cells(r, &s))
        return zn_fail(err, ZIPNN_E_CORRUPT, r->t->off,
                       "the pieces of this tensor are not as long as their shape says");
    zipnn_status st = ZIPNN_OK;
    for (uint64_t row = r->first, next; row < end && st == ZIPNN_OK; row = next) {
        next = r->t->rank ? ZN_MIN(end, (row / piece[0] + 1) * piece[0]) : end;
        st = write_slab(r, &s, row, next, err);
    }
    zn_free(&r->ctx->engine.alloc, s.bytes);
    return st;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static bool is_run(const struct zn_tensor *t) {
    return !is_scattered(t) && ((t->meaning & ZN_COLUMN_MAJOR) == 0 || t->rank < 2);
}

/* Puts the rows into the sink. */
static zipnn_status write_rows(struct reading *r, zipnn_error *err) {
    ZN_TRY(check_rows(r->a, r->t, r->first, r->n, err));
    r->dims = r->a->plan.dims + r->t->shape;
    r->element = element_of(&r->a->plan, r->t);
    if (r->n == 0) return ZIPNN_OK;
    if (is_run(r->t)) return write_run(r, err);
    r->buffer = zn_alloc(&r->ctx->engine.alloc, BUFFER);
    if (!r->buffer) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory reading a tensor");
    zipnn_status st = r->t->grid == ZN_NO_GRID ? write_strided(r, err) : write_pieces(r, err);
    if (st == ZIPNN_OK) st = flush(r, err);
    zn_free(&r->ctx->engine.alloc, r->buffer);
    return st;
}

/* A sink into memory that is known to be large enough. */
static zipnn_status write_memory(void *user, const void *buf, size_t len, zipnn_error *err) {
    uint8_t **to = user;
    (void)err;
    memcpy(*to, buf, len);
    *to += len;
    return ZIPNN_OK;
}

/* Puts the rows into memory. */
static zipnn_status read_rows(const struct reading *r, uint8_t *dst, size_t cap, zipnn_error *err) {
    uint64_t len, from = 0;
    const zipnn_sink sink = {.write = write_memory, .user = &dst};
    ZN_TRY(check_rows(r->a, r->t, r->first, r->n, err));
    ZN_TRY(zn_archive_size_values(r->a, r->t, r->n, &len, err));
    ZN_TRY(zn_given("reading a tensor", r->a, len ? dst : (const void *)r->a, err));
    if (len > cap)
        return zn_fail(err, ZIPNN_E_SPACE, ZN_NOWHERE, "the values take %llu bytes, and the buffer has %zu",
                       (unsigned long long)len, cap);
    struct reading to_memory = *r;
    to_memory.sink = &sink;
    if (!is_run(r->t)) return write_rows(&to_memory, err);
    place_of_row(&r->a->plan, r->t, r->first, &from);
    ZN_TRY(zipnn_archive_read_in(r->ctx, r->a, r->t->off + from, len, dst, err));
    make_values(r->t, dst, (size_t)len);
    return ZIPNN_OK;
}

zipnn_status zipnn_archive_read_rows_in(zipnn_ctx *ctx, const zipnn_archive *a, uint64_t index, uint64_t first,
                                        uint64_t n, void *dst, size_t cap, zipnn_error *err) {
    struct reading r = {.ctx = ctx, .a = a, .first = first, .n = n};
    ZN_TRY(zn_given("zipnn_archive_read_rows", ctx, a, err));
    ZN_TRY(zn_archive_tensor(a, index, &r.t, err));
    return read_rows(&r, dst, cap, err);
}

zipnn_status zipnn_archive_read_tensor_in(zipnn_ctx *ctx, const zipnn_archive *a, uint64_t index, void *dst, size_t cap,
                                          zipnn_error *err) {
    struct reading r = {.ctx = ctx, .a = a};
    ZN_TRY(zn_given("zipnn_archive_read_tensor", ctx, a, err));
    ZN_TRY(zn_archive_tensor(a, index, &r.t, err));
    r.n = rows_of(&a->plan, r.t);
    return read_rows(&r, dst, cap, err);
}

zipnn_status zipnn_archive_write_rows_in(zipnn_ctx *ctx, const zipnn_archive *a, uint64_t index, uint64_t first,
                                         uint64_t n, const zipnn_sink *sink, zipnn_error *err) {
    struct reading r = {.ctx = ctx, .a = a, .first = first, .n = n, .sink = sink};
    ZN_TRY(zn_given("zipnn_archive_write_rows", ctx ? a : NULL, sink, err));
    ZN_TRY(zn_archive_tensor(a, index, &r.t, err));
    if (!sink->write) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "writing a tensor needs a sink with write");
    return write_rows(&r, err);
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* Rows on their way to somebody who takes them. */
struct tiling {
    struct reading *r;
    const zipnn_tiles *to;
    size_t row;    /* bytes of a row, not 0 */
    uint64_t next; /* the row that the buffer begins with */
    size_t held;   /* bytes in it */
};

/* Hands on the rows that are whole, and moves the beginning of the next one to the front. */
static zipnn_status hand_on(struct tiling *t, zipnn_error *err) {
    const size_t n = t->held / t->row, len = n * t->row;
    uint8_t *bytes = t->to->buffer;
    if (n == 0) return ZIPNN_OK;
    ZN_TRY(t->to->take(t->to->user, t->next, n, bytes, err));
    t->next += n;
    t->held -= len;
    memmove(bytes, bytes + len, t->held);
    return ZIPNN_OK;
}

/* A sink of values. */
static zipnn_status tile_values(void *user, const void *values, size_t len, zipnn_error *err) {
    struct tiling *t = user;
    for (size_t done = 0, n; done < len; done += n) {
        n = ZN_MIN(len - done, t->to->cap - t->held);
        memcpy((uint8_t *)t->to->buffer + t->held, (const uint8_t *)values + done, n);
        t->held += n;
        if (t->held == t->to->cap) ZN_TRY(hand_on(t, err));
    }
    return ZIPNN_OK;
}

/* Returns how many bytes from `off` on are best decoded at once: to the end of a chunk, because whole chunks need no
 * copy. */
static size_t bytes_at_once(const zipnn_archive *a, uint64_t off, uint64_t len) {
    uint64_t index;
    zipnn_chunk_info chunk;
    if (zipnn_archive_chunk_at(a, off, &index, NULL) != ZIPNN_OK) return (size_t)len;
    if (zipnn_archive_chunk(a, index, &chunk, NULL) != ZIPNN_OK) return (size_t)len;
    return (size_t)ZN_MIN(len, chunk.offset + chunk.length - off);
}

/* Rows that lie one after the other are decoded to where they are handed on. */
static zipnn_status tile_run(struct tiling *t, zipnn_error *err) {
    const struct reading *r = t->r;
    const uint64_t from = r->t->off + r->first * t->row, end = from + r->n * t->row;
    struct zn_job quiet = r->ctx->job; /* a tile is no read of which progress is told */
    quiet.progress = NULL;
    for (uint64_t at = from; at < end;) {
        uint8_t *bytes = (uint8_t *)t->to->buffer + t->held;
        const size_t n = bytes_at_once(r->a, at, ZN_MIN(end - at, (uint64_t)(t->to->cap - t->held)));
        ZN_TRY(zn_job_progress(&r->ctx->job, at - from, end - from, err));
        ZN_TRY(r->a->original->way->read(&quiet, r->a->original, at, n, bytes, err));
        at += n;
        t->held += n;
        make_values(r->t, t->to->buffer, t->held / t->row * t->row);
        ZN_TRY(hand_on(t, err));
    }
    return zn_job_progress(&r->ctx->job, end - from, end - from, err);
}

static zipnn_status tile_rows(struct tiling *t, zipnn_error *err) {
    const zipnn_sink sink = {.write = tile_values, .user = t};
    t->r->sink = &sink;
    if (is_run(t->r->t)) return tile_run(t, err);
    ZN_TRY(write_rows(t->r, err));
    return hand_on(t, err);
}

zipnn_status zipnn_archive_tiles(zipnn_ctx *ctx, const zipnn_archive *a, uint64_t index, uint64_t first, uint64_t n,
                                 const zipnn_tiles *tiles, zipnn_error *err) {
    struct reading r = {.ctx = ctx, .a = a, .first = first, .n = n};
    struct tiling t = {.r = &r, .to = tiles, .next = first};
    uint64_t row;
    ZN_TRY(zn_given("zipnn_archive_tiles", ctx ? a : NULL, tiles, err));
    ZN_TRY(zn_archive_tensor(a, index, &r.t, err));
    if (!tiles->take || (!tiles->buffer && tiles->cap))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_archive_tiles needs a buffer, and somebody who takes");
    ZN_TRY(check_rows(a, r.t, first, n, err));
    if (n == 0) return ZIPNN_OK;
    ZN_TRY(zn_archive_size_values(a, r.t, 1, &row, err));
    if (row == 0) return tiles->take(tiles->user, first, n, tiles->buffer, err);
    if (row > tiles->cap)
        return zn_fail(err, ZIPNN_E_SPACE, ZN_NOWHERE, "a row takes %llu bytes, and the buffer has %zu",
                       (unsigned long long)row, tiles->cap);
    t.row = (size_t)row;
    return tile_rows(&t, err);
}

/* ---- by the context that opened the archive ---------------------------------------------------------------------- */

zipnn_status zipnn_archive_read_tensor(zipnn_archive *a, uint64_t index, void *dst, size_t cap, zipnn_error *err) {
    return zipnn_archive_read_tensor_in(a ? a->ctx : NULL, a, index, dst, cap, err);
}

zipnn_status zipnn_archive_read_rows(zipnn_archive *a, uint64_t index, uint64_t first, uint64_t n, void *dst,
                                     size_t cap, zipnn_error *err) {
    return zipnn_archive_read_rows_in(a ? a->ctx : NULL, a, index, first, n, dst, cap, err);
}

zipnn_status zipnn_archive_write_rows(zipnn_archive *a, uint64_t index, uint64_t first, uint64_t n,
                                      const zipnn_sink *sink, zipnn_error *err) {
    return zipnn_archive_write_rows_in(a ? a->ctx : NULL, a, index, first, n, sink, err);
}
