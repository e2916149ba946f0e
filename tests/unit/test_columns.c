/* Columns: matrices whose columns have scales of their own come back from every kernel set and take less, by the same
 * bytes; what has no columns is coded as before; older readers get none; each set's loops do what the documented
 * arithmetic says; damage is an error or other bytes, never a fault. */
#include "chunk/columns.h"
#include "support/coder.h"
#include "support/guard.h"
#include "support/samples.h"
#include "support/unit.h"

enum { N = 70003, MAX_LEN = 4 * N + 8, N_DAMAGED = 300 };

/* Matrices of bf16 and fp32 after some bytes. Exponents lie about `middle`, and those of a column within one octave of
 * its own; with a spread of 0 all columns are alike. */
static const struct matrix {
    unsigned width, columns, middle, spread, head;
    bool positive;
} matrices[] = {{2, 128, 110, 5, 0, false}, {2, 300, 120, 9, 1, false}, {2, 100, 140, 7, 0, true},
                {4, 77, 100, 5, 3, false},  {4, 256, 80, 9, 0, true},   {2, 4096, 110, 9, 0, false},
                {4, 33, 125, 7, 0, false}};
enum { N_MATRICES = sizeof matrices / sizeof *matrices };

static uint32_t len_of(const struct matrix *m) {
    return m->head + N * m->width;
}

static struct zn_chunk_hint hint_of(const struct matrix *m, const struct zn_plan *plan) {
    return (struct zn_chunk_hint){.dtype = m->width == 2 ? ZIPNN_BF16 : ZIPNN_F32, .head = m->head, .plan = plan};
}

static void fill(const struct matrix *m, uint64_t seed, uint8_t *data) {
    zt_sample(ZT_RANDOM, 1, data, MAX_LEN);
    for (size_t i = 0; i < N; i++) {
        const unsigned column = (unsigned)(i % m->columns);
        unsigned exponent = m->middle + (m->spread ? column * 37 % m->spread : 0);
        for (uint64_t r = zt_random(&seed) >> 20; r & 1; r >>= 1) exponent--; /* half as often an octave lower */
        uint8_t *top = data + m->head + (i + 1) * m->width - 2;
        zn_put_u16(top, (uint16_t)((zn_get_u16(top) & (m->positive ? 0x7f : 0x807f)) | exponent << 7));
    }
}

/* A plan of the one tensor, so that the encoder knows its rows. */
static void make_plan(const struct matrix *m, struct zn_plan *plan) {
    const zipnn_allocator alloc = zn_allocator_or_default(NULL);
    const uint64_t dims[] = {N / m->columns, m->columns};
    zn_plan_init(plan, &alloc);
    assert_int_equal(
        zn_plan_add(plan, m->head, dims[0] * dims[1] * m->width, hint_of(m, NULL).dtype, "w", 1, dims, 2, NULL),
        ZIPNN_OK);
    assert_int_equal(zn_plan_finish(plan, NULL), ZIPNN_OK);
}

static uint32_t encode_at(int level, struct zn_coder *coder, const struct matrix *m, unsigned readers,
                          const uint8_t *data, uint8_t *body) {
    struct zn_effort effort = zn_effort_of(level);
    struct zn_plan plan;
    effort.readers = readers;
    make_plan(m, &plan);
    const uint32_t len =
        zn_chunk_encode(&(struct zn_encoder){coder, &effort, hint_of(m, &plan), data, len_of(m)}, body);
    zn_plan_free(&plan);
    return len;
}

static uint32_t encode(struct zn_coder *coder, const struct matrix *m, unsigned readers, const uint8_t *data,
                       uint8_t *body) {
    return encode_at(6, coder, m, readers, data, body);
}

