/* Products: every instruction set's loops give the bits of a plain loop that is written here, from plain rows and from
 * packed ones, for any split of the rows and any number of vectors; rows come back; hostile archives are errors. */
#include <math.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "kernels/kernels.h"
#include "support/guard.h"
#include "support/heap.h"
#include "support/samples.h"
#include "support/unit.h"
#include "zipnn/matrix.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- what is right ----------------------------------------------------------------------------------------------- */

static float float_of(uint16_t word) {
    const uint32_t bits = (uint32_t)word << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Adds up by halves, as matrix.h says. */
static float total(float sum[2][16]) {
    for (unsigned k = 0; k < 2; k++)
        for (unsigned half = 8; half > 0; half /= 2)
            for (unsigned l = 0; l < half; l++) sum[k][l] += sum[k][l + half];
    return sum[0][0] + sum[1][0];
}

static float dot_f32(const uint8_t *words, const float *x, size_t n) {
    float sum[2][16] = {{0}};
    for (size_t i = 0; i < (n + 63) / 64 * 64; i++) {
        float *lane = &sum[i / 32 % 2][i % 32 / 2];
        *lane = i < n ? fmaf(float_of(zn_get_u16(words + 2 * i)), x[i], *lane) : *lane + 0.0F;
    }
    return total(sum);
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bf16"))) static float dot_pairs(const uint8_t *words, const float *x, size_t n) {
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t i = 0; i < (n + 63) / 64 * 64; i += 32) {
        uint16_t w[32], v[32];
        for (size_t k = 0; k < 32; k++) {
            uint32_t bits = 0;
            w[k] = i + k < n ? zn_get_u16(words + 2 * (i + k)) : 0;
            if (i + k < n) memcpy(&bits, &x[i + k], sizeof bits);
            const int is_nan = (bits & 0x7fffffff) > 0x7f800000;
            v[k] = (uint16_t)(is_nan ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
        }
        sum[i / 32 % 2] = _mm512_dpbf16_ps(sum[i / 32 % 2], (__m512bh)_mm512_loadu_si512((const void *)w),
                                           (__m512bh)_mm512_loadu_si512((const void *)v));
    }
    float lanes[2][16];
    for (unsigned k = 0; k < 2; k++) _mm512_storeu_ps(lanes[k], sum[k]);
    return total(lanes);
}
#else
#define dot_pairs dot_f32 /* no such sum is ever asked for */
#endif

static bool is_same(float a, float b) {
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

enum kind { USUAL, WILD, WIDE, ZEROS, N_KINDS };

/* Weights of one scale a row; any words; weights of all scales; zeros of both signs. */
static void fill(enum kind kind, uint64_t seed, uint8_t *words, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++) {
        const unsigned scale = 110 + (unsigned)(zt_random(&seed) % 12);
        for (size_t c = 0; c < columns; c++) {
            const uint64_t any = zt_random(&seed);
            unsigned below = 0;
            while (below < 40 && (any >> below & 1)) below++;
            uint16_t w = (uint16_t)((scale - below) << 7 | (any >> 40 & 0x7f) | (any >> 48 & 0x8000));
            if (kind == WILD) w = (uint16_t)(any >> 40);
            if (kind == WIDE) w = (uint16_t)((any >> 48 & 0x80ff) | (100 + any % 50) << 7);
            if (kind == ZEROS) w = (uint16_t)(any & 0x8000);
            zn_put_u16(words + 2 * (r * columns + c), w);
        }
    }
}

static void fill_vectors(uint64_t seed, float *x, size_t n, bool odd) {
    for (size_t i = 0; i < n; i++) {
        const uint64_t any = zt_random(&seed);
        uint32_t bits = (uint32_t)(any & 0x807fffff) | (uint32_t)(115 + any % 23) << 23;
        if (odd && (any >> 32) % 13 == 0) bits = (uint32_t)(any >> 20);
        memcpy(&x[i], &bits, sizeof bits);
    }
}

/* Memory that is aligned as vectors must be. */
static void *aligned(size_t size) {
    void *p = aligned_alloc(64, (size + 63) / 64 * 64);
    assert_non_null(p);
    return p;
}

static const zipnn_cpu cpus[] = {ZIPNN_CPU_BEST, ZIPNN_CPU_AVX512, ZIPNN_CPU_AVX2, ZIPNN_CPU_NEON, ZIPNN_CPU_SCALAR};
enum { N_CPUS = sizeof cpus / sizeof *cpus };

/* Returns a context of that instruction set, NULL if the machine has none. */
static zipnn_ctx *context(zipnn_cpu cpu, unsigned threads) {
    const zipnn_options o = {.size = sizeof o, .threads = threads, .cpu = cpu};
    zipnn_ctx *ctx = NULL;
    return zipnn_create(&o, &ctx, NULL) == ZIPNN_OK ? ctx : NULL;
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* Multiplies in a few runs of rows, and compares. */
static void check_products(zipnn_ctx *ctx, const zipnn_matrix *m, zipnn_sum sum, const uint8_t *words, const float *x,
                           size_t rows, size_t columns, unsigned n, uint64_t seed) {
    void *vectors = aligned(zipnn_vectors_size(columns, n));
    const size_t stride = rows + 3;
    float *y = malloc(ZIPNN_MAX_VECTORS * stride * sizeof *y);
    assert_non_null(y);
    for (size_t i = 0; i < ZIPNN_MAX_VECTORS * stride; i++) y[i] = -77;
    assert_int_equal(zipnn_vectors_pack(sum, ZIPNN_F32, x, columns, columns, n, vectors, NULL), ZIPNN_OK);
    for (size_t r = 0, some; r < rows; r += some) {
        some = 1 + (size_t)(zt_random(&seed) % (rows + 1));
        some = ZN_MIN(rows - r, some);
        assert_int_equal(zipnn_matrix_multiply(ctx, m, vectors, r, some, y + r, stride, NULL), ZIPNN_OK);
    }
    for (unsigned v = 0; v < n; v++) {
        for (size_t r = 0; r < rows; r++) {
            const uint8_t *row = words + 2 * r * columns;
            const float *one = x + v * columns;
            assert_true(is_same(y[v * stride + r],
                                sum == ZIPNN_SUM_F32 ? dot_f32(row, one, columns) : dot_pairs(row, one, columns)));
        }
        for (size_t r = rows; r < stride; r++) assert_true(y[v * stride + r] == -77);
    }
    for (size_t i = n * stride; i < ZIPNN_MAX_VECTORS * stride; i++) assert_true(y[i] == -77);
    free(y);
    free(vectors);
}

/* Rows come back, alone and in tiles. */
struct taker {
    const uint8_t *words;
    size_t row;
    uint64_t next;
};

static zipnn_status take(void *user, uint64_t first, uint64_t n, const void *rows, zipnn_error *err) {
    struct taker *t = user;
    (void)err;
    assert_true(first == t->next && n > 0);
    assert_memory_equal(rows, t->words + first * t->row, (size_t)n * t->row);
    t->next += n;
    return ZIPNN_OK;
}

static void check_rows(zipnn_ctx *ctx, const zipnn_matrix *m, const uint8_t *words, size_t rows, size_t columns) {
    const size_t row = 2 * columns;
    for (size_t r = 0; r < rows; r++) {
        struct guard g = guard_make(row);
        uint8_t *back = guard_high(&g, row);
        assert_int_equal(zipnn_matrix_read(ctx, m, r, 1, back, row, NULL), ZIPNN_OK);
        assert_memory_equal(back, words + r * row, row);
        assert_int_equal(zipnn_matrix_read(ctx, m, r, 1, back, row - 1, NULL), ZIPNN_E_SPACE);
        guard_free(&g);
    }
    struct guard g = guard_make(3 * row + 1);
    struct taker taker = {words, row, 0};
    const zipnn_tiles tiles = {guard_high(&g, 3 * row + 1), 3 * row + 1, take, &taker};
    assert_int_equal(zipnn_matrix_tiles(ctx, m, 0, rows, &tiles, NULL), ZIPNN_OK);
    assert_true(taker.next == rows);
    const zipnn_tiles small = {tiles.buffer, row - 1, take, &taker};
    assert_int_equal(zipnn_matrix_tiles(ctx, m, 0, rows, &small, NULL), ZIPNN_E_SPACE);
    assert_int_equal(zipnn_matrix_tiles(ctx, m, rows, 1, &tiles, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_matrix_read(ctx, m, 0, rows + 1, tiles.buffer, SIZE_MAX, NULL), ZIPNN_E_NOT_FOUND);
    guard_free(&g);
}

/* Columns below, at and above what vectors and kernels take at once. */
static const struct {
    size_t rows, columns;
} sizes[] = {{5, 1}, {3, 63}, {7, 64}, {4, 65}, {11, 500}, {9, 512}, {17, 1111}, {10, 2500}, {3, 9000}};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static void products_have_the_bits_of_a_plain_loop(void **state) {
    (void)state;
    for (unsigned i = 0; i < N_SIZES * N_KINDS; i++) {
        const size_t rows = sizes[i / N_KINDS].rows, columns = sizes[i / N_KINDS].columns;
        uint8_t *words = malloc(2 * rows * columns);
        float *x = malloc(ZIPNN_MAX_VECTORS * columns * sizeof *x);
        assert_true(words && x);
        fill((enum kind)(i % N_KINDS), i + 1, words, rows, columns);
        fill_vectors(i, x, ZIPNN_MAX_VECTORS * columns, i % 5 == 2);
        for (unsigned c = 0; c < N_CPUS; c++) {
            zipnn_ctx *ctx = context(cpus[c], 1 + c % 3);
            zipnn_matrix *m;
            zipnn_matrix_info info;
            if (!ctx) continue;
            assert_int_equal(zipnn_matrix_pack(ctx, ZIPNN_BF16, words, rows, columns, &m, NULL), ZIPNN_OK);
            zipnn_destroy(ctx);
            zipnn_matrix_get_info(m, &info);
            for (unsigned n = 1; n <= ZIPNN_MAX_VECTORS; n++)
                for (int sum = 0; sum <= info.has_bf16_pairs; sum++)
                    check_products(NULL, m, (zipnn_sum)sum, words, x, rows, columns, n, i + n);
            check_rows(NULL, m, words, rows, columns);
            zipnn_matrix_close(m);
        }
        free(words);
        free(x);
    }
}

static void usual_weights_take_less(void **state) {
    (void)state;
    enum { ROWS = 300, COLUMNS = 1024 };
    uint8_t *words = malloc(2 * ROWS * COLUMNS);
    assert_non_null(words);
    for (unsigned kind = 0; kind < N_KINDS; kind++) {
        fill((enum kind)kind, 3, words, ROWS, COLUMNS);
        for (unsigned c = 0; c < N_CPUS; c++) {
            struct zt_heap heap = {0};
            const zipnn_options o = {.size = sizeof o, .threads = 2, .cpu = cpus[c], .allocator = zt_heap_hooks(&heap)};
            zipnn_ctx *ctx;
            zipnn_matrix *m;
            zipnn_matrix_info info;
            if (zipnn_create(&o, &ctx, NULL) != ZIPNN_OK) continue;
            assert_int_equal(zipnn_matrix_pack(ctx, ZIPNN_BF16, words, ROWS, COLUMNS, &m, NULL), ZIPNN_OK);
            zipnn_matrix_get_info(m, &info);
            assert_true(info.n_rows == ROWS && info.n_columns == COLUMNS && info.dtype == ZIPNN_BF16);
            assert_true(info.form == ZIPNN_MATRIX_FAST);
            const size_t plain = 2 * ROWS * COLUMNS, few = plain / 100 * (kind == WILD || kind == WIDE ? 102 : 77);
            assert_true(info.held < few);
            zipnn_destroy(ctx);
            assert_true(heap.now >= info.held && heap.now < info.held + 4096);
            zipnn_matrix_close(m);
            assert_int_equal(heap.now, 0);
        }
    }
    free(words);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

/* Every set's packing is that of the twin in plain C, byte by byte, and writes nothing behind it. */
static void packing_is_that_of_the_twin(void **state) {
    (void)state;
    enum { MAX = 1500 };
    uint8_t words[2 * MAX], row[4 * MAX], twin[4 * MAX], escapes[MAX], others[MAX];
    for (unsigned i = 0; i < 200; i++) {
        uint64_t seed = i;
        const size_t n = 1 + (size_t)(zt_random(&seed) % MAX);
        fill((enum kind)(i % N_KINDS), i, words, 1, n);
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            const struct zn_product_loops *loops = zn_kernels_products(zn_kernels_at(set));
            const uint8_t start = (uint8_t)(i % 3 ? 120 : zt_random(&seed) % 255);
            memset(row, 0xee, sizeof row);
            memset(escapes, 0xee, sizeof escapes);
            memcpy(twin, row, sizeof row);
            memcpy(others, escapes, sizeof escapes);
            const size_t got = loops->pack(words, n, start, row, escapes);
            assert_int_equal(got, zn_pack_scalar(loops->packing, words, n, start, twin, others));
            assert_memory_equal(row, twin, sizeof row);
            assert_memory_equal(escapes, others, sizeof escapes);
        }
    }
}

/* ---- archives ---------------------------------------------------------------------------------------------------- */

struct file {
    uint8_t *bytes, *archive;
    size_t len, header, archive_len;
};

static zipnn_status read_file(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    const struct file *f = user;
    (void)err;
    memcpy(buf, f->archive + off, len);
    return ZIPNN_OK;
}

static zipnn_archive *open_file(zipnn_ctx *ctx, struct file *f) {
    const zipnn_source source = {.read_at = read_file, .length = f->archive_len, .user = f};
    zipnn_archive *a = NULL;
    return zipnn_archive_open(ctx, &source, &a, NULL) == ZIPNN_OK ? a : NULL;
}

/* A safetensors file of one matrix after a few other numbers, so that rows straddle chunks. */
static struct file make_file(zipnn_ctx *ctx, size_t rows, size_t columns) {
    struct file f;
    char header[256];
    const size_t len = 2 * rows * columns;
    const int n = snprintf(header, sizeof header,
                           "{\"a\":{\"dtype\":\"BF16\",\"shape\":[9,3],\"data_offsets\":[0,54]},\"w\":{\"dtype\":"
                           "\"BF16\",\"shape\":[%zu,%zu],\"data_offsets\":[54,%zu]}}",
                           rows, columns, 54 + len);
    f.header = 8 + (size_t)n + 54;
    f.len = f.header + len;
    f.bytes = calloc(1, f.len);
    const size_t bound = (size_t)zipnn_compress_bound(f.len);
    f.archive = malloc(bound);
    assert_true(f.bytes && f.archive);
    zn_put_u64(f.bytes, (uint64_t)n);
    memcpy(f.bytes + 8, header, (size_t)n);
    fill(USUAL, 1, f.bytes + f.header, rows, columns);
    assert_int_equal(zipnn_compress(ctx, f.bytes, f.len, f.archive, bound, &f.archive_len, NULL), ZIPNN_OK);
    return f;
}

static void archives_are_multiplied(void **state) {
    (void)state;
    enum { ROWS = 300, COLUMNS = 1500 };
    zipnn_ctx *ctx = context(ZIPNN_CPU_BEST, 3);
    struct file f = make_file(ctx, ROWS, COLUMNS);
    float *x = malloc(ZIPNN_MAX_VECTORS * COLUMNS * sizeof *x);
    assert_non_null(x);
    fill_vectors(9, x, ZIPNN_MAX_VECTORS * COLUMNS, false);
    for (unsigned i = 0; i < 2 * N_CPUS; i++) {
        zipnn_ctx *other = context(cpus[i / 2], 2);
        if (!other) continue;
        zipnn_archive *a = open_file(other, &f);
        zipnn_matrix *m;
        assert_non_null(a);
        assert_int_equal(zipnn_matrix_open(other, a, 1, (zipnn_matrix_form)(i % 2), &m, NULL), ZIPNN_OK);
        if (i % 2) zipnn_archive_close(a);
        for (unsigned n = 1; n <= ZIPNN_MAX_VECTORS; n += 3)
            check_products(other, m, ZIPNN_SUM_F32, f.bytes + f.header, x, ROWS, COLUMNS, n, i);
        check_rows(other, m, f.bytes + f.header, ROWS, COLUMNS);
        zipnn_matrix_close(m);
        if (i % 2 == 0) zipnn_archive_close(a);
        zipnn_destroy(other);
    }
    zipnn_destroy(ctx);
    free(x);
    free(f.bytes);
    free(f.archive);
}

/* Any byte of an archive is damaged: right results, or an error, and no result of a damaged row. */
static void hostile_archives_are_errors(void **state) {
    (void)state;
    enum { ROWS = 600, COLUMNS = 900 }; /* large enough for chunks that the header is not in */
    zipnn_ctx *ctx = context(ZIPNN_CPU_BEST, 2);
    struct file f = make_file(ctx, ROWS, COLUMNS);
    float x[COLUMNS], y[ROWS], right[ROWS];
    void *vectors = aligned(zipnn_vectors_size(COLUMNS, 1));
    uint64_t random = 4;
    unsigned failures = 0;
    fill_vectors(9, x, COLUMNS, false);
    assert_int_equal(zipnn_vectors_pack(ZIPNN_SUM_F32, ZIPNN_F32, x, 0, COLUMNS, 1, vectors, NULL), ZIPNN_OK);
    for (size_t r = 0; r < ROWS; r++) right[r] = dot_f32(f.bytes + f.header + 2 * r * COLUMNS, x, COLUMNS);
    for (unsigned i = 0; i < 60; i++) {
        const size_t at = (size_t)(zt_random(&random) % f.archive_len);
        const uint8_t mask = (uint8_t)(1 + zt_random(&random) % 255);
        f.archive[at] ^= mask;
        zipnn_archive *a = open_file(ctx, &f);
        zipnn_tensor_info t;
        for (uint64_t k = 0; a && zipnn_archive_tensor(a, k, &t, NULL) == ZIPNN_OK; k++) {
            zipnn_matrix *m = NULL;
            if (zipnn_matrix_open(ctx, a, k, (zipnn_matrix_form)(i % 2), &m, NULL) != ZIPNN_OK) {
                failures++;
                continue;
            }
            zipnn_matrix_info info;
            zipnn_matrix_get_info(m, &info);
            const bool same = info.n_columns == COLUMNS && info.n_rows == ROWS;
            if (same && zipnn_matrix_multiply(ctx, m, vectors, 0, ROWS, y, 0, NULL) == ZIPNN_OK)
                for (size_t r = 0; r < ROWS; r++) assert_true(is_same(y[r], right[r]));
            else
                failures++;
            zipnn_matrix_close(m);
        }
        failures += a == NULL;
        zipnn_archive_close(a);
        f.archive[at] ^= mask;
    }
    assert_in_range(failures, 30, 120);
    free(vectors);
    zipnn_destroy(ctx);
    free(f.bytes);
    free(f.archive);
}

static void wrong_arguments_are_errors(void **state) {
    (void)state;
    enum { ROWS = 4, COLUMNS = 70 };
    zipnn_ctx *ctx = context(ZIPNN_CPU_BEST, 1);
    struct file f = make_file(ctx, ROWS, COLUMNS);
    zipnn_archive *a = open_file(ctx, &f);
    zipnn_matrix *m = NULL, *other = NULL;
    float x[COLUMNS + 1] = {0}, y[ROWS] = {0};
    uint8_t *memory = aligned(zipnn_vectors_size(COLUMNS + 1, 8) + 64);
    assert_int_equal(zipnn_matrix_open(ctx, a, 2, ZIPNN_MATRIX_FAST, &m, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_matrix_open(ctx, a, 1, (zipnn_matrix_form)2, &m, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_matrix_open(NULL, a, 1, ZIPNN_MATRIX_FAST, &m, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_matrix_pack(ctx, ZIPNN_F16, x, 1, 1, &m, NULL), ZIPNN_E_UNSUPPORTED);
    assert_int_equal(zipnn_matrix_pack(ctx, ZIPNN_BF16, NULL, 1, 1, &m, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_matrix_pack(ctx, ZIPNN_BF16, x, UINT64_MAX / 2, 4, &m, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_matrix_open(ctx, a, 1, ZIPNN_MATRIX_FAST, &m, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_matrix_open(ctx, a, 1, ZIPNN_MATRIX_STORED, &other, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_matrix_multiply(ctx, m, memory, 0, ROWS, y, 0, NULL), ZIPNN_E_ARGUMENT);
    assert_true(zipnn_vectors_size(COLUMNS, 0) == SIZE_MAX && zipnn_vectors_size(COLUMNS, 9) == SIZE_MAX);
    assert_true(zipnn_vectors_size(UINT64_MAX, 1) == SIZE_MAX && zipnn_vectors_size(UINT64_MAX / 4, 8) == SIZE_MAX);
    assert_int_equal(zipnn_vectors_pack(ZIPNN_SUM_F32, ZIPNN_F16, x, 0, COLUMNS, 1, memory, NULL), ZIPNN_E_UNSUPPORTED);
    assert_int_equal(zipnn_vectors_pack(ZIPNN_SUM_F32, ZIPNN_F32, x, 0, COLUMNS, 9, memory, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_vectors_pack(ZIPNN_SUM_F32, ZIPNN_F32, x, 0, COLUMNS, 1, memory + 4, NULL),
                     ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_vectors_pack(ZIPNN_SUM_F32, ZIPNN_F32, x, 0, COLUMNS + 1, 1, memory, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_matrix_multiply(ctx, m, memory, 0, ROWS, y, 0, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_vectors_pack(ZIPNN_SUM_F32, ZIPNN_F32, x, 0, COLUMNS, 1, memory, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_matrix_multiply(ctx, m, memory, ROWS, 1, y, 0, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_matrix_multiply(ctx, m, memory, 1, UINT64_MAX, y, 0, NULL), ZIPNN_E_NOT_FOUND);
    assert_int_equal(zipnn_matrix_multiply(ctx, m, memory, ROWS, 0, NULL, 0, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_matrix_multiply(NULL, other, memory, 0, ROWS, y, 0, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_matrix_multiply(ctx, NULL, memory, 0, 1, y, 0, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_matrix_multiply(ctx, m, NULL, 0, 1, y, 0, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_matrix_multiply(ctx, m, memory, 0, 1, NULL, 0, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_matrix_read(ctx, m, 0, 1, NULL, SIZE_MAX, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_matrix_tiles(ctx, m, 0, 1, NULL, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_vectors_pack(ZIPNN_SUM_F32, ZIPNN_F32, NULL, 0, 1, 1, memory, NULL), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_vectors_pack(ZIPNN_SUM_F32, ZIPNN_F32, x, 0, 1, 1, NULL, NULL), ZIPNN_E_ARGUMENT);
    zipnn_matrix_close(m);
    zipnn_matrix_close(other);
    zipnn_matrix_close(NULL);
    zipnn_archive_close(a);
    zipnn_destroy(ctx);
    free(memory);
    free(f.bytes);
    free(f.archive);
}

/* No rows, no columns, neither. */
static void nothing_is_multiplied(void **state) {
    (void)state;
    zipnn_ctx *ctx = context(ZIPNN_CPU_BEST, 1);
    void *memory = aligned(zipnn_vectors_size(100, 8));
    const float x[100] = {0};
    for (unsigned i = 0; i < 3; i++) {
        const size_t rows = i == 1 ? 7 : 0, columns = i == 2 ? 100 : 0;
        float y[7] = {1, 1, 1, 1, 1, 1, 1};
        zipnn_matrix *m;
        assert_int_equal(zipnn_matrix_pack(ctx, ZIPNN_BF16, NULL, rows, columns, &m, NULL), ZIPNN_OK);
        assert_int_equal(zipnn_vectors_pack(ZIPNN_SUM_F32, ZIPNN_F32, x, 0, columns, 1, memory, NULL), ZIPNN_OK);
        assert_int_equal(zipnn_matrix_multiply(NULL, m, memory, 0, rows, y, 0, NULL), ZIPNN_OK);
        for (size_t r = 0; r < rows; r++) assert_true(y[r] == 0);
        assert_int_equal(zipnn_matrix_read(NULL, m, 0, rows, NULL, 0, NULL), ZIPNN_OK);
        zipnn_matrix_close(m);
    }
    free(memory);
    zipnn_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_have_the_bits_of_a_plain_loop),
        cmocka_unit_test(usual_weights_take_less),
        cmocka_unit_test(packing_is_that_of_the_twin),
        cmocka_unit_test(archives_are_multiplied),
        cmocka_unit_test(hostile_archives_are_errors),
        cmocka_unit_test(wrong_arguments_are_errors),
        cmocka_unit_test(nothing_is_multiplied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
