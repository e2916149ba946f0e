#include "support/synced.h"

#include "base/bytes.h"
#include "support/unit.h"

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* All kinds: large and small, of each width, with and without strides, empty ones and a scalar. */
const struct zt_row zt_large[] = {
    {"embed.weight", ZIPNN_BF16, 2, {700, 512}, 2, ZT_BF16, false},
    {"block.0.up", ZIPNN_BF16, 2, {256, 300}, 2, ZT_BF16, true},
    {"block.0.norm", ZIPNN_BF16, 1, {256}, 2, ZT_BF16, false},
    {"block.0.bias", ZIPNN_F32, 1, {300}, 4, ZT_F32, false},
    {"master", ZIPNN_F32, 3, {5, 60, 200}, 4, ZT_F32, false},
    {"half", ZIPNN_F16, 2, {100, 400}, 2, ZT_F16, true},
    {"double", ZIPNN_F64, 2, {33, 7}, 8, ZT_F64, true},
    {"int8", ZIPNN_I8, 2, {300, 301}, 1, ZT_NIBBLES, false},
    {"fp8", ZIPNN_F8_E4M3, 1, {70000}, 1, ZT_RANDOM, false},
    {"steps", ZIPNN_I64, 0, {0}, 8, ZT_SMALL_INTS, false},
    {"mask", ZIPNN_BOOL, 1, {77}, 1, ZT_CONSTANT, false},
    {"complex", ZIPNN_C128, 1, {5000}, 16, ZT_F64, false},
    {"blocks", ZIPNN_Q4_0, 2, {8, 64}, 0, ZT_RANDOM, false},
    {"nothing", ZIPNN_BF16, 2, {0, 5}, 2, ZT_BF16, false},
    {"odd bytes", ZIPNN_DTYPE_UNKNOWN, 1, {131}, 1, ZT_TEXT, false},
};

/* Few bytes, so that each of an update can be tried. */
const struct zt_row zt_small[] = {
    {"a", ZIPNN_BF16, 2, {20, 30}, 2, ZT_BF16, false},
    {"b", ZIPNN_BF16, 1, {40}, 2, ZT_BF16, false},
    {"c", ZIPNN_F32, 1, {90}, 4, ZT_F32, false},
};

void zt_model_make(struct zt_model *m, const struct zt_row *rows, size_t n) {
    size_t at[ZT_MAX_TENSORS];
    memset(m, 0, sizeof *m);
    m->n = n;
    for (size_t i = 0; i < n; i++) {
        uint64_t elements = 1;
        for (uint32_t d = 0; d < rows[i].rank; d++) elements *= m->shape[i][d] = rows[i].shape[d];
        m->len[i] = (size_t)(rows[i].width ? elements * rows[i].width : elements / 32 * 18);
        at[i] = m->memory_len;
        m->memory_len += (m->len[i] + 63) / 64 * 64;
        m->t[i] = (zipnn_tensor){rows[i].name, rows[i].dtype, rows[i].rank, m->shape[i], NULL, NULL};
        int64_t step = rows[i].width;
        for (uint32_t d = 0; d < rows[i].rank; d++, step *= (int64_t)m->shape[i][d - 1]) m->strides[i][d] = step;
        if (rows[i].turned) m->t[i].strides = m->strides[i];
    }
    m->memory = malloc(m->memory_len);
    assert_non_null(m->memory);
    memset(m->memory, 0, m->memory_len);
    for (size_t i = 0; i < n; i++) {
        m->t[i].data = m->memory + at[i];
        zt_sample(rows[i].sample, i + 1, m->memory + at[i], m->len[i]);
    }
}

void zt_model_free(struct zt_model *m) {
    free(m->memory);
}

/* Changes about one element in `every`; 0: none. */
void zt_model_train(struct zt_model *m, const struct zt_row *rows, unsigned every, uint64_t seed) {
    for (size_t i = 0; i < m->n && every; i++) {
        const size_t width = rows[i].width ? rows[i].width : 1;
        uint8_t *data = m->t[i].data;
        for (size_t e = 0; e < m->len[i] / width; e++)
            if (zt_random(&seed) % every == 0) data[e * width] = (uint8_t)(data[e * width] + 1 + zt_random(&seed) % 5);
    }
}

/* The same values in other memory, in another order, without strides or with. */
void zt_model_copy(struct zt_model *to, const struct zt_model *from, const struct zt_row *rows) {
    zt_model_make(to, rows, from->n);
    memcpy(to->memory, from->memory, from->memory_len);
}

bool zt_models_equal(const struct zt_model *a, const struct zt_model *b) {
    return memcmp(a->memory, b->memory, a->memory_len) == 0;
}

/* ---- a trainer, an engine, and what lies between ----------------------------------------------------------------- */

void zt_wire_begin(struct zt_wire *w) {
    memset(w, 0, sizeof *w);
    w->bytes = malloc(ZT_WIRE_CAP);
    assert_non_null(w->bytes);
    w->out = (struct zt_output){.data = w->bytes, .cap = ZT_WIRE_CAP};
}

