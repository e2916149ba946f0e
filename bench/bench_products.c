/* Products over packed rows beside the same products over plain ones: bench_products MIB ROUNDS [GROUP].
 *
 * Contenders of a group take turns (rounds.h), each over a stretch that moves through weights far larger than the
 * caches; groups of two threads only when GROUP asks for them. `plain` are the library's loops over plain rows, `plain 2`
 * and `plain 3` two more, as other programs write them: what counts is the best of the three. In a group whose name ends
 * with `scarce N` memory is scarce (scarce.h): plain rows fetch 3 N lines of other memory for each two of their own, packed
 * ones in proportion. There the library's loops alone are compared.
 */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/matrices.h"
#include "kernels/kernels.h"
#include "rounds.h"
#include "scarce.h"
#include "zipnn/matrix.h"

enum { K = 4096, STRETCH = 32 << 20, ROW = 2 * K, SOME = 8, JUNK = 256 << 20, MAX_THREADS = 2, NEAR_ROWS = 48 };

typedef void plain_fn(const struct zn_product *p, size_t first, size_t n);

static struct {
    uint16_t *w;
    size_t n_rows, at;
    uint8_t *junk;
    float *x;
} all;

/* ---- other people's loops over plain rows ------------------------------------------------------------------------ */

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET_512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define TARGET_2 __attribute__((target("avx2,fma")))

__attribute__((always_inline)) TARGET_512 static inline __m512 add_512(__m512 sum, __m512i w, const uint8_t *x,
                                                                       const int pairs) {
    if (pairs) return _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)_mm512_loadu_si512((const void *)x));
    const __m512i odd = _mm512_and_si512(w, _mm512_set1_epi32((int)0xffff0000));
    sum = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(w, 16)), _mm512_loadu_ps((const void *)x), sum);
    return _mm512_fmadd_ps(_mm512_castsi512_ps(odd), _mm512_loadu_ps((const void *)(x + 64)), sum);
}

/* `nr` rows at once, by `nb` vectors at once. */
__attribute__((always_inline)) TARGET_512 static inline void rows_512(const struct zn_product *p, size_t first,
                                                                      size_t n, const unsigned nr, const unsigned nb,
                                                                      const int pairs, const int ahead) {
    const size_t size = pairs ? 64 : 128, all_vectors = p->n_vectors;
    for (size_t r = 0; r < n; r += nr) {
        for (size_t v = 0; v < all_vectors; v += nb) {
            __m512 sum[4][8][2];
            const uint8_t *w = p->rows->bytes + (first + r) * ROW, *x = (const uint8_t *)p->x + v * size;
            for (unsigned i = 0; i < nr; i++)
                for (unsigned b = 0; b < nb; b++) sum[i][b][0] = sum[i][b][1] = _mm512_setzero_ps();
            for (size_t k = 0; k < K; k += 64) {
                for (unsigned h = 0; h < 2; h++, x += all_vectors * size)
                    for (unsigned i = 0; i < nr; i++) {
                        const uint8_t *at = w + i * ROW + 2 * k + 64 * h;
                        const __m512i words = _mm512_loadu_si512((const void *)at);
                        if (ahead && v == 0) _mm_prefetch((const char *)at + ahead, _MM_HINT_T0);
                        for (unsigned b = 0; b < nb; b++)
                            sum[i][b][h] = add_512(sum[i][b][h], words, x + b * size, pairs);
                    }
            }
            for (unsigned i = 0; i < nr; i++)
                for (unsigned b = 0; b < nb; b++)
                    p->y[(v + b) * p->y_stride + r + i] =
                        _mm512_reduce_add_ps(sum[i][b][0]) + _mm512_reduce_add_ps(sum[i][b][1]);
        }
    }
}

#define ROWS_512(name, nr, nb, pairs, ahead)                                          \
    TARGET_512 static void name(const struct zn_product *p, size_t first, size_t n) { \
        rows_512(p, first, n, nr, nb, pairs, ahead);                                  \
    }
