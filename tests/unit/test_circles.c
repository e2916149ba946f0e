/* No archive comes to need itself: what leads back to an original is refused as its base, and not found to be nearest.
 */
#include <stdio.h>

#include "base/bytes.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"

enum { N = 4, WEIGHTS = 200000, CAP = 2 * WEIGHTS };

/* Near copies of one model, and archives of them. */
struct family {
    uint8_t *data[N], *archive[N];
    struct zt_input plain[N], packed[N];
    size_t len;
};

static void set_up(struct family *f) {
    for (unsigned i = 0; i < N; i++) {
        f->data[i] = malloc(CAP);
        f->archive[i] = malloc(CAP);
        assert_true(f->data[i] && f->archive[i]);
        char *json = (char *)f->data[i] + 8;
        const int n =
            sprintf(json, "{\"w\":{\"dtype\":\"BF16\",\"shape\":[%d],\"data_offsets\":[0,%d]}}", WEIGHTS / 2, WEIGHTS);
        zn_put_u64(f->data[i], (uint64_t)n);
        f->len = 8 + (size_t)n + WEIGHTS;
        zt_sample(ZT_BF16, 1, f->data[i] + 8 + n, WEIGHTS);
        f->data[i][5000 + 100 * i] ^= 1;
        f->plain[i] = (struct zt_input){.data = f->data[i], .len = f->len};
    }
}

static void tear_down(struct family *f) {
    for (unsigned i = 0; i < N; i++) {
        free(f->data[i]);
        free(f->archive[i]);
    }
}

/* Of n sources the first n_bases are bases, the first n_direct of them to be referred to; the others are known. */
static zipnn_ctx *context(const zipnn_source *bases, size_t n, size_t n_bases, size_t n_direct) {
    const zipnn_options options = {.size = sizeof options,
                                   .bases = bases,
                                   .n_bases = n_bases,
                                   .n_direct = n_direct,
                                   .known = bases ? bases + n_bases : NULL,
                                   .n_known = n - n_bases};
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    return ctx;
}

/* Packs i against the first of the bases, from memory; the archive is kept when it is made. */
static zipnn_status pack_knowing(struct family *f, unsigned i, const zipnn_source *bases, size_t n, size_t n_bases) {
    zipnn_error err = {ZIPNN_OK, 0, ""};
    size_t len = 0;
    zipnn_ctx *ctx = context(bases, n, n_bases, 1);
    uint8_t *out = malloc(CAP);
    assert_non_null(out);
    const zipnn_status status = zipnn_compress(ctx, f->data[i], f->len, out, CAP, &len, &err);
    assert_true((status == ZIPNN_OK) == (err.status == ZIPNN_OK));
    if (status == ZIPNN_OK) {
        memcpy(f->archive[i], out, len);
        f->packed[i] = (struct zt_input){.data = f->archive[i], .len = len};
    }
    free(out);
    zipnn_destroy(ctx);
    return status;
}

static zipnn_status pack(struct family *f, unsigned i, const zipnn_source *bases, size_t n) {
    return pack_knowing(f, i, bases, n, n);
}

static void an_original_is_not_its_own_base(void **state) {
    (void)state;
    struct family f;
    set_up(&f);
    const zipnn_source self = zt_file(&f.plain[0]);
    assert_int_equal(pack(&f, 0, &self, 1), ZIPNN_E_BASE);
    assert_int_equal(pack(&f, 0, NULL, 0), ZIPNN_OK);
    const zipnn_source archive = zt_file(&f.packed[0]);
    assert_int_equal(pack(&f, 0, &archive, 1), ZIPNN_E_BASE);
    tear_down(&f);
}

