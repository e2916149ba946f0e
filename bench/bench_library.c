/* bench_library CASE MODEL [ROUNDS]: the library in memory, through its public header only. JSON lines, see rounds.h.
 *
 *   best      MODEL, one thread, the best instruction set: both levels, verified or not
 *   fp32      the same on fp32 numbers: those of MODEL (bf16) with random bits below
 *   fp16      the same on fp16 numbers
 *   avx2      MODEL, one thread, AVX2
 *   scalar    an eighth of MODEL, one thread, no vector instructions
 *   threads   MODEL, with 1, 2, 4 ... threads as far as there are processors, and copies by as many
 *   chunk     512 KiB in the cache, again and again
 *   small     2 KiB, again and again
 *   sizes     4 KiB to 256 MiB
 *   tensors   10 000 tensors of 4 KiB in one safetensors file
 *
 * Memory has been touched before and is used again: no page fault is timed.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rounds.h"

enum { MAX_THREADS = 64, CHUNK = 512 << 10, SMALL = 2 << 10, N_TENSORS = 10000, TENSOR = 4 << 10 };

struct model {
    uint8_t *data;
    size_t len;
    zipnn_dtype dtype; /* type for data that no reader recognises */
    unsigned n_rounds;
};

/* ---- contenders -------------------------------------------------------------------------------------------------- */

struct job {
    zipnn_ctx *ctx;
    uint8_t *original, *archive, *restored;
    size_t len, cap, archive_len;
    unsigned n_threads; /* threads of a copy */
};

static void run_encode(void *arg) {
    struct job *j = arg;
    zipnn_error err;
    must(zipnn_compress(j->ctx, j->original, j->len, j->archive, j->cap, &j->archive_len, &err), &err);
}

static void run_decode(void *arg) {
    struct job *j = arg;
    zipnn_error err;
    size_t len;
    must(zipnn_decompress(j->ctx, j->archive, j->archive_len, j->restored, j->len, &len, &err), &err);
}

static void run_memcpy(void *arg) {
    struct job *j = arg;
    memcpy(j->restored, j->original, j->len);
}

struct piece {
    void *to;
    const void *from;
    size_t len;
};

static void *copy_piece(void *arg) {
    struct piece *p = arg;
    memcpy(p->to, p->from, p->len);
    return NULL;
}