zipnn_source zt_wire_source(struct zt_wire *w) {
    w->in = (struct zt_input){.data = w->bytes, .len = w->out.len};
    return zt_file(&w->in);
}

zipnn_ctx *zt_context(unsigned threads) {
    const zipnn_options options = {.size = sizeof options, .threads = threads};
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    return ctx;
}

zipnn_weights *zt_weights(zipnn_ctx *ctx, const struct zt_model *m, int copy, uint64_t version) {
    zipnn_weights *w;
    zipnn_error err;
    const zipnn_status status = zipnn_weights_open(ctx, m->t, m->n, copy, version, &w, &err);
    if (status != ZIPNN_OK) fail_msg("%s", err.message);
    return w;
}

zipnn_weights_info zt_weights_info(const zipnn_weights *w) {
    zipnn_weights_info info = {.size = sizeof info};
    assert_int_equal(zipnn_weights_get_info(w, &info, NULL), ZIPNN_OK);
    return info;
}

void zt_assert_same_state(const zipnn_weights *a, const zipnn_weights *b) {
    const zipnn_weights_info x = zt_weights_info(a), y = zt_weights_info(b);
    assert_int_equal(x.version, y.version);
    assert_memory_equal(x.digest, y.digest, sizeof x.digest);
    assert_false(x.torn || y.torn);
}

size_t zt_pack(zipnn_ctx *ctx, zipnn_weights *base, const struct zt_model *m, zipnn_update_form form, int keep,
               struct zt_wire *w) {
    const zipnn_update_options options = {
        .size = sizeof options, .form = form, .keep_base = keep, .note = "step", .note_len = 4};
    zipnn_update_stats stats = {.size = sizeof stats};
    zipnn_error err;
    const size_t before = w->out.len;
    const zipnn_sink sink = zt_pipe_sink(&w->out);
    if (zipnn_update_pack(ctx, base, m->t, m->n, &options, &sink, &stats, &err) != ZIPNN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(stats.update, w->out.len - before);
    return w->out.len - before;
}

zipnn_status zt_apply(zipnn_ctx *ctx, zipnn_weights *weights, struct zt_wire *w, zipnn_update_stats *stats,
                      zipnn_error *err) {
    const zipnn_source source = zt_wire_source(w);
    return zipnn_update_apply(ctx, weights, &source, NULL, stats, err);
}

void zt_assert_applies(zipnn_ctx *ctx, zipnn_weights *weights, struct zt_wire *w) {
    zipnn_update_stats stats = {.size = sizeof stats};
    zipnn_error err;
    if (zt_apply(ctx, weights, w, &stats, &err) != ZIPNN_OK) fail_msg("%s", err.message);
    assert_true(stats.is_exact);
    assert_int_equal(stats.update, w->out.len);
}

void zt_pair_begin(struct zt_pair *p, const struct zt_row *rows, size_t n, zipnn_update_form form) {
    p->ctx = zt_context(1);
    zt_model_make(&p->now, rows, n);
    zt_model_copy(&p->old, &p->now, rows);
    zt_model_copy(&p->theirs, &p->now, rows);
    p->sent = zt_weights(p->ctx, &p->now, 1, 5);
    p->got = zt_weights(p->ctx, &p->theirs, 0, 5);
    zt_model_train(&p->now, rows, 20, 1);
    zt_wire_begin(&p->w);
    zt_pack(p->ctx, p->sent, &p->now, form, 0, &p->w);
}

void zt_pair_end(struct zt_pair *p) {
    zipnn_weights_close(p->sent);
    zipnn_weights_close(p->got);
    zipnn_destroy(p->ctx);
    free(p->w.bytes);
    zt_model_free(&p->now);
    zt_model_free(&p->old);
    zt_model_free(&p->theirs);
}

/* After a failure each chunk is old or new. Here large tensors have their own chunks, and small ones share one by type. */
void zt_assert_old_or_new(const struct zt_pair *p) {
    for (size_t i = 0; i < p->now.n; i++) {
        const uint8_t *t = p->theirs.t[i].data;
        for (size_t at = 0; at < p->now.len[i]; at += 512 << 10) {
            const size_t len = ZN_MIN(p->now.len[i] - at, (size_t)512 << 10);
            assert_true(memcmp(t + at, (uint8_t *)p->old.t[i].data + at, len) == 0 ||
                        memcmp(t + at, (uint8_t *)p->now.t[i].data + at, len) == 0);
        }
    }
}

/* Sets the engine back, to weights that were just opened. */
void zt_pair_reset(struct zt_pair *p) {
    memcpy(p->theirs.memory, p->old.memory, p->old.memory_len);
    zipnn_weights_close(p->got);
    p->got = zt_weights(p->ctx, &p->theirs, 0, 5);
}
