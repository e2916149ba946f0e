/* Bytes that a base has in another place: rows added or taken away, tensors fused and split, files without tensors. Each
 * case is stored against its base in a few percent of what it takes alone, and restores. */
#include <stdio.h>

#include "base/bytes.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"

enum { ROW = 256, ROWS = 400, MATRIX = ROW * ROWS, MAX_FILE = 2 << 20, MAX_TENSORS = 8 };

/* A file in the making: a safetensors file of BF16 tensors, or bytes alone. */
struct file {
    uint8_t bytes[MAX_FILE];
    size_t len;
};

struct tensor {
    const char *name;
    const uint8_t *bytes;
    size_t len;
};

static void build(struct file *f, const struct tensor *t, unsigned n) {
    char *json = (char *)f->bytes + 8;
    size_t len = 0, at = 0;
    for (unsigned i = 0; i < n; i++) {
        len += (size_t)sprintf(json + len, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}",
                               i ? "," : "{", t[i].name, t[i].len / 2, at, at + t[i].len);
        at += t[i].len;
    }
    json[len++] = '}';
    zn_put_u64(f->bytes, len);
    f->len = 8 + len;
    for (unsigned i = 0; i < n; i++) {
        memcpy(f->bytes + f->len, t[i].bytes, t[i].len);
        f->len += t[i].len;
    }
}

static void build_raw(struct file *f, const uint8_t *bytes, size_t len) {
    memcpy(f->bytes, bytes, len);
    f->len = len;
}

/* Moves one word in 50 by one in the last place. */
static void nudge(uint8_t *words, size_t len) {
    uint64_t random = 5;
    for (size_t i = 0; i + 2 <= len; i += 2)
        if (zt_random(&random) % 50 == 0) zn_put_u16(words + i, (uint16_t)(zn_get_u16(words + i) + 1));
}