/* Copies with n threads, including the caller. */
static void run_copy(void *arg) {
    struct job *j = arg;
    struct piece pieces[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    size_t each = j->len / j->n_threads;
    for (unsigned i = 0; i < j->n_threads; i++) {
        pieces[i] = (struct piece){j->restored + i * each, j->original + i * each, each};
        if (i + 1 == j->n_threads) pieces[i].len = j->len - i * each;
        if (i > 0 && pthread_create(&threads[i], NULL, copy_piece, &pieces[i]) != 0) die("no thread");
    }
    copy_piece(&pieces[0]);
    for (unsigned i = 1; i < j->n_threads; i++) pthread_join(threads[i], NULL);
}

/* Checks that decoding returns the original, since the figures mean nothing otherwise. Sets job->archive_len. */
static void check(struct job *j) {
    run_encode(j);
    memset(j->restored, 0, j->len);
    run_decode(j);
    if (memcmp(j->original, j->restored, j->len) != 0) die("restoring gave other bytes");
}

static struct job job_of(const struct model *m, zipnn_ctx *ctx) {
    struct job j = {.ctx = ctx, .original = m->data, .len = m->len, .n_threads = 1};
    j.cap = (size_t)zipnn_compress_bound(m->len);
    j.archive = room_alloc(j.cap);
    j.restored = room_alloc(m->len);
    return j;
}

static void job_free(struct job *j) {
    zipnn_destroy(j->ctx);
    free(j->archive);
    free(j->restored);
}

static void print_size(const char *group, const struct job *j, int level) {
    printf("{\"group\":\"%s\",\"kernel\":\"%s\",\"level\":%d,\"original\":%zu,\"archive\":%zu}\n", group,
           zipnn_kernel_name(j->ctx), level, j->len, j->archive_len);
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

/* Measures both levels, with and without verification, and decoding, for one instruction set and one thread. */
static void bench_set(const struct model *m, const char *group, zipnn_cpu cpu) {
    struct job fast = job_of(m, context_of(ZIPNN_LEVEL_FAST, 1, ZIPNN_VERIFY_OFF, m->dtype, cpu)), fast_verified = fast;
    struct job normal = fast, normal_verified;
    normal.ctx = context_of(ZIPNN_LEVEL_DEFAULT, 1, ZIPNN_VERIFY_OFF, m->dtype, cpu);
    normal.archive = room_alloc(normal.cap);
    normal_verified = normal;
    fast_verified.ctx = context_of(ZIPNN_LEVEL_FAST, 1, ZIPNN_VERIFY_DEFAULT, m->dtype, cpu);
    normal_verified.ctx = context_of(ZIPNN_LEVEL_DEFAULT, 1, ZIPNN_VERIFY_DEFAULT, m->dtype, cpu);
    check(&fast);
    check(&normal);
    print_size(group, &fast, 1);
    print_size(group, &normal, 3);
    const struct contender contenders[] = {
        {.name = "memcpy", .run = run_memcpy, .arg = &normal},
        {.name = "decode", .run = run_decode, .arg = &normal},
        {.name = "decode fast", .run = run_decode, .arg = &fast},
        {.name = "encode", .run = run_encode, .arg = &normal},
        {.name = "encode fast", .run = run_encode, .arg = &fast},
        {.name = "encode verified", .run = run_encode, .arg = &normal_verified},
        {.name = "encode fast verified", .run = run_encode, .arg = &fast_verified},
    };
    rounds_run(group, m->len, m->n_rounds, 1, contenders, sizeof contenders / sizeof *contenders);
    zipnn_destroy(fast.ctx);
    zipnn_destroy(fast_verified.ctx);
    zipnn_destroy(normal_verified.ctx);
    free(fast.archive);
    job_free(&normal);
}

static void bench_best(const struct model *m) {
    bench_set(m, "best", ZIPNN_CPU_BEST);
}

static void bench_avx2(const struct model *m) {
    bench_set(m, "avx2", ZIPNN_CPU_AVX2);
}

/* Returns where the len bytes in the middle of the model begin, at a whole element. */
static uint8_t *middle(const struct model *m, size_t len) {
    return m->data + (m->len / 2 - len / 2) / 4096 * 4096;
}

static void bench_scalar(const struct model *m) {
    struct model part = *m;
    part.data = middle(m, m->len / 8);
    part.len = m->len / 8;
    part.dtype = ZIPNN_BF16;
    bench_set(&part, "scalar", ZIPNN_CPU_SCALAR);
}

/* Measures the bf16 numbers of m as fp32, with random bits below, as if m were their truncation. */
static void bench_fp32(const struct model *m) {
    struct model wide = *m;
    size_t n = m->len / 4;
    wide.len = 4 * n;
    wide.dtype = ZIPNN_F32;
    wide.data = room_alloc(wide.len);
    uint64_t seed = 1;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        uint16_t low = (uint16_t)(seed >> 48);
        memcpy(wide.data + 4 * i, &low, 2);
        memcpy(wide.data + 4 * i + 2, m->data + (m->len - 2 * n) + 2 * i, 2);
    }
    bench_set(&wide, "fp32", ZIPNN_CPU_BEST);
    free(wide.data);
}

/* Returns a bf16 number as fp16, with these bits below. */
static uint16_t half_of(uint16_t number, unsigned bits) {
    const int exponent = (number >> 7 & 255) - 112;
    const unsigned sign = number & 0x8000U, mantissa = (number & 127U) << 3 | (bits & 7);
    if (exponent < -10) return (uint16_t)sign;
    if (exponent <= 0) return (uint16_t)(sign | (1024 | mantissa) >> (1 - exponent));
    return (uint16_t)(sign | (exponent < 31 ? (unsigned)exponent << 10 | mantissa : 0x7bffU));
}

/* Measures half of the bf16 numbers of m as fp16. */
static void bench_fp16(const struct model *m) {
    struct model half = *m;
    const size_t n = m->len / 4;
    half.len = 2 * n;
    half.dtype = ZIPNN_F16;
    half.data = room_alloc(half.len);
    uint64_t seed = 1;
    for (size_t i = 0; i < n; i++) {
        uint16_t number;
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        memcpy(&number, m->data + (m->len - 2 * n) + 2 * i, 2);
        number = half_of(number, (unsigned)(seed >> 60));
        memcpy(half.data + 2 * i, &number, 2);
    }
    bench_set(&half, "fp16", ZIPNN_CPU_BEST);
    free(half.data);
}

/* Measures every row with one thread and with n, in the same rounds. Decoding reads ready->archive; encoding writes to
 * scratch. */
static void bench_thread_count(const struct model *m, const struct job *ready, uint8_t *scratch, unsigned n_threads) {
    static const struct {
        const char *name;
        void (*run)(void *arg);
        int level;
        zipnn_verify verify;
    } rows[] = {{"copy", run_copy, ZIPNN_LEVEL_DEFAULT, ZIPNN_VERIFY_OFF},
                {"decode", run_decode, ZIPNN_LEVEL_DEFAULT, ZIPNN_VERIFY_OFF},
                {"encode", run_encode, ZIPNN_LEVEL_DEFAULT, ZIPNN_VERIFY_OFF},
                {"encode fast", run_encode, ZIPNN_LEVEL_FAST, ZIPNN_VERIFY_OFF},
                {"encode verified", run_encode, ZIPNN_LEVEL_DEFAULT, ZIPNN_VERIFY_DEFAULT}};
    enum { N = 2 * sizeof rows / sizeof *rows };
    struct job jobs[N];
    struct contender contenders[N];
    char names[N][40], group[32];
    for (unsigned i = 0; i < N; i++) {
        unsigned r = i / 2;
        jobs[i] = *ready;
        jobs[i].n_threads = i % 2 ? n_threads : 1;
        jobs[i].ctx = context_of(rows[r].level, jobs[i].n_threads, rows[r].verify, m->dtype, ZIPNN_CPU_BEST);
        if (rows[r].run == run_encode) jobs[i].archive = scratch;
        snprintf(names[i], sizeof names[i], "%s x%u", rows[r].name, jobs[i].n_threads);
        contenders[i] = (struct contender){.name = names[i], .run = rows[r].run, .arg = &jobs[i]};
    }
    snprintf(group, sizeof group, "threads %u", n_threads);
    rounds_run(group, m->len, m->n_rounds, 1, contenders, N);
    for (unsigned i = 0; i < N; i++) zipnn_destroy(jobs[i].ctx);
}

static void bench_threads(const struct model *m) {
    struct job ready = job_of(m, context_of(0, 1, ZIPNN_VERIFY_OFF, m->dtype, ZIPNN_CPU_BEST));
    uint8_t *scratch = room_alloc(ready.cap);
    check(&ready);
    for (unsigned n = 2; n <= zipnn_available_cpus() && n <= MAX_THREADS; n *= 2)
        bench_thread_count(m, &ready, scratch, n);
    free(scratch);
    job_free(&ready);
}

/* Measures the len bytes in the middle of the model, `reps` times per round. */
static void bench_part(const struct model *m, const char *group, size_t len, unsigned reps) {
    struct model part = *m;
    part.len = len;
    part.data = middle(m, len);
    part.dtype = ZIPNN_BF16;
    struct job j = job_of(&part, context_of(ZIPNN_LEVEL_DEFAULT, 1, ZIPNN_VERIFY_OFF, part.dtype, ZIPNN_CPU_BEST));
    check(&j);
    print_size(group, &j, 3);
    const struct contender contenders[] = {{.name = "memcpy", .run = run_memcpy, .arg = &j},
                                           {.name = "decode", .run = run_decode, .arg = &j},
                                           {.name = "encode", .run = run_encode, .arg = &j}};
    rounds_run(group, len, m->n_rounds, reps, contenders, 3);
    job_free(&j);
}

static void bench_chunk(const struct model *m) {
    bench_part(m, "chunk", CHUNK, 200);
}

static void bench_small(const struct model *m) {
    bench_part(m, "small", SMALL, 3000);
}

static void bench_sizes(const struct model *m) {
    for (size_t len = 4 << 10; len <= (size_t)256 << 20 && len <= m->len / 2; len *= 4)
        bench_part(m, "sizes", len, (unsigned)(1 + (32 << 20) / len));
}

/* ---- many small tensors ------------------------------------------------------------------------------------------ */

struct tensors {
    struct job job;
    zipnn_archive *archive;
    size_t data_at; /* offset where the header ends */
};

static zipnn_status read_memory(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    (void)err;
    const struct job *j = user;
    memcpy(buf, j->archive + off, len);
    return ZIPNN_OK;
}

static void run_read_whole(void *arg) {
    struct tensors *t = arg;
    zipnn_error err;
    must(zipnn_archive_read(t->archive, 0, t->job.len, t->job.restored, &err), &err);
}

static void run_read_each(void *arg) {
    struct tensors *t = arg;
    zipnn_error err;
    uint8_t *to = t->job.restored + t->data_at;
    for (uint64_t i = 0; i < N_TENSORS; i++)
        must(zipnn_archive_read_tensor(t->archive, i, to + i * TENSOR, TENSOR, &err), &err);
}

static void run_copy_each(void *arg) {
    struct tensors *t = arg;
    for (size_t at = t->data_at; at < t->job.len; at += TENSOR)
        memcpy(t->job.restored + at, t->job.original + at, TENSOR);
}

static void run_open(void *arg) {
    struct tensors *t = arg;
    zipnn_error err;
    zipnn_source source = {.read_at = read_memory, .length = t->job.archive_len, .user = &t->job};
    zipnn_archive *archive;
    must(zipnn_archive_open(t->job.ctx, &source, &archive, &err), &err);
    zipnn_archive_close(archive);
}

/* Returns a safetensors file of N_TENSORS tensors, filled with numbers of m. */
static struct model many_tensors(const struct model *m, size_t *data_at) {
    enum { PER_TENSOR = 120 };
    struct model many = {.n_rounds = m->n_rounds, .data = room_alloc((size_t)N_TENSORS * (TENSOR + PER_TENSOR) + 64)};
    char *text = (char *)many.data + 8, *p = text;
    *p++ = '{';
    for (size_t i = 0; i < N_TENSORS; i++)
        p += snprintf(p, PER_TENSOR,
                      "%s\"layers.%zu.bias\":{\"dtype\":\"BF16\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]}",
                      i ? "," : "", i, TENSOR / 2, i * TENSOR, (i + 1) * TENSOR);
    *p++ = '}';
    while ((p - text) % 8) *p++ = ' ';
    for (unsigned i = 0; i < 8; i++) many.data[i] = (uint8_t)((uint64_t)(p - text) >> 8 * i);
    *data_at = 8 + (size_t)(p - text);
    size_t len = (size_t)N_TENSORS * TENSOR;
    if (m->len < 2 * len) die("tensors: the model is too small");
    memcpy(many.data + *data_at, middle(m, len), len);
    many.len = *data_at + len;
    return many;
}

static void bench_tensors(const struct model *m) {
    struct tensors t;
    zipnn_error err;
    struct model many = many_tensors(m, &t.data_at);
    t.job = job_of(&many, context_of(ZIPNN_LEVEL_DEFAULT, 1, ZIPNN_VERIFY_OFF, ZIPNN_DTYPE_UNKNOWN, ZIPNN_CPU_BEST));
    check(&t.job);
    print_size("tensors", &t.job, 3);
    zipnn_source source = {.read_at = read_memory, .length = t.job.archive_len, .user = &t.job};
    must(zipnn_archive_open(t.job.ctx, &source, &t.archive, &err), &err);
    run_read_each(&t);
    run_read_whole(&t);
    if (memcmp(t.job.restored, many.data, many.len) != 0) die("tensors differ");
    const struct contender contenders[] = {{.name = "memcpy", .run = run_memcpy, .arg = &t.job},
                                           {.name = "copy each", .run = run_copy_each, .arg = &t},
                                           {.name = "open", .run = run_open, .arg = &t},
                                           {.name = "read whole", .run = run_read_whole, .arg = &t},
                                           {.name = "read each", .run = run_read_each, .arg = &t},
                                           {.name = "decode", .run = run_decode, .arg = &t.job},
                                           {.name = "encode", .run = run_encode, .arg = &t.job}};
    rounds_run("tensors", many.len, m->n_rounds, 1, contenders, sizeof contenders / sizeof *contenders);
    zipnn_archive_close(t.archive);
    job_free(&t.job);
    free(many.data);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*bench)(const struct model *m);
    } cases[] = {{"best", bench_best},     {"fp32", bench_fp32},       {"fp16", bench_fp16},   {"avx2", bench_avx2},
                 {"scalar", bench_scalar}, {"threads", bench_threads}, {"chunk", bench_chunk}, {"small", bench_small},
                 {"sizes", bench_sizes},   {"tensors", bench_tensors}};
    struct model m = {.n_rounds = argc > 3 ? (unsigned)atoi(argv[3]) : 9};
    for (size_t i = 0; i < sizeof cases / sizeof *cases && argc > 2; i++) {
        if (strcmp(argv[1], cases[i].name) != 0) continue;
        m.data = file_read(argv[2], &m.len);
        if (m.len < (size_t)4 << 20 || m.n_rounds == 0) die("MODEL has less than 4 MiB, or there are no rounds");
        cases[i].bench(&m);
        return 0;
    }
    fprintf(stderr,
            "usage: bench_library best|fp32|fp16|avx2|scalar|threads|chunk|small|sizes|tensors MODEL [ROUNDS]\n");
    return 2;
}
