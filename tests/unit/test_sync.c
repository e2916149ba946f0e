/* Weight sync: every update leads from one state to the next, whatever types, shapes and strides; what does not fit
 * changes nothing. */
#include "support/synced.h"
#include "support/unit.h"

/* ---- what holds -------------------------------------------------------------------------------------------------- */

static void round_trip(const struct zt_row *rows, size_t n, zipnn_update_form form, unsigned every, unsigned threads) {
    struct zt_model now, theirs;
    struct zt_wire w;
    zipnn_ctx *ctx = zt_context(threads);
    zt_model_make(&now, rows, n);
    zt_model_copy(&theirs, &now, rows);
    zipnn_weights *sent = zt_weights(ctx, &now, 1, 7), *got = zt_weights(ctx, &theirs, 0, 7);
    zt_assert_same_state(sent, got);
    for (uint64_t step = 1; step <= 2; step++) {
        zt_wire_begin(&w);
        zt_model_train(&now, rows, every, step);
        zt_pack(ctx, sent, &now, form, 0, &w);
        zt_assert_applies(ctx, got, &w);
        assert_true(zt_models_equal(&now, &theirs));
        zt_assert_same_state(sent, got);
        assert_int_equal(zt_weights_info(got).version, 7 + step);
        free(w.bytes);
    }
    zipnn_weights *fresh = zt_weights(ctx, &now, 0, 9);
    zt_assert_same_state(fresh, got);
    zipnn_weights_close(fresh);
    zipnn_weights_close(sent);
    zipnn_weights_close(got);
    zipnn_destroy(ctx);
    zt_model_free(&now);
    zt_model_free(&theirs);
}

#define N_OF(rows) (sizeof(rows) / sizeof *(rows))

static void every_form_leads_to_the_next_state(void **state) {
    static const unsigned shares[] = {0, 500, 20, 3, 1};
    (void)state;
    for (size_t i = 0; i < N_OF(shares); i++)
        for (int form = ZIPNN_UPDATE_DIFFERENCE; form <= ZIPNN_UPDATE_WHOLE; form++) {
            round_trip(zt_large, ZT_N_LARGE, (zipnn_update_form)form, shares[i], 1 + (unsigned)i % 3);
            round_trip(zt_small, ZT_N_SMALL, (zipnn_update_form)form, shares[i], 1);
        }
    for (int form = ZIPNN_UPDATE_DIFFERENCE; form <= ZIPNN_UPDATE_WHOLE; form++)
        round_trip(NULL, 0, (zipnn_update_form)form, 1, 1);
}

static void threads_and_order_do_not_matter(void **state) {
    struct zt_model now, turned;
    struct zt_wire one, other;
    (void)state;
    zipnn_ctx *alone = zt_context(1), *crew = zt_context(4);
    zt_model_make(&now, zt_large, ZT_N_LARGE);
    zipnn_weights *a = zt_weights(alone, &now, 1, 0), *b = zt_weights(crew, &now, 1, 0);
    zt_model_train(&now, zt_large, 50, 3);
    turned = now;
    for (size_t i = 0; i < now.n; i++) turned.t[i] = now.t[now.n - 1 - i];
    zt_wire_begin(&one);
    zt_wire_begin(&other);
    zt_pack(alone, a, &now, ZIPNN_UPDATE_DIFFERENCE, 0, &one);
    zt_pack(crew, b, &turned, ZIPNN_UPDATE_DIFFERENCE, 0, &other);
    assert_int_equal(one.out.len, other.out.len);
    assert_memory_equal(one.bytes, other.bytes, one.out.len);
    zt_assert_same_state(a, b);
    free(one.bytes);
    free(other.bytes);
    zipnn_weights_close(a);
    zipnn_weights_close(b);
    zipnn_destroy(alone);
    zipnn_destroy(crew);
    zt_model_free(&now);
}

/* A model with one tensor, of which one number in `every` moved by a little: what a step of reinforcement learning
 * leaves. */