/* i is made from i + 1, for all but the last: it is refused whatever leads back to it, as a file or as an archive. */
static void circles_of_any_length_are_refused(void **state) {
    (void)state;
    struct family f;
    set_up(&f);
    zipnn_source known[2 * N];
    for (unsigned i = 0; i + 1 < N; i++) {
        const zipnn_source next = zt_file(&f.plain[i + 1]);
        assert_int_equal(pack(&f, i, &next, 1), ZIPNN_OK);
    }
    for (unsigned i = 0; i + 1 < N; i++) {
        size_t n = 0;
        known[n++] = zt_file(&f.plain[i]);
        for (unsigned k = 0; k + 1 < N; k++) known[n++] = zt_file(&f.packed[k]);
        assert_int_equal(pack(&f, N - 1, known, n), ZIPNN_E_BASE);
        assert_int_equal(pack_knowing(&f, N - 1, known, n, 1), ZIPNN_E_BASE);
        known[0] = zt_file(&f.packed[i]);
        known[n++] = zt_file(&f.plain[N - 1]);
        assert_int_equal(pack(&f, N - 1, known, n), ZIPNN_E_BASE);
    }
    /* The other way round there is none. */
    const zipnn_source forward[] = {zt_file(&f.packed[N - 2]), zt_file(&f.plain[N - 1])};
    assert_int_equal(pack(&f, 0, forward, 2), ZIPNN_OK);
    tear_down(&f);
}

static zipnn_status nearest(struct family *f, unsigned i, const zipnn_source *bases, size_t n, size_t n_direct,
                            size_t *index) {
    zipnn_ctx *ctx = context(bases, n, n_direct, n_direct);
    const zipnn_source source = zt_file(&f->plain[i]);
    const zipnn_status status = zipnn_nearest_base(ctx, &source, index, NULL);
    zipnn_destroy(ctx);
    return status;
}

static void the_nearest_leads_nowhere_back(void **state) {
    (void)state;
    struct family f;
    size_t index = 9;
    set_up(&f);
    const zipnn_source against = zt_file(&f.plain[0]);
    assert_int_equal(pack(&f, 1, &against, 1), ZIPNN_OK);
    assert_int_equal(pack(&f, 3, NULL, 0), ZIPNN_OK);
    /* itself, what was made from it in both forms, another one */
    const zipnn_source bases[] = {zt_file(&f.plain[0]), zt_file(&f.plain[1]), zt_file(&f.packed[1]),
                                  zt_file(&f.packed[3])};
    assert_int_equal(nearest(&f, 0, bases, 4, 4, &index), ZIPNN_OK);
    assert_int_equal(index, 3);
    assert_int_equal(nearest(&f, 0, bases, 4, 3, &index), ZIPNN_E_NOT_FOUND);
    /* What is known is looked at, and not taken. */
    assert_int_equal(nearest(&f, 0, bases + 1, 3, 1, &index), ZIPNN_E_NOT_FOUND);
    assert_int_equal(nearest(&f, 2, bases + 1, 3, 1, &index), ZIPNN_OK);
    assert_int_equal(index, 0);
    tear_down(&f);
}

/* A source that becomes another one when the archive begins. */
struct turning {
    const uint8_t *first, *then;
    bool turned;
};

static zipnn_status read_turning(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    const struct turning *t = user;
    (void)err;
    memcpy(buf, (t->turned ? t->then : t->first) + off, len);
    return ZIPNN_OK;
}

static zipnn_status turn(void *user, const void *buf, size_t len, zipnn_error *err) {
    struct turning *t = user;
    (void)buf, (void)len, (void)err;
    t->turned = true;
    return ZIPNN_OK;
}

/* Whatever was found before the first chunk, the digest at the end decides. */
static void the_end_decides(void **state) {
    (void)state;
    struct family f;
    set_up(&f);
    const zipnn_source base = zt_file(&f.plain[1]);
    zipnn_ctx *ctx = context(&base, 1, 1, 0);
    for (unsigned then = 0; then < N; then++) {
        struct turning t = {f.data[0], f.data[then], false};
        const zipnn_source source = {.read_at = read_turning, .length = f.len, .user = &t};
        const zipnn_sink sink = {.write = turn, .user = &t};
        assert_int_equal(zipnn_pack(ctx, &source, &sink, NULL, NULL), then == 1 ? ZIPNN_E_BASE : ZIPNN_OK);
    }
    zipnn_destroy(ctx);
    tear_down(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_original_is_not_its_own_base),
        cmocka_unit_test(circles_of_any_length_are_refused),
        cmocka_unit_test(the_nearest_leads_nowhere_back),
        cmocka_unit_test(the_end_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