ROWS_512(pairs_1_2, 2, 1, 1, 0)
ROWS_512(pairs_1_3, 1, 1, 1, 4096)
ROWS_512(pairs_2_2, 2, 2, 1, 0)
ROWS_512(pairs_2_3, 2, 2, 1, 16384)
ROWS_512(pairs_4_2, 2, 4, 1, 0)
ROWS_512(pairs_4_3, 2, 4, 1, 16384)
ROWS_512(f32_1_2, 2, 1, 0, 0)
ROWS_512(f32_1_3, 1, 1, 0, 4096)
ROWS_512(f32_2_2, 2, 2, 0, 0)
ROWS_512(f32_2_3, 2, 2, 0, 16384)
ROWS_512(f32_4_2, 2, 4, 0, 0)
ROWS_512(f32_4_3, 2, 4, 0, 16384)

__attribute__((always_inline)) TARGET_2 static inline void rows_2(const struct zn_product *p, size_t first, size_t n,
                                                                  const unsigned nb, const int ahead) {
    const __m256i top = _mm256_set1_epi32((int)0xffff0000);
    for (size_t r = 0; r < n; r++) {
        for (size_t v = 0; v < p->n_vectors; v += nb) {
            __m256 sum[2][4];
            float lanes[2][2][16];
            const uint8_t *w = p->rows->bytes + (first + r) * ROW, *x = (const uint8_t *)p->x + v * 128;
            for (unsigned b = 0; b < nb; b++)
                for (unsigned i = 0; i < 4; i++) sum[b][i] = _mm256_setzero_ps();
            for (size_t k = 0; k < K; k += 64) {
                if (v == 0) _mm_prefetch((const char *)w + 2 * k + ahead, _MM_HINT_T0);
                if (v == 0) _mm_prefetch((const char *)w + 2 * k + 64 + ahead, _MM_HINT_T0);
                for (unsigned i = 0; i < 4; i++) {
                    const __m256i u = _mm256_loadu_si256((const void *)(w + 2 * k + 32 * i));
                    for (unsigned b = 0; b < nb; b++) {
                        const uint8_t *at = x + (2 * k / 64 + i / 2) * p->n_vectors * 128 + b * 128 + i % 2 * 32;
                        sum[b][i] = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(u, 16)),
                                                    _mm256_loadu_ps((const void *)at), sum[b][i]);
                        sum[b][i] = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(u, top)),
                                                    _mm256_loadu_ps((const void *)(at + 64)), sum[b][i]);
                    }
                }
            }
            for (unsigned b = 0; b < nb; b++) {
                for (unsigned i = 0; i < 4; i++) _mm256_storeu_ps(&lanes[b][i / 2][i % 2 * 8], sum[b][i]);
                for (unsigned h = 0; h < 2; h++)
                    for (unsigned half = 8; half > 0; half /= 2)
                        for (unsigned l = 0; l < half; l++) lanes[b][h][l] += lanes[b][h][l + half];
                p->y[(v + b) * p->y_stride + r] = lanes[b][0][0] + lanes[b][1][0];
            }
        }
    }
}
TARGET_2 static void avx2_1(const struct zn_product *p, size_t first, size_t n) {
    rows_2(p, first, n, 1, 4096);
}
TARGET_2 static void avx2_2(const struct zn_product *p, size_t first, size_t n) {
    rows_2(p, first, n, 2, 4096);
}

static plain_fn *const pairs_of[4][2] = {
    {pairs_1_2, pairs_1_3}, {pairs_2_2, pairs_2_3}, {pairs_4_2, pairs_4_3}, {pairs_4_2, pairs_4_3}};
static plain_fn *const f32_of[4][2] = {{f32_1_2, f32_1_3}, {f32_2_2, f32_2_3}, {f32_4_2, f32_4_3}, {f32_4_2, f32_4_3}};
static plain_fn *const avx2_of[4][2] = {{avx2_1, avx2_1}, {avx2_2, avx2_2}, {avx2_2, avx2_2}, {avx2_2, avx2_2}};
#endif

/* Returns two more loops for plain rows, or NULL. */
static plain_fn *const *others(const char *set, int sum, unsigned batch) {
#if defined(__x86_64__)
    const unsigned i = batch == 8 ? 3 : batch / 2;
    if (strncmp(set, "avx512", 6) == 0) return sum == ZIPNN_SUM_F32 ? f32_of[i] : pairs_of[i];
    if (strcmp(set, "avx2") == 0) return avx2_of[i];
#endif
    (void)set, (void)sum, (void)batch;
    return NULL;
}