static const struct zt_row policy[] = {{"policy", ZIPNN_BF16, 2, {1000, 1000}, 2, ZT_BF16, false}};

static void sizes_are_near_what_changed(void **state) {
    struct zt_model now;
    struct zt_wire w;
    (void)state;
    zipnn_ctx *ctx = zt_context(1);
    zt_model_make(&now, policy, 1);
    zipnn_weights *sent = zt_weights(ctx, &now, 1, 0);
    zt_wire_begin(&w);
    assert_in_range(zt_pack(ctx, sent, &now, ZIPNN_UPDATE_DIFFERENCE, 1, &w), 1, 200);
    zt_model_train(&now, policy, 100, 5);
    const size_t difference = zt_pack(ctx, sent, &now, ZIPNN_UPDATE_DIFFERENCE, 1, &w);
    const size_t values = zt_pack(ctx, sent, &now, ZIPNN_UPDATE_VALUES, 1, &w);
    const size_t whole = zt_pack(ctx, sent, &now, ZIPNN_UPDATE_WHOLE, 1, &w);
    assert_in_range(difference, 10000 * 8 / 8, 10000 * 13 / 8); /* a place takes 8 bits, a step of 1 to 5 2.3 */
    assert_in_range(values, difference, 10000 * 22 / 8);
    assert_in_range(whole, 1000000, 1400000);
    zipnn_weights_close(sent);
    zipnn_destroy(ctx);
    free(w.bytes);
    zt_model_free(&now);
}

