/* Updates that are damaged, and sinks and memory that fail: each chunk of the engine's weights stays old or becomes new,
 * and the trainer's base stays what it was. */
#include "base/bytes.h"
#include "kernels/hash/hash.h"
#include "support/synced.h"
#include "support/unit.h"

static void try_damaged(struct zt_pair *p) {
    const size_t whole = p->w.out.len;
    for (size_t len = 0; len < whole; len++) {
        p->w.out.len = len;
        assert_int_not_equal(zt_apply(p->ctx, p->got, &p->w, NULL, NULL), ZIPNN_OK);
        zt_assert_old_or_new(p);
        assert_int_equal(zt_weights_info(p->got).torn, !zt_models_equal(&p->theirs, &p->old));
        /* What was torn is mended by the same update. */
        p->w.out.len = whole;
        zt_assert_applies(p->ctx, p->got, &p->w);
        assert_true(zt_models_equal(&p->theirs, &p->now));
        zt_pair_reset(p);
    }
    for (size_t at = 0; at < whole; at++)
        for (unsigned bit = 0; bit < 8; bit += 3) {
            p->w.bytes[at] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(zt_apply(p->ctx, p->got, &p->w, NULL, NULL), ZIPNN_OK);
            zt_assert_old_or_new(p);
            p->w.bytes[at] ^= (uint8_t)(1 << bit);
            zt_pair_reset(p);
        }
}

static void damage_is_found(void **state) {
    (void)state;
    for (int form = ZIPNN_UPDATE_DIFFERENCE; form <= ZIPNN_UPDATE_WHOLE; form++) {
        struct zt_pair p;
        zt_pair_begin(&p, zt_small, ZT_N_SMALL, (zipnn_update_form)form);
        try_damaged(&p);
        zt_pair_end(&p);
    }
}

/* Gives frames and head the checks of their bytes: damage that no checksum finds. */
static void seal(uint8_t *bytes, size_t len) {
    zn_put_u64(bytes + 56, zn_xxh3_64_scalar(bytes, 56));
    for (size_t at = 64; at + 16 <= len;) {
        const size_t body = zn_get_u32(bytes + at + 8);
        if (body > len - at - 16) return;
        zn_put_u64(bytes + at, zn_xxh3_64_scalar(bytes + at + 8, 8 + body));
        at += 16 + body;
    }
}

static zipnn_status ignore(void *user, const zipnn_changes *changes, zipnn_error *err) {
    size_t *sum = user;
    (void)err;
    for (uint64_t i = 0; i < changes->n; i++) *sum += (size_t)changes->indices[i];
    for (size_t i = 0; i < changes->n * changes->width; i++) *sum += ((const uint8_t *)changes->values)[i];
    return ZIPNN_OK;
}

static void sealed_damage_stays_in_its_tensors(void **state) {
    (void)state;
    for (int form = ZIPNN_UPDATE_DIFFERENCE; form <= ZIPNN_UPDATE_WHOLE; form++) {
        struct zt_pair p;
        size_t sum = 0;
        zt_pair_begin(&p, zt_small, ZT_N_SMALL, (zipnn_update_form)form);
        uint8_t *good = malloc(p.w.out.len);
        assert_non_null(good);
        memcpy(good, p.w.bytes, p.w.out.len);
        for (size_t at = 0; at < p.w.out.len; at++)
            for (unsigned change = 1; change < 256; change += 83) {
                p.w.bytes[at] = (uint8_t)(p.w.bytes[at] + change);
                seal(p.w.bytes, p.w.out.len);
                const zipnn_status status = zt_apply(p.ctx, p.got, &p.w, NULL, NULL);
                if (form != ZIPNN_UPDATE_VALUES) zt_assert_old_or_new(&p);
                if (form != ZIPNN_UPDATE_VALUES && status == ZIPNN_OK) assert_true(zt_models_equal(&p.theirs, &p.now));
                zt_pair_reset(&p);
                const zipnn_source source = zt_wire_source(&p.w);
                (void)zipnn_update_changes(p.ctx, p.got, &source, NULL, ignore, &sum, NULL, NULL);
                memcpy(p.w.bytes, good, p.w.out.len);
            }
        free(good);
        zt_pair_end(&p);
    }
}

/* ---- what fails outside ------------------------------------------------------------------------------------------ */