/* Packs, given the base if there is one, restores and compares. Returns the archive's length. */
static size_t stored(const struct file *f, const struct file *base) {
    static uint8_t archive[MAX_FILE + 4096], back[MAX_FILE];
    struct zt_input in = {.data = base ? base->bytes : NULL, .len = base ? base->len : 0};
    const zipnn_source source = zt_file(&in);
    const zipnn_options options = {.size = sizeof options, .bases = &source, .n_bases = base != NULL, .threads = 2};
    zipnn_ctx *ctx;
    zipnn_error err;
    size_t len, restored;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    if (zipnn_compress(ctx, f->bytes, f->len, archive, sizeof archive, &len, &err) != ZIPNN_OK)
        fail_msg("%s", err.message);
    if (zipnn_decompress(ctx, archive, len, back, sizeof back, &restored, &err) != ZIPNN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(restored, f->len);
    assert_memory_equal(back, f->bytes, f->len);
    zipnn_destroy(ctx);
    return len;
}

struct pair {
    struct file base, next;
    uint8_t weights[4 * MATRIX], more[4 * MATRIX];
};

static struct pair *new_pair(void) {
    struct pair *p = calloc(1, sizeof *p);
    assert_non_null(p);
    zt_sample(ZT_BF16, 1, p->weights, sizeof p->weights);
    zt_sample(ZT_BF16, 2, p->more, sizeof p->more);
    return p;
}

/* At most this many percent of what the file takes alone. */
static void expect_share(const struct pair *p, unsigned percent) {
    const size_t alone = stored(&p->next, NULL), given = stored(&p->next, &p->base);
    if (given * 100 > alone * percent) fail_msg("%zu bytes given the base, %zu alone", given, alone);
}

static void rows_are_added_and_taken_away(void **state) {
    (void)state;
    struct pair *p = new_pair();
    const uint8_t *w = p->weights;
    uint8_t *grown = p->more;
    const struct {
        struct tensor base, next;
    } cases[] = {
        {{"e", w, MATRIX}, {"e", w, MATRIX + 2 * ROW}},                     /* at the end */
        {{"e", w + 2 * ROW, MATRIX}, {"e", w, MATRIX + 2 * ROW}},           /* in front */
        {{"e", w, 2 * MATRIX}, {"e", w, MATRIX}},                           /* the part of rank 0 of 2 */
        {{"e", w, 4 * MATRIX}, {"e", w + 2 * MATRIX, MATRIX}},              /* of rank 2 of 4 */
        {{"e", w, 4 * MATRIX}, {"other", w + MATRIX + 3 * ROW, 2 * MATRIX}} /* under another name */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tensor next = cases[i].next;
        build(&p->base, &cases[i].base, 1);
        build(&p->next, &next, 1);
        expect_share(p, 6);
        memcpy(grown, next.bytes, next.len); /* the rows that stayed were trained on */
        nudge(grown, next.len);
        next.bytes = grown;
        build(&p->next, &next, 1);
        expect_share(p, 25);
    }
    free(p);
}

/* Weights all of which moved have no bytes in common with the base: they are found by name. */
static void grown_tensors_that_were_trained_are_found_by_name(void **state) {
    (void)state;
    struct pair *p = new_pair();
    for (unsigned front = 0; front < 2; front++) {
        const struct tensor base = {"e", p->weights, 2 * MATRIX};
        struct tensor next = {"e", p->more, 2 * MATRIX + ROW};
        memcpy(p->more + front * ROW, p->weights, 2 * MATRIX);
        for (size_t i = 0; i < 2 * MATRIX; i += 2)
            zn_put_u16(p->more + front * ROW + i, (uint16_t)(zn_get_u16(p->weights + i) + 1));
        build(&p->base, &base, 1);
        build(&p->next, &next, 1);
        expect_share(p, 25);
    }
    free(p);
}

static void tensors_are_fused_and_split(void **state) {
    (void)state;
    struct pair *p = new_pair();
    uint8_t *w = p->weights;
    const struct tensor split[] = {
        {"k", w, MATRIX}, {"o", p->more, MATRIX}, {"q", w + MATRIX, MATRIX}, {"v", w + 2 * MATRIX, MATRIX}};
    memcpy(p->more + MATRIX, w + MATRIX, MATRIX);
    memcpy(p->more + 2 * MATRIX, w, MATRIX);
    memcpy(p->more + 3 * MATRIX, w + 2 * MATRIX, MATRIX);
    const struct tensor fused[] = {{"o", p->more, MATRIX}, {"qkv", p->more + MATRIX, 3 * MATRIX}};
    build(&p->base, split, 4);
    build(&p->next, fused, 2);
    expect_share(p, 2);
    nudge(p->more + MATRIX, 3 * MATRIX);
    build(&p->next, fused, 2);
    expect_share(p, 25);
    build(&p->base, fused, 2);
    build(&p->next, split, 4);
    expect_share(p, 25);
    free(p);
}

static void files_of_bytes_resemble_others_at_any_shift(void **state) {
    (void)state;
    struct pair *p = new_pair();
    const struct tensor whole[] = {{"a", p->weights, 2 * MATRIX}, {"b", p->weights + 2 * MATRIX, 2 * MATRIX}};
    build_raw(&p->base, p->weights, sizeof p->weights);
    build(&p->next, whole, 2);
    expect_share(p, 2);
    for (size_t shift = 0; shift <= 9; shift += 3) {
        build(&p->base, whole, 2);
        build_raw(&p->next, p->weights + shift, sizeof p->weights - shift);
        expect_share(p, 2);
        build_raw(&p->base, p->weights + 9 - shift, sizeof p->weights - 9 + shift);
        build_raw(&p->next, p->weights, sizeof p->weights);
        nudge(p->next.bytes, p->next.len);
        expect_share(p, 25);
    }
    free(p);
}

/* Many bytes that occur in the base, but nothing that resembles it: the archive is as long as without the base. */
static void bytes_that_deceive_cost_nothing(void **state) {
    (void)state;
    struct pair *p = new_pair();
    build_raw(&p->base, p->weights, sizeof p->weights);
    for (size_t i = 0; i + 64 <= sizeof p->more; i += 64) memcpy(p->more + i, p->weights + i / 4096 * 4096, 16);
    build_raw(&p->next, p->more, sizeof p->more);
    assert_int_equal(stored(&p->next, &p->base), stored(&p->next, NULL));
    memset(p->weights, 0, sizeof p->weights); /* no byte of the base says anything */
    build_raw(&p->base, p->weights, sizeof p->weights);
    assert_int_equal(stored(&p->next, &p->base), stored(&p->next, NULL));
    free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_added_and_taken_away),
        cmocka_unit_test(grown_tensors_that_were_trained_are_found_by_name),
        cmocka_unit_test(tensors_are_fused_and_split),
        cmocka_unit_test(files_of_bytes_resemble_others_at_any_shift),
        cmocka_unit_test(bytes_that_deceive_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