/* Returns the library's loop that makes memory scarce, or NULL. */
static plain_fn *scarce_loop_of(const char *set, int sum) {
#if defined(__x86_64__)
    if (sum == ZIPNN_SUM_BF16_PAIRS) return scarce_pairs_avx512;
    if (strcmp(set, "avx2") == 0) return scarce_loops_avx2.multiply[sum];
#endif
    (void)set, (void)sum;
    return NULL;
}

/* ---- contenders -------------------------------------------------------------------------------------------------- */

struct job {
    plain_fn *plain;
    const zipnn_matrix *m;
    zipnn_ctx *ctx; /* STORED */
    const void *vectors;
    struct zn_product product;
    float *y;
    unsigned threads, scarce;
    unsigned four; /* 1: packed rows have codes of 4 bits */
    size_t near;   /* rows that are used again and again, 0: all */
};

struct part {
    const struct job *job;
    size_t first, n;
};

struct scarce scarce;

/* Sets what is fetched beside the next SOME rows. */
static void make_scarce(const struct job *j) {
    const struct zn_rows *rows = j->product.rows;
    const unsigned four = rows->packed ? rows->packing.code_bits == 4 : j->four;
    enum { MOST = SOME * K / 64 * 64 * 64 };
    if (scarce.at < all.junk || scarce.at > all.junk + JUNK - MOST) scarce.at = all.junk;
    scarce.plain = j->scarce * (four ? 4 : 3);
    scarce.packed = j->scarce * (four ? 3 : 2);
}

static void *work(void *arg) {
    struct part *part = arg;
    const struct job *j = part->job;
    const size_t some = j->scarce ? SOME : j->near ? j->near : part->n;
    zipnn_error err;
    for (size_t r = 0; r < part->n; r += some) {
        const size_t first = j->near ? 0 : part->first + r;
        float *y = j->y + part->first + r;
        struct zn_product p = j->product;
        p.y = y;
        if (j->scarce) make_scarce(j);
        if (j->plain)
            j->plain(&p, first, some);
        else
            must(zipnn_matrix_multiply(j->ctx, j->m, j->vectors, first, some, y, p.y_stride, &err), &err);
    }
    return NULL;
}

