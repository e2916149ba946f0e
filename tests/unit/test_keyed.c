/* Numbers of four bits are found, in words and bytes, down columns and along rows, wherever a chunk cuts the tensor; what is
 * no such thing stays what it is; tiles of every shape come back; damage is an error or other bytes, never a fault. */
#include "chunk/keyed.h"
#include "support/coder.h"
#include "support/samples.h"
#include "support/unit.h"

enum { ROWS = 512, COLUMNS = 512, NUMBERS = ROWS * COLUMNS, BYTES = NUMBERS / 2, GROUP = 128, N_DAMAGED = 400 };
enum { BEFORE = 640, MAX_LEN = BEFORE + BYTES + BEFORE };

/* How programs pack the numbers of a matrix: eight rows in a word (GPTQ), eight columns in a word (AWQ), two rows in a
 * byte, rows one behind the other. */
enum packing { DOWN_WORDS, DOWN_NUMBERS, DOWN_BYTES, ALONG, N_PACKINGS };

/* Returns the place of a number. */
static size_t place(enum packing packing, size_t row, size_t column) {
    switch (packing) {
        case DOWN_WORDS:
            return (row / 8 * COLUMNS + column) * 8 + row % 8;
        case DOWN_BYTES:
            return (row / 2 * COLUMNS + column) * 2 + row % 2;
        case ALONG:
            return column * ROWS + row;
        default:
            return row * COLUMNS + column;
    }
}

/* Fills a matrix whose columns have another middle for each `group` rows. */
static void fill(enum packing packing, unsigned group, uint64_t seed, uint8_t *data) {
    memset(data, 0, BYTES);
    for (size_t column = 0; column < COLUMNS; column++) {
        unsigned least = 0;
        for (size_t row = 0; row < ROWS; row++) {
            const uint64_t r = zt_random(&seed);
            if (row % group == 0) least = (unsigned)(r >> 40) % 10;
            const unsigned v = least + (unsigned)((r & 3) + (r >> 2 & 3)); /* 2.66 bits */
            const size_t at = place(packing, row, column);
            data[at / 2] |= (uint8_t)((v & 15) << at % 2 * 4);
        }
    }
}