static void matrices_come_back_and_take_less(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN)), *other = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body && other);
    for (unsigned i = 0; i < N_MATRICES; i++) {
        const struct matrix *m = &matrices[i];
        uint32_t first = 0;
        fill(m, i, data);
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
            const uint32_t len = encode(&coder, m, 101, data, set ? other : body);
            if (set == 0) first = len;
            assert_int_equal(len, first);
            if (set) assert_memory_equal(other, body, len);
            assert_int_equal(body[1], ZN_LAYOUT_COLUMNS);
            assert_int_equal(zn_get_u32(body + 9) % m->columns, 0);
            zt_coder_round_trip(&coder, 6, hint_of(m, NULL), data, len_of(m));
            zt_coder_free(&coder, memory);
        }
        struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
        const uint32_t old = encode(&coder, m, 100, data, other);
        assert_true(first + N / 16 < old);
        assert_int_not_equal(other[1], ZN_LAYOUT_COLUMNS);
        zt_coder_free(&coder, memory);
    }
    free(data);
    free(body);
    free(other);
}

static void matrices_without_columns_stay_what_they_are(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    for (unsigned i = 0; i < N_MATRICES; i++) {
        struct matrix m = matrices[i];
        m.spread = 0;
        fill(&m, i, data);
        encode(&coder, &m, 101, data, body);
        assert_int_not_equal(body[1], ZN_LAYOUT_COLUMNS);
    }
    zt_coder_free(&coder, memory);
    free(data);
    free(body);
}

/* Positive floats are unusual; at the default level, usual ones keep what decodes fastest. */
static void unusual_floats_have_columns_at_the_default_level(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    for (unsigned i = 0; i < N_MATRICES; i++) {
        const struct matrix *m = &matrices[i];
        fill(m, i, data);
        encode_at(3, &coder, m, 101, data, body);
        assert_int_equal(body[1] == ZN_LAYOUT_COLUMNS, m->positive);
        encode_at(1, &coder, m, 101, data, body);
        assert_int_not_equal(body[1], ZN_LAYOUT_COLUMNS);
    }
    zt_coder_free(&coder, memory);
    free(data);
    free(body);
}

/* The arithmetic of doc/format.md, for one column. */
static unsigned foretell(int mean) {
    return (unsigned)((mean + 64) / 128);
}

static void learn(int *mean, int symbol, unsigned slow) {
    const int off = 128 * symbol - *mean, t = off < -1024 ? -1024 : off > 1024 ? 1024 : off;
    *mean += (t + 1024) / (1 << slow) - 1024 / (1 << slow); /* the division is of a number that is not negative */
}

static void loops_do_the_documented_arithmetic(void **state) {
    (void)state;
    enum { LONGEST = 300, ROWS = 40 };
    struct guard in = guard_make(LONGEST), to = guard_make(LONGEST), of = guard_make(2 * LONGEST);
    uint64_t seed = 4;
    for (unsigned set = 0; zn_kernels_at(set); set++)
        for (unsigned i = 0; i < 100; i++) {
            const struct zn_joint_kernels *k = zn_kernels_at(set)->joint;
            const size_t n = 1 + (size_t)zt_random(&seed) % LONGEST;
            const unsigned slow = (unsigned)(zt_random(&seed) % (ZN_MEAN_SLOWEST + 1));
            const uint8_t start = (uint8_t)zt_random(&seed), about = (uint8_t)zt_random(&seed);
            uint8_t *symbols = guard_high(&in, n), *differences = guard_high(&to, n);
            uint16_t *mean = (void *)guard_high(&of, 2 * n), again[LONGEST];
            int expected[LONGEST];
            for (size_t c = 0; c < n; c++) {
                mean[c] = again[c] = zn_mean_of(start);
                expected[c] = 128 * start;
            }
            for (unsigned row = 0; row < ROWS; row++) {
                uint8_t original[LONGEST];
                uint64_t distances = 0;
                for (size_t c = 0; c < n; c++)
                    original[c] = symbols[c] = (uint8_t)(i % 3 ? about + zt_random(&seed) % 32 : zt_random(&seed));
                const uint64_t sum = k->take_means(mean, symbols, n, slow, differences);
                for (size_t c = 0; c < n; c++) {
                    const int off = 128 * original[c] - expected[c], far = off < 0 ? -off : off;
                    assert_int_equal(differences[c], (uint8_t)(original[c] - foretell(expected[c]) + 128));
                    distances += (uint64_t)(far > 1024 ? 1024 : far);
                    learn(&expected[c], original[c], slow);
                    assert_int_equal(mean[c], 1024 + expected[c]);
                }
                assert_int_equal(sum, distances);
                k->add_means(again, differences, n, slow);
                assert_memory_equal(differences, original, n);
                assert_memory_equal(again, mean, n * sizeof *mean);
            }
        }
    guard_free(&in);
    guard_free(&to);
    guard_free(&of);
}