static void multiply(void *arg) {
    const struct job *j = arg;
    const size_t n = STRETCH / ROW * j->threads;
    if (all.at + n > all.n_rows) all.at = 0;
    struct part parts[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    for (unsigned t = 0; t < j->threads; t++) {
        parts[t] = (struct part){j, all.at + t * STRETCH / ROW, STRETCH / ROW};
        if (t && pthread_create(&threads[t], NULL, work, &parts[t]) != 0) die("no thread");
    }
    work(&parts[0]);
    for (unsigned t = 1; t < j->threads; t++) pthread_join(threads[t], NULL);
    all.at = (all.at + n) % all.n_rows;
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

struct setting {
    const char *set, *only;
    zipnn_matrix *fast, *stored;
    zipnn_ctx *ctx;
    const struct zn_product_loops *loops;
    unsigned rounds;
};

static void check(const float *a, const float *b, size_t n) {
    if (memcmp(a, b, n * sizeof *a) != 0) die("results differ");
}

static void group(const struct setting *s, int sum, unsigned batch, unsigned threads, unsigned scarce, size_t near) {
    char name[80];
    zipnn_error err;
    zipnn_matrix_info info;
    zipnn_matrix_get_info(s->fast, &info);
    snprintf(name, sizeof name, "%s %s x%u%s%s", s->set, sum == ZIPNN_SUM_F32 ? "f32" : "pairs", batch,
             threads > 1 ? " two threads" : "", near ? " in cache" : "");
    plain_fn *const scarce_loop = scarce ? scarce_loop_of(s->set, sum) : NULL;
    if (scarce && !scarce_loop) return;
    if (scarce) snprintf(name + strlen(name), sizeof name - strlen(name), " scarce %u", scarce);
    if (s->only ? !strstr(name, s->only) : threads > 1) return;
    void *vectors = aligned_alloc(64, zipnn_vectors_size(K, batch));
    float *y = room_alloc(all.n_rows * batch * sizeof *y);
    must(zipnn_vectors_pack((zipnn_sum)sum, ZIPNN_F32, all.x, K, K, batch, vectors, &err), &err);
    static struct zn_rows plain_rows;
    plain_rows = (struct zn_rows){.bytes = (const uint8_t *)all.w, .stride = ROW, .n_columns = K};
    const struct zn_product product = {.rows = &plain_rows,
                                       .x = (const uint8_t *)vectors + 64,
                                       .n_vectors = batch,
                                       .n_wanted = batch,
                                       .y_stride = all.n_rows};
    const struct job plain = {.product = product,
                              .y = y,
                              .threads = threads,
                              .scarce = scarce,
                              .four = s->fast->rows.packing.code_bits == 4,
                              .vectors = vectors,
                              .near = near};
    struct job jobs[5];
    struct contender c[5];
    size_t n = 0;
    plain_fn *const *more = scarce ? NULL : others(s->set, sum, batch);
    jobs[n] = plain;
    jobs[n].plain = scarce ? scarce_loop : s->loops->multiply[sum];
    c[n] = (struct contender){"plain", multiply, &jobs[n], NULL, NULL}, n++;
    for (unsigned i = 0; more && i < 2; i++) {
        jobs[n] = plain;
        jobs[n].plain = more[i];
        c[n] = (struct contender){i ? "plain 3" : "plain 2", multiply, &jobs[n], NULL, NULL}, n++;
    }
    jobs[n] = plain;
    jobs[n].m = s->fast;
    jobs[n].plain = scarce_loop;
    if (scarce) jobs[n].product.rows = &s->fast->rows;
    c[n] = (struct contender){"fast", multiply, &jobs[n], NULL, NULL}, n++;
    if (s->stored && threads == 1 && !near && !scarce) {
        jobs[n] = plain;
        jobs[n].m = s->stored;
        jobs[n].ctx = s->ctx;
        c[n] = (struct contender){"stored", multiply, &jobs[n], NULL, NULL}, n++;
    }
    float *right = malloc(256 * batch * sizeof *right);
    for (size_t i = 0; i < n; i++) { /* all of them give the same bits */
        struct job once = jobs[i];
        struct part part = {&once, 0, 256};
        once.near = 0;
        once.product.y_stride = 256;
        work(&part);
        if (i == 0) memcpy(right, y, 256 * batch * sizeof *y);
        check(y, right, 256 * batch);
    }
    free(right);
    rounds_run(name, (size_t)STRETCH * threads, s->rounds, 1, c, n);
    free(vectors);
    free(y);
}

static void pack_once(void *arg) {
    zipnn_matrix *m;
    zipnn_error err;
    must(zipnn_matrix_pack(arg, ZIPNN_BF16, all.w, (128 << 20) / ROW, K, &m, &err), &err);
    zipnn_matrix_close(m);
}

static void copy_once(void *arg) {
    memcpy(arg, all.w, 128 << 20);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * UINT64_C(0x2545F4914F6CDD1D);
}

/* Normal numbers, of which the rows differ in scale. */
static void make_weights(void) {
    enum { N = 65536 };
    static float normal[N];
    uint64_t s = 88172645463325252u;
    for (unsigned i = 0; i < N; i++) {
        const double a = ((double)(next_random(&s) >> 11) + 1) / 9007199254740993.0;
        normal[i] =
            (float)(sqrt(-2 * log(a)) * cos(6.283185307179586 * (double)(next_random(&s) >> 11) / 9007199254740992.0));
    }
    for (size_t r = 0; r < all.n_rows; r++) {
        const float scale = 0.02F * expf(0.3F * normal[next_random(&s) % N]);
        for (size_t k = 0; k < K; k += 4) {
            const uint64_t any = next_random(&s);
            for (unsigned i = 0; i < 4; i++) {
                const float f =
                    scale * normal[any >> 16 * i & (N - 1)] * (1 + (float)(any >> (8 + 8 * i) & 255) / 4096);
                uint32_t bits;
                memcpy(&bits, &f, sizeof bits);
                all.w[r * K + k + i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
            }
        }
    }
    for (size_t i = 0; i < 8 * K; i++) all.x[i] = normal[next_random(&s) % N];
}

/* The archive of the weights, in memory. */
static uint8_t *archive;
static zipnn_status read_archive(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    (void)user, (void)err;
    memcpy(buf, archive + off, len);
    return ZIPNN_OK;
}
static zipnn_status view_archive(void *user, uint64_t off, size_t len, const void **bytes, zipnn_error *err) {
    (void)user, (void)len, (void)err;
    *bytes = archive + off;
    return ZIPNN_OK;
}

static zipnn_matrix *store(zipnn_ctx *ctx) {
    char header[160];
    const size_t len = all.n_rows * ROW;
    const int n =
        snprintf(header, sizeof header, "{\"w\":{\"dtype\":\"BF16\",\"shape\":[%zu,%d],\"data_offsets\":[0,%zu]}}",
                 all.n_rows, K, len);
    const size_t whole = 8 + (size_t)n + len, cap = (size_t)zipnn_compress_bound(whole);
    uint8_t *file = room_alloc(whole);
    size_t got;
    zipnn_error err;
    zipnn_archive *a;
    zipnn_matrix *m;
    memset(file, 0, 8);
    for (unsigned i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)n >> 8 * i);
    memcpy(file + 8, header, (size_t)n);
    memcpy(file + 8 + n, all.w, len);
    archive = room_alloc(cap);
    must(zipnn_compress(ctx, file, whole, archive, cap, &got, &err), &err);
    free(file);
    const zipnn_source source = {.read_at = read_archive, .view = view_archive, .length = got};
    must(zipnn_archive_open(ctx, &source, &a, &err), &err);
    must(zipnn_matrix_open(ctx, a, 0, ZIPNN_MATRIX_STORED, &m, &err), &err);
    return m;
}

static void measure(zipnn_cpu cpu, const char *only, unsigned rounds) {
    const zipnn_options o = {.size = sizeof o, .threads = 1, .cpu = cpu, .verify = ZIPNN_VERIFY_OFF};
    struct setting s = {.rounds = rounds, .only = only};
    zipnn_error err;
    zipnn_matrix_info info;
    if (zipnn_create(&o, &s.ctx, &err) != ZIPNN_OK) return;
    s.set = zipnn_kernel_name(s.ctx);
    for (unsigned i = 0; zn_kernels_at(i); i++)
        if (strcmp(zn_kernels_at(i)->name, s.set) == 0) s.loops = zn_kernels_products(zn_kernels_at(i));
    must(zipnn_matrix_pack(s.ctx, ZIPNN_BF16, all.w, all.n_rows, K, &s.fast, &err), &err);
    zipnn_matrix_get_info(s.fast, &info);
    printf("{\"held\":\"%s\",\"share\":%.5f}\n", s.set, (double)info.held / (double)(all.n_rows * ROW));
    s.stored = store(s.ctx);
    for (int sum = info.has_bf16_pairs; sum >= 0; sum--) {
        for (unsigned batch = 1; batch <= 8; batch *= 2) {
            group(&s, sum, batch, 1, 0, 0);
            group(&s, sum, batch, 1, 0, NEAR_ROWS);
        }
        group(&s, sum, 1, 2, 0, 0);
        group(&s, sum, 2, 2, 0, 0);
        for (unsigned batch = 1; batch <= 8; batch *= 2) group(&s, sum, batch, 1, 2, 0);
        group(&s, sum, 1, 1, 1, 0);
        group(&s, sum, 1, 1, 4, 0);
    }
    char name[40];
    snprintf(name, sizeof name, "%s packing", s.set);
    const struct contender packing[] = {{"memcpy", copy_once, room_alloc(128 << 20), NULL, NULL},
                                        {"packing", pack_once, s.ctx, NULL, NULL}};
    if (!only || strstr(name, only)) rounds_run(name, 128 << 20, rounds, 1, packing, 2);
}

int main(int argc, char **argv) {
    const size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 256;
    const unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 11;
    all.n_rows = (mib << 20) / ROW;
    all.w = room_alloc(all.n_rows * ROW + (1 << 20));
    all.x = room_alloc(8 * K * sizeof *all.x);
    all.junk = room_alloc(JUNK + (1 << 20));
    if (mib < 128 || !all.w || !all.x) die("usage: bench_products MIB (128 or more) ROUNDS [PART OF A GROUP'S NAME]");
    make_weights();
    const zipnn_cpu cpus[] = {ZIPNN_CPU_AVX512, ZIPNN_CPU_AVX2, ZIPNN_CPU_NEON};
    for (unsigned i = 0; i < sizeof cpus / sizeof *cpus; i++) measure(cpus[i], argc > 3 ? argv[3] : NULL, rounds);
    return 0;
}