/* A file of a small tensor, the matrix, and another small one. */
static void make_plan(enum packing packing, struct zn_plan *plan, zipnn_dtype *dtype) {
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    const uint64_t per_row[N_PACKINGS] = {COLUMNS, COLUMNS / 8, COLUMNS, ROWS / 8},
                   word = packing == DOWN_BYTES ? 1 : 4;
    const uint64_t dims[] = {BYTES / word / per_row[packing], per_row[packing]}, small = BEFORE / word;
    *dtype = packing == DOWN_BYTES ? ZIPNN_U8 : ZIPNN_I32;
    zn_plan_init(plan, &alloc);
    assert_int_equal(zn_plan_add(plan, 0, BEFORE, *dtype, "a", 1, &small, 1, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_add(plan, BEFORE, BYTES, *dtype, "qweight", 7, dims, 2, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_add(plan, BEFORE + BYTES, BEFORE, *dtype, "z", 1, &small, 1, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_finish(plan, NULL), ZIPNN_OK);
}

static void groups_are_found(void **state) {
    (void)state;
    static const unsigned groups[] = {128, 64, 32};
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    assert_true(data && body);
    for (unsigned set = 0; zn_kernels_at(set); set++)
        for (unsigned i = 0; i < 3 * N_PACKINGS; i++) {
            struct zn_plan plan;
            void *memory;
            struct zn_chunk_hint hint = {.plan = &plan};
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
            struct zn_effort effort = zn_effort_of(3);
            zt_sample(ZT_RANDOM, i, data, MAX_LEN);
            fill((enum packing)(i / 3), groups[i % 3], i, data + BEFORE);
            make_plan((enum packing)(i / 3), &plan, &hint.dtype);
            for (int level = 1; level <= 9; level += 4) {
                const uint32_t got = zt_coder_round_trip(&coder, level, hint, data, MAX_LEN);
                assert_true(got < 2 * BEFORE + BYTES * (groups[i % 3] == 32 ? 80 : 75) / 100);
            }
            assert_true(zn_chunk_encode(&(struct zn_encoder){&coder, &effort, hint, data, MAX_LEN}, body) > 0);
            assert_int_equal(body[1], ZN_LAYOUT_KEYED);
            effort.readers = 100;
            assert_true(zn_chunk_encode(&(struct zn_encoder){&coder, &effort, hint, data, MAX_LEN}, body) > 0);
            assert_int_not_equal(body[1], ZN_LAYOUT_KEYED);
            zn_plan_free(&plan);
            zt_coder_free(&coder, memory);
        }
    free(data);
    free(body);
}

/* Floats of four bits in blocks of 32 along the rows, and the scales of the blocks: signs are even, so that only the mean of
 * the magnitudes tells blocks apart; the scales are left to the rest. */
static void blocks_of_floats_are_found(void **state) {
    (void)state;
    enum { BLOCK = 32, N_BLOCKS = 1 << 13, LEN = N_BLOCKS * BLOCK / 2, ALL = LEN + N_BLOCKS };
    const uint64_t dims[] = {N_BLOCKS / 16, 16, BLOCK / 2}, scales[] = {N_BLOCKS / 16, 16};
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    uint8_t *data = calloc(1, ALL), *body = malloc(zn_chunk_bound(ALL));
    struct zn_plan plan;
    struct zn_chunk_hint hint = {.plan = &plan, .dtype = ZIPNN_U8};
    struct zn_effort effort = zn_effort_of(3);
    uint64_t seed = 3;
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), ALL, &memory);
    assert_true(data && body);
    for (size_t b = 0; b < N_BLOCKS; b++) {
        const unsigned small = zt_random(&seed) >> 40 & 1;
        for (size_t i = 0; i < BLOCK; i++) {
            const unsigned r = (unsigned)(zt_random(&seed) >> 33), low = (r & 3) + (r >> 2 & 1);
            data[(b * BLOCK + i) / 2] |= (uint8_t)(((r >> 3 & 1) << 3 | (small ? low / 2 : low + 2)) << i % 2 * 4);
        }
        data[LEN + b] = (uint8_t)(120 + small);
    }
    zn_plan_init(&plan, &alloc);
    assert_int_equal(zn_plan_add(&plan, 0, LEN, ZIPNN_U8, "w_blocks", 8, dims, 3, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_add(&plan, LEN, N_BLOCKS, ZIPNN_U8, "w_scales", 8, scales, 2, NULL), ZIPNN_OK);
    assert_int_equal(zn_plan_finish(&plan, NULL), ZIPNN_OK);
    for (int level = 1; level <= 9; level += 4)
        assert_true(zt_coder_round_trip(&coder, level, hint, data, ALL) < LEN * 8 / 10);
    assert_true(zn_chunk_encode(&(struct zn_encoder){&coder, &effort, hint, data, ALL}, body) > 0);
    assert_int_equal(body[1], ZN_LAYOUT_KEYED);
    zn_plan_free(&plan);
    zt_coder_free(&coder, memory);
    free(body);
    free(data);
}

static void chunks_begin_and_end_anywhere(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN);
    uint64_t seed = 5;
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    assert_non_null(data);
    for (unsigned i = 0; i < 20 * N_PACKINGS; i++) {
        struct zn_plan plan;
        struct zn_chunk_hint hint = {.plan = &plan, .off = zt_random(&seed) % (MAX_LEN - 1)};
        const uint32_t len = 1 + (uint32_t)(zt_random(&seed) % (MAX_LEN - hint.off));
        zt_sample(ZT_RANDOM, i, data, MAX_LEN);
        fill((enum packing)(i % N_PACKINGS), GROUP, i, data + BEFORE);
        make_plan((enum packing)(i % N_PACKINGS), &plan, &hint.dtype);
        zt_coder_round_trip(&coder, 3, hint, data + hint.off, len);
        zn_plan_free(&plan);
    }
    zt_coder_free(&coder, memory);
    free(data);
}

static void other_integers_come_back(void **state) {
    (void)state;
    static const zipnn_dtype dtypes[] = {ZIPNN_I32, ZIPNN_U32, ZIPNN_I8, ZIPNN_U8, ZIPNN_I64};
    uint8_t *data = malloc(MAX_LEN);
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    assert_non_null(data);
    for (unsigned sample = 0; sample < ZT_N_SAMPLES; sample++)
        for (unsigned i = 0; i < 5; i++) {
            zt_sample((enum zt_sample)sample, i, data, MAX_LEN);
            zt_coder_round_trip(&coder, 3, (struct zn_chunk_hint){.dtype = dtypes[i]}, data, 9001);
        }
    zt_coder_free(&coder, memory);
    free(data);
}

/* Taking a tile apart, number by number. */
static void take_plainly(const struct zn_keyed *k, const struct zn_keyed_run *r, const uint8_t *tile,
                         const uint32_t *places, uint8_t *numbers) {
    const size_t unit = (size_t)1 << k->unit_log2;
    for (size_t row = 0; row < r->rows; row++)
        for (size_t i = 0; i < r->columns * unit; i++) {
            const size_t at = row * r->columns * unit + i;
            numbers[places[i / unit] + row * unit + i % unit] = tile[at / 2] >> at % 2 * 4 & 15;
        }
}

static void tiles_of_every_shape_come_back(void **state) {
    (void)state;
    static const uint32_t columns[] = {1, 2, 7, 8, 9, 16, 30, 31}, rows[] = {1, 2, 8, 15, 16, 17, 33};
    enum { MOST = 33 * 31 * 8 };
    static uint8_t tile[MOST], back[MOST], numbers[MOST], plain[MOST];
    zt_sample(ZT_RANDOM, 1, tile, sizeof tile);
    for (unsigned unit_log2 = 0; unit_log2 <= ZN_KEYED_MAX_UNIT; unit_log2++)
        for (size_t i = 0; i < sizeof columns / sizeof *columns * 7; i++) {
            struct zn_keyed k = {.unit_log2 = unit_log2};
            uint32_t places[31], left = MOST;
            uint8_t keys[31];
            const struct zn_keyed_run run = {0, columns[i / 7], (uint16_t)rows[i % 7], 1};
            const bool whole = (run.columns * run.rows << unit_log2) % 2 == 0,
                       long_enough = run.rows << unit_log2 >= 16;
            assert_int_equal(zn_keyed_add(&k, &run, &left), whole && long_enough);
            if (k.n_runs == 0) continue;
            for (unsigned c = 0; c < run.columns; c++) keys[c] = (uint8_t)(c * 7 % 5 * 60);
            zn_keyed_places(&k, keys, places);
            zn_keyed_take(&k, &run, tile, places, numbers);
            take_plainly(&k, &run, tile, places, plain);
            assert_memory_equal(numbers, plain, k.n_numbers);
            memset(back, 0xA5, sizeof back);
            zn_keyed_give(&k, &run, numbers, places, back);
            assert_memory_equal(back, tile, k.tiles_len);
            assert_int_equal(back[k.tiles_len], 0xA5);
        }
}

static void damage_is_no_fault(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    const struct zn_effort effort = zn_effort_of(3);
    struct zn_plan plan;
    struct zn_chunk_hint hint = {.plan = &plan};
    uint64_t seed = 4;
    assert_true(data && body);
    zt_sample(ZT_RANDOM, 1, data, MAX_LEN);
    fill(DOWN_NUMBERS, GROUP, 1, data + BEFORE);
    make_plan(DOWN_NUMBERS, &plan, &hint.dtype);
    const uint32_t len = zn_chunk_encode(&(struct zn_encoder){&coder, &effort, hint, data, MAX_LEN}, body);
    assert_int_equal(body[1], ZN_LAYOUT_KEYED);
    zt_coder_damage(&coder, body, len, MAX_LEN, N_DAMAGED, &seed);
    zn_plan_free(&plan);
    zt_coder_free(&coder, memory);
    free(data);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_found),
        cmocka_unit_test(blocks_of_floats_are_found),
        cmocka_unit_test(chunks_begin_and_end_anywhere),
        cmocka_unit_test(other_integers_come_back),
        cmocka_unit_test(tiles_of_every_shape_come_back),
        cmocka_unit_test(damage_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