/* Updates in a pipe, whose reads are short. */
static void pipes_hold_one_update_after_the_other(void **state) {
    enum { STEPS = 4 };
    struct zt_model now, theirs;
    struct zt_wire w;
    (void)state;
    zipnn_ctx *ctx = zt_context(2);
    zt_model_make(&now, zt_large, ZT_N_LARGE);
    zt_model_copy(&theirs, &now, zt_large);
    zipnn_weights *sent = zt_weights(ctx, &now, 1, 0), *got = zt_weights(ctx, &theirs, 0, 0);
    zt_wire_begin(&w);
    for (unsigned i = 0; i < STEPS; i++) {
        zt_model_train(&now, zt_large, 300, i);
        zt_pack(ctx, sent, &now, (zipnn_update_form)(i % 3), 0, &w);
    }
    struct zt_input in = {.data = w.bytes, .len = w.out.len, .longest = 977};
    const zipnn_source pipe = zt_pipe(&in);
    for (unsigned i = 0; i < STEPS; i++)
        assert_int_equal(zipnn_update_apply(ctx, got, &pipe, NULL, NULL, NULL), ZIPNN_OK);
    assert_int_equal(in.pos, in.len);
    assert_int_equal(zipnn_update_apply(ctx, got, &pipe, NULL, NULL, NULL), ZIPNN_E_TRUNCATED);
    assert_true(zt_models_equal(&now, &theirs));
    zt_assert_same_state(sent, got);
    zipnn_weights_close(sent);
    zipnn_weights_close(got);
    zipnn_destroy(ctx);
    free(w.bytes);
    zt_model_free(&now);
    zt_model_free(&theirs);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void assert_refused(struct zt_pair *p, zipnn_weights *weights, zipnn_status expected) {
    zipnn_error err;
    assert_int_equal(zt_apply(p->ctx, weights, &p->w, NULL, &err), expected);
    assert_int_equal(err.status, expected);
    assert_true(zt_models_equal(&p->theirs, &p->old));
    assert_false(zt_weights_info(weights).torn);
}

static void wrong_bases_are_refused_before_anything_is_written(void **state) {
    struct zt_pair p;
    (void)state;
    zt_pair_begin(&p, zt_large, ZT_N_LARGE, ZIPNN_UPDATE_DIFFERENCE);
    zipnn_weights *other = zt_weights(p.ctx, &p.theirs, 0, 6);
    assert_refused(&p, other, ZIPNN_E_BASE); /* another version */
    zipnn_weights_close(other);
    ((uint8_t *)p.theirs.t[0].data)[5]++;
    other = zt_weights(p.ctx, &p.theirs, 0, 5);
    ((uint8_t *)p.theirs.t[0].data)[5]--;
    assert_refused(&p, other, ZIPNN_E_BASE); /* other values */
    zipnn_weights_close(other);
    p.theirs.shape[0][0] -= 1;
    other = zt_weights(p.ctx, &p.theirs, 0, 5);
    assert_refused(&p, other, ZIPNN_E_BASE); /* another shape */
    zipnn_weights_close(other);
    p.theirs.shape[0][0] += 1;
    p.theirs.n--;
    other = zt_weights(p.ctx, &p.theirs, 0, 5);
    assert_refused(&p, other, ZIPNN_E_BASE); /* a tensor less */
    zipnn_weights_close(other);
    /* A head is enough to see it. */
    p.theirs.n++;
    p.w.out.len = 64;
    other = zt_weights(p.ctx, &p.theirs, 0, 6);
    assert_refused(&p, other, ZIPNN_E_BASE);
    zipnn_weights_close(other);
    zt_pair_end(&p);
}

static void values_need_no_exact_base(void **state) {
    struct zt_pair p;
    (void)state;
    zt_pair_begin(&p, zt_large, ZT_N_LARGE, ZIPNN_UPDATE_VALUES);
    uint8_t *first = p.theirs.t[0].data;
    const uint8_t *was = p.old.t[0].data, *is = p.now.t[0].data;
    size_t at = 0;
    while (memcmp(was + at, is + at, 2) != 0) at += 2; /* an element that did not change */
    first[at] ^= 1;
    zipnn_update_stats stats = {.size = sizeof stats};
    zipnn_weights *other = zt_weights(p.ctx, &p.theirs, 0, 99);
    assert_int_equal(zt_apply(p.ctx, other, &p.w, &stats, NULL), ZIPNN_OK);
    assert_false(stats.is_exact);
    assert_int_equal(zt_weights_info(other).version, 6);
    assert_false(zt_models_equal(&p.now, &p.theirs));
    first[at] ^= 1;
    assert_true(zt_models_equal(&p.now, &p.theirs));
    zipnn_weights_close(other);
    zt_pair_end(&p);
}

/* What somebody else wrote into a tensor is noticed when its chunk's turn comes. */
static void changed_tensors_are_noticed(void **state) {
    struct zt_pair p;
    zipnn_error err;
    (void)state;
    zt_pair_begin(&p, zt_large, ZT_N_LARGE, ZIPNN_UPDATE_DIFFERENCE);
    ((uint8_t *)p.theirs.t[0].data)[999]++;
    assert_int_equal(zt_apply(p.ctx, p.got, &p.w, NULL, &err), ZIPNN_E_BASE);
    assert_non_null(strstr(err.message, "embed.weight"));
    ((uint8_t *)p.theirs.t[0].data)[999]--;
    zt_assert_applies(p.ctx, p.got, &p.w);
    assert_true(zt_models_equal(&p.now, &p.theirs));
    zt_assert_same_state(p.sent, p.got);
    zt_pair_end(&p);
}

static void arguments_are_checked(void **state) {
    struct zt_pair p;
    zipnn_weights *w;
    (void)state;
    zt_pair_begin(&p, zt_small, ZT_N_SMALL, ZIPNN_UPDATE_DIFFERENCE);
    assert_int_equal(zipnn_weights_open(NULL, p.now.t, p.now.n, 0, 0, &w, NULL), ZIPNN_E_ARGUMENT);
    zipnn_tensor bad[2] = {p.now.t[0], p.now.t[0]};
    assert_int_equal(zipnn_weights_open(p.ctx, bad, 2, 0, 0, &w, NULL), ZIPNN_E_ARGUMENT); /* one name */
    bad[1] = p.now.t[1];
    bad[1].data = NULL;
    assert_int_equal(zipnn_weights_open(p.ctx, bad, 2, 0, 0, &w, NULL), ZIPNN_E_ARGUMENT);
    bad[1] = p.now.t[1];
    bad[1].dtype = ZIPNN_Q4_0; /* 40 elements are not whole blocks */
    assert_int_equal(zipnn_weights_open(p.ctx, bad, 2, 0, 0, &w, NULL), ZIPNN_E_ARGUMENT);
    bad[1] = p.now.t[1];
    bad[1].rank = ZIPNN_TENSOR_MAX_RANK + 1;
    assert_int_equal(zipnn_weights_open(p.ctx, bad, 2, 0, 0, &w, NULL), ZIPNN_E_ARGUMENT);
    const uint64_t huge[] = {UINT64_MAX, 3};
    bad[1] = p.now.t[1];
    bad[1].rank = 2;
    bad[1].shape = huge;
    assert_int_equal(zipnn_weights_open(p.ctx, bad, 2, 0, 0, &w, NULL), ZIPNN_E_ARGUMENT);
    zipnn_update_options options = {.size = sizeof options, .form = (zipnn_update_form)3};
    const zipnn_sink sink = zt_pipe_sink(&p.w.out);
    assert_int_equal(zipnn_update_pack(p.ctx, p.sent, p.now.t, p.now.n, &options, &sink, NULL, NULL), ZIPNN_E_ARGUMENT);
    options = (zipnn_update_options){.size = sizeof options, .note_len = 1};
    assert_int_equal(zipnn_update_pack(p.ctx, p.sent, p.now.t, p.now.n, &options, &sink, NULL, NULL), ZIPNN_E_ARGUMENT);
    zt_pair_end(&p);
}

/* ---- listeners --------------------------------------------------------------------------------------------------- */

struct listening {
    const struct zt_pair *p;
    unsigned begun, done[ZT_MAX_TENSORS], failing_call, calls;
};

static zipnn_status on_begin(void *user, const zipnn_update_info *info, zipnn_error *err) {
    struct listening *l = user;
    (void)err;
    l->begun++;
    assert_int_equal(info->from, 5);
    assert_int_equal(info->to, 6);
    assert_int_equal(info->n_tensors, l->p->now.n);
    assert_int_equal(info->note_len, 4);
    assert_memory_equal(info->note, "step", 4);
    for (uint64_t i = 0; i < info->n_tensors; i++) {
        size_t j = 0;
        while (strcmp(l->p->now.t[j].name, info->tensors[i].name) != 0) j++;
        assert_int_equal(info->tensors[i].dtype, l->p->now.t[j].dtype);
        assert_int_equal(info->tensors[i].rank, l->p->now.t[j].rank);
    }
    return ++l->calls == l->failing_call ? ZIPNN_E_CANCELLED : ZIPNN_OK;
}

static zipnn_status on_done(void *user, uint64_t tensor, zipnn_error *err) {
    struct listening *l = user;
    (void)err;
    assert_true(tensor < l->p->now.n);
    l->done[tensor]++;
    assert_memory_equal(l->p->theirs.t[tensor].data, l->p->now.t[tensor].data, l->p->now.len[tensor]);
    return ++l->calls == l->failing_call ? ZIPNN_E_CANCELLED : ZIPNN_OK;
}

static void listeners_hear_of_each_tensor_that_is_done(void **state) {
    struct zt_pair p;
    (void)state;
    zt_pair_begin(&p, zt_large, ZT_N_LARGE, ZIPNN_UPDATE_DIFFERENCE);
    zipnn_ctx *crew = zt_context(3);
    for (unsigned failing = 1; failing <= 3; failing++) {
        struct listening l = {.p = &p, .failing_call = failing};
        const zipnn_update_listener listener = {sizeof listener, &l, on_begin, on_done};
        const zipnn_source source = zt_wire_source(&p.w);
        assert_int_equal(zipnn_update_apply(crew, p.got, &source, &listener, NULL, NULL), ZIPNN_E_CANCELLED);
        if (failing == 1) assert_true(zt_models_equal(&p.theirs, &p.old));
        zt_assert_old_or_new(&p);
        zt_pair_reset(&p);
    }
    struct listening l = {.p = &p};
    const zipnn_update_listener listener = {sizeof listener, &l, on_begin, on_done};
    const zipnn_source source = zt_wire_source(&p.w);
    assert_int_equal(zipnn_update_apply(crew, p.got, &source, &listener, NULL, NULL), ZIPNN_OK);
    assert_int_equal(l.begun, 1);
    for (size_t i = 0; i < p.now.n; i++) {
        const bool changed = memcmp(p.now.t[i].data, p.old.t[i].data, p.now.len[i]) != 0;
        assert_true(l.done[i] <= 1 && l.done[i] >= changed);
    }
    zipnn_destroy(crew);
    zt_pair_end(&p);
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

/* Sets what it is told in tensors of its own, as an engine does. */
struct patching {
    struct zt_model *to;
    const struct zt_model *from;
    const char *last;
    uint64_t next, sum;
};

static size_t place(const struct zt_model *m, size_t i, uint64_t element, unsigned width) {
    uint64_t at = 0;
    if (!m->t[i].strides) return (size_t)element * width;
    for (uint32_t d = m->t[i].rank; d-- > 0; element /= m->shape[i][d])
        at += element % m->shape[i][d] * (uint64_t)m->strides[i][d];
    return (size_t)at;
}

static zipnn_status patch(void *user, const zipnn_changes *c, zipnn_error *err) {
    struct patching *p = user;
    size_t i = 0;
    (void)err;
    while (strcmp(p->to->t[i].name, c->name) != 0) i++;
    if (!p->last || strcmp(p->last, p->to->t[i].name) != 0) p->next = 0;
    p->last = p->to->t[i].name;
    for (uint64_t k = 0; k < c->n; k++) {
        assert_true(c->indices[k] >= p->next);
        p->next = c->indices[k] + 1;
        const size_t at = place(p->to, i, c->indices[k], c->width);
        assert_true(at + c->width <= p->to->len[i]);
        memcpy((uint8_t *)p->to->t[i].data + at, (const uint8_t *)c->values + k * c->width, c->width);
    }
    p->sum += c->n;
    return ZIPNN_OK;
}

static void changes_patch_tensors(void **state) {
    (void)state;
    for (int form = ZIPNN_UPDATE_DIFFERENCE; form <= ZIPNN_UPDATE_WHOLE; form++) {
        struct zt_pair p;
        struct zt_model mine;
        zt_pair_begin(&p, zt_large, ZT_N_LARGE, (zipnn_update_form)form);
        zt_model_copy(&mine, &p.old, zt_large);
        struct patching patching = {.to = &mine};
        const zipnn_source source = zt_wire_source(&p.w);
        const zipnn_weights *base = form == ZIPNN_UPDATE_DIFFERENCE ? p.got : NULL;
        assert_int_equal(zipnn_update_changes(p.ctx, base, &source, NULL, patch, &patching, NULL, NULL), ZIPNN_OK);
        assert_true(zt_models_equal(&mine, &p.now));
        assert_true(zt_models_equal(&p.theirs, &p.old));
        if (form == ZIPNN_UPDATE_DIFFERENCE)
            assert_int_equal(zipnn_update_changes(p.ctx, NULL, &source, NULL, patch, &patching, NULL, NULL),
                             ZIPNN_E_BASE);
        zt_model_free(&mine);
        zt_pair_end(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_leads_to_the_next_state),
        cmocka_unit_test(threads_and_order_do_not_matter),
        cmocka_unit_test(sizes_are_near_what_changed),
        cmocka_unit_test(pipes_hold_one_update_after_the_other),
        cmocka_unit_test(wrong_bases_are_refused_before_anything_is_written),
        cmocka_unit_test(values_need_no_exact_base),
        cmocka_unit_test(changed_tensors_are_noticed),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(listeners_hear_of_each_tensor_that_is_done),
        cmocka_unit_test(changes_patch_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
