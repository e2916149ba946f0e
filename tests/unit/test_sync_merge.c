/* Two updates in one do what both do, whatever their forms. */
#include "support/synced.h"
#include "support/unit.h"

/* ---- merging ----------------------------------------------------------------------------------------------------- */

static zipnn_status merge(zipnn_ctx *ctx, struct zt_wire *a, struct zt_wire *b, struct zt_wire *to) {
    const zipnn_source first = zt_wire_source(a), second = zt_wire_source(b);
    const zipnn_sink sink = zt_pipe_sink(&to->out);
    return zipnn_update_merge(ctx, &first, &second, &sink, NULL, NULL);
}

/* Merges an update of each form with one of each form. */
static void merge_two(zipnn_update_form one, zipnn_update_form other, unsigned every) {
    struct zt_pair p;
    struct zt_wire second, both;
    zipnn_weights_info info;
    zt_pair_begin(&p, zt_large, ZT_N_LARGE, one);
    zt_model_train(&p.now, zt_large, every, 9);
    zt_wire_begin(&second);
    zt_wire_begin(&both);
    zt_pack(p.ctx, p.sent, &p.now, other, 0, &second);
    assert_int_equal(merge(p.ctx, &p.w, &second, &both), ZIPNN_OK);
    assert_in_range(both.out.len, 1, p.w.out.len + second.out.len);
    assert_int_equal(merge(p.ctx, &second, &p.w, &both), ZIPNN_E_BASE); /* in the wrong order */
    both.out.len = 0;
    assert_int_equal(merge(p.ctx, &p.w, &second, &both), ZIPNN_OK);
    zt_assert_applies(p.ctx, p.got, &both);
    assert_true(zt_models_equal(&p.theirs, &p.now));
    zt_assert_same_state(p.sent, p.got);
    info = zt_weights_info(p.got);
    assert_int_equal(info.version, 7);
    free(second.bytes);
    free(both.bytes);
    zt_pair_end(&p);
}

static void merged_updates_do_what_both_do(void **state) {
    (void)state;
    for (int one = ZIPNN_UPDATE_DIFFERENCE; one <= ZIPNN_UPDATE_WHOLE; one++)
        for (int other = ZIPNN_UPDATE_DIFFERENCE; other <= ZIPNN_UPDATE_WHOLE; other++) {
            merge_two((zipnn_update_form)one, (zipnn_update_form)other, 20);
            merge_two((zipnn_update_form)one, (zipnn_update_form)other, 2);
        }
}

/* Steps of differences add up, to a limit. Values do not. */
static void many_updates_are_merged(void **state) {
    (void)state;
    for (int form = ZIPNN_UPDATE_DIFFERENCE; form <= ZIPNN_UPDATE_VALUES; form++) {
        struct zt_pair p;
        struct zt_wire all, next, both;
        zipnn_status status = ZIPNN_OK;
        unsigned n = 1;
        zt_pair_begin(&p, zt_small, ZT_N_SMALL, (zipnn_update_form)form);
        all = p.w;
        zt_wire_begin(&next);
        zt_wire_begin(&both);
        size_t sum = all.out.len;
        for (; n < 80; n++) {
            next.out.len = both.out.len = 0;
            zt_model_train(&p.now, zt_small, 20, n + 1);
            zt_pack(p.ctx, p.sent, &p.now, (zipnn_update_form)form, 0, &next);
            status = merge(p.ctx, &all, &next, &both);
            if (status != ZIPNN_OK) break;
            sum += next.out.len;
            const struct zt_wire swapped = all;
            all = both;
            both = swapped;
        }
        if (form == ZIPNN_UPDATE_VALUES) {
            assert_int_equal(n, 80);
            assert_in_range(all.out.len, 1, sum / 5);
            p.w = all;
            zt_assert_applies(p.ctx, p.got, &p.w);
            assert_true(zt_models_equal(&p.theirs, &p.now));
        } else {
            assert_int_equal(status, ZIPNN_E_LIMIT);
            assert_int_equal(n, 64);
            p.w = all;
        }
        free(next.bytes);
        free(both.bytes);
        zt_pair_end(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_updates_do_what_both_do),
        cmocka_unit_test(many_updates_are_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