static void failing_sinks_leave_the_base(void **state) {
    struct zt_model now;
    struct zt_wire good, w;
    (void)state;
    zipnn_ctx *ctx = zt_context(2);
    zt_model_make(&now, zt_large, ZT_N_LARGE);
    zipnn_weights *sent = zt_weights(ctx, &now, 1, 0);
    zt_model_train(&now, zt_large, 100, 1);
    zt_wire_begin(&good);
    zt_wire_begin(&w);
    zt_pack(ctx, sent, &now, ZIPNN_UPDATE_DIFFERENCE, 1, &good);
    const size_t calls = good.out.calls;
    const zipnn_weights_info before = zt_weights_info(sent);
    for (size_t i = 1; i <= calls; i++) {
        w.out = (struct zt_output){.data = w.bytes, .cap = ZT_WIRE_CAP, .failing_call = i};
        const zipnn_sink sink = zt_pipe_sink(&w.out);
        zipnn_error err;
        assert_int_equal(zipnn_update_pack(ctx, sent, now.t, now.n, NULL, &sink, NULL, &err), ZIPNN_E_IO);
        const zipnn_weights_info after = zt_weights_info(sent);
        assert_int_equal(after.version, before.version);
        assert_memory_equal(after.digest, before.digest, sizeof after.digest);
    }
    w.out = (struct zt_output){.data = w.bytes, .cap = ZT_WIRE_CAP};
    zt_pack(ctx, sent, &now, ZIPNN_UPDATE_DIFFERENCE, 0, &w);
    assert_int_equal(w.out.len, good.out.len);
    assert_memory_equal(w.bytes, good.bytes, good.out.len);
    zipnn_weights_close(sent);
    zipnn_destroy(ctx);
    free(w.bytes);
    free(good.bytes);
    zt_model_free(&now);
}

struct heap {
    size_t calls, living, failing_call;
};

static void *heap_alloc(void *user, size_t size) {
    struct heap *h = user;
    if (++h->calls == h->failing_call) return NULL;
    void *p = malloc(size);
    h->living += p != NULL;
    return p;
}

static void heap_release(void *user, void *ptr) {
    struct heap *h = user;
    h->living -= ptr != NULL;
    free(ptr);
}

/* Everything, once: what fails first is returned. */
static zipnn_status all_operations(struct heap *h, struct zt_model *old, struct zt_model *now, struct zt_wire *w) {
    const zipnn_options options = {.size = sizeof options, .allocator = {heap_alloc, heap_release, h}};
    zipnn_ctx *ctx = NULL;
    zipnn_weights *sent = NULL, *got = NULL;
    size_t sum = 0;
    w->out = (struct zt_output){.data = w->bytes, .cap = ZT_WIRE_CAP};
    const zipnn_sink sink = zt_pipe_sink(&w->out);
    zipnn_status status = zipnn_create(&options, &ctx, NULL);
    if (status == ZIPNN_OK) status = zipnn_weights_open(ctx, old->t, old->n, 1, 0, &sent, NULL);
    if (status == ZIPNN_OK) status = zipnn_weights_open(ctx, old->t, old->n, 0, 0, &got, NULL);
    if (status == ZIPNN_OK) status = zipnn_update_pack(ctx, sent, now->t, now->n, NULL, &sink, NULL, NULL);
    const zipnn_source source = zt_wire_source(w);
    if (status == ZIPNN_OK) status = zipnn_update_changes(ctx, got, &source, NULL, ignore, &sum, NULL, NULL);
    if (status == ZIPNN_OK) status = zipnn_update_apply(ctx, got, &source, NULL, NULL, NULL);
    zipnn_weights_close(sent);
    zipnn_weights_close(got);
    zipnn_destroy(ctx);
    return status;
}

static void failing_memory_is_an_error(void **state) {
    struct zt_model old, now, again;
    struct zt_wire w;
    zipnn_status status = ZIPNN_E_MEMORY;
    (void)state;
    zt_model_make(&now, zt_small, ZT_N_SMALL);
    zt_model_copy(&again, &now, zt_small);
    zt_model_train(&now, zt_small, 20, 1);
    zt_wire_begin(&w);
    for (size_t i = 1; status != ZIPNN_OK; i++) {
        struct heap h = {.failing_call = i};
        zt_model_copy(&old, &again, zt_small);
        status = all_operations(&h, &old, &now, &w);
        assert_true(status == ZIPNN_OK || status == ZIPNN_E_MEMORY);
        assert_int_equal(h.living, 0);
        assert_true(zt_models_equal(&old, &again) || zt_models_equal(&old, &now));
        zt_model_free(&old);
        assert_in_range(i, 1, 500);
    }
    free(w.bytes);
    zt_model_free(&now);
    zt_model_free(&again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(sealed_damage_stays_in_its_tensors),
        cmocka_unit_test(failing_sinks_leave_the_base),
        cmocka_unit_test(failing_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