/* Rows are learnt the more slowly the more there are, and pieces of any length give the same. */
static void pieces_give_the_same(void **state) {
    (void)state;
    enum { LEN = 5000, STRIDE = 70 };
    const struct zn_columns_head head = {.start = 90, .fast = 1, .slow = 5, .stride = STRIDE};
    uint8_t symbols[LEN], whole[LEN], parts[LEN];
    uint16_t mean[STRIDE];
    uint64_t seed = 2;
    for (size_t i = 0; i < LEN; i++) symbols[i] = (uint8_t)(80 + zt_random(&seed) % 20 + i % STRIDE);
    struct zn_columns columns = zn_columns_begin(&head, LEN, mean);
    zn_columns_take(&columns, zn_kernels_at(0)->joint, symbols, LEN, whole);
    for (unsigned times = 0; times < 20; times++) {
        memcpy(parts, whole, LEN);
        columns = zn_columns_begin(&head, LEN, mean);
        for (size_t at = 0, n; at < LEN; at += n) {
            const size_t piece = 1 + (size_t)zt_random(&seed) % 400;
            n = ZN_MIN(piece, LEN - at);
            zn_columns_add(&columns, zn_kernels_at(0)->joint, parts + at, n);
        }
        assert_memory_equal(parts, symbols, LEN);
    }
}

static void bases_are_added(void **state) {
    (void)state;
    enum { LONGEST = 200 };
    struct guard to = guard_make(4 * LONGEST);
    uint64_t seed = 6;
    for (unsigned set = 0; zn_kernels_at(set); set++)
        for (unsigned i = 0; i < 200; i++) {
            const size_t width = i % 2 ? 4 : 2, n = 1 + (size_t)zt_random(&seed) % LONGEST;
            const int more = (int)(zt_random(&seed) % 193) - 64;
            uint8_t *words = guard_high(&to, n * width), expected[4 * LONGEST];
            for (size_t b = 0; b < n * width; b++) words[b] = (uint8_t)zt_random(&seed);
            for (size_t w = 0; w < n; w++) {
                uint8_t *top = words + (w + 1) * width - 2;
                const unsigned exponent = zt_random(&seed) % 8 ? 65 + (unsigned)(zt_random(&seed) % 63) : 0;
                zn_put_u16(top, (uint16_t)((zn_get_u16(top) & 0x807f) | exponent << 7));
            }
            memcpy(expected, words, n * width);
            for (size_t w = 0; w < n; w++) {
                uint8_t *top = expected + (w + 1) * width - 2;
                const unsigned it = zn_get_u16(top), exponent = it >> 7 & 255;
                zn_put_u16(top, (uint16_t)((it & 0x807f) | (exponent ? (unsigned)((int)exponent + more) : 0) << 7));
            }
            zn_kernels_at(set)->joint->add_base(width, words, n, more);
            assert_memory_equal(words, expected, n * width);
        }
    guard_free(&to);
}

static void damage_is_no_fault(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body);
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    for (unsigned i = 0; i < N_MATRICES; i++) {
        uint64_t seed = i;
        fill(&matrices[i], i, data);
        const uint32_t len = encode(&coder, &matrices[i], 101, data, body);
        zt_coder_damage(&coder, body, len, len_of(&matrices[i]), N_DAMAGED, &seed);
    }
    zt_coder_free(&coder, memory);
    free(data);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_come_back_and_take_less),
        cmocka_unit_test(matrices_without_columns_stay_what_they_are),
        cmocka_unit_test(unusual_floats_have_columns_at_the_default_level),
        cmocka_unit_test(loops_do_the_documented_arithmetic),
        cmocka_unit_test(pieces_give_the_same),
        cmocka_unit_test(bases_are_added),
        cmocka_unit_test(damage_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
