/* The GPU's kernels under emulation (emulator.h): they restore and refuse what the library's decoder restores and refuses,
 * and no access is wrong, whatever the order of threads. */
#include <dirent.h>
#include <stdio.h>

#include "format/format.h"
#include "gpu/cases.h"
#include "gpu/try.h"
#include "io/dynamic.h"
#include "support/coder.h"
#include "support/samples.h"
#include "support/unit.h"
#include "zipnn/gpu.h"

enum { MAX_LEN = 4 * GPU_ELEMENTS, MAX_ARCHIVE = 1 << 20, MAX_ORIGINAL = 4 << 20 };

static struct bench {
    struct zn_coder coder, large;
    void *memory, *large_memory;
    uint8_t *data, *body;
    unsigned answers[TRY_WRONG];
    enum zn_gpu_kernel kernel; /* the last one */
} b;

static int set_up(void **state) {
    (void)state;
    b.coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &b.memory);
    b.large = zt_coder_make(zn_kernels_at(0), MAX_ORIGINAL, &b.large_memory);
    b.data = malloc(MAX_LEN);
    b.body = malloc(zn_chunk_bound(MAX_LEN));
    return !b.data || !b.body;
}

static int tear_down(void **state) {
    (void)state;
    zt_coder_free(&b.coder, b.memory);
    zt_coder_free(&b.large, b.large_memory);
    free(b.data);
    free(b.body);
    return 0;
}

/* Tries a body. A wrong answer fails the test. */
static enum try_answer try_it(struct zn_coder *coder, const char *name, const uint8_t *body, size_t len,
                              uint32_t orig_len, const struct try_how *how) {
    const char *why = "the kernel refuses what the library restores";
    b.kernel = ZN_GPU_N_KERNELS;
    const enum try_answer answer = try_body(coder, body, len, orig_len, how, &b.kernel, &why);
    if (answer == TRY_WRONG || (answer == TRY_FOUND && !how->damage))
        fail_msg("%s of %u bytes, kernel %s, seed %llu, at %u and %u: %s", name, orig_len, zn_gpu_kernel_name(b.kernel),
                 (unsigned long long)how->seed, how->body_at, how->dst_at, why);
    b.answers[answer]++;
    return answer;
}

static void every_shape_is_decoded(void **state) {
    (void)state;
    bool seen[ZN_GPU_N_KERNELS] = {false};
    for (size_t i = 0; i < gpu_n_cases; i++) {
        const struct gpu_case *c = &gpu_cases[i];
        const uint32_t len = GPU_ELEMENTS * c->width, n = gpu_case_encode(&b.coder, c, 0, len, b.data, b.body);
        if (try_it(&b.coder, c->name, b.body, n, len, &(struct try_how){.seed = i + 1}) != TRY_SAME)
            fail_msg("%s: not decoded by a kernel", c->name);
        if (b.kernel != c->kernel) fail_msg("%s: decoded by kernel %s", c->name, zn_gpu_kernel_name(b.kernel));
        seen[b.kernel] = true;
        try_it(&b.coder, c->name, b.body, n, len, &(struct try_how){.seed = i + 1, .general = true});
        seen[b.kernel] = true;
    }
    for (unsigned k = 0; k < ZN_GPU_N_KERNELS; k++)
        if (!seen[k]) fail_msg("no case for kernel %s", zn_gpu_kernel_name((enum zn_gpu_kernel)k));
}

static void lengths_and_offsets(void **state) {
    (void)state;
    static const uint32_t more[] = {0, 1, 2, 3, 5, 63, 127, 128, 129, 384, 511, 640};
    enum { LEAST = 16384, N_MORE = sizeof more / sizeof *more };
    for (unsigned i = 0; i < gpu_n_cases * 16; i++) {
        const struct gpu_case *c = &gpu_cases[i / 16];
        const unsigned at = i % 16;
        const uint32_t len = (LEAST + more[i % N_MORE]) * c->width + at % 3;
        const uint32_t n = gpu_case_encode(&b.coder, c, at % c->width, len, b.data, b.body);
        const struct try_how how = {.seed = i, .body_at = at, .dst_at = (7 * at + i / 16) % 16, .general = at % 4 == 1};
        try_it(&b.coder, c->name, b.body, n, len, &how);
    }
}

static void mutants_get_the_librarys_verdict(void **state) {
    (void)state;
    enum { MUTANTS = 16, ELEMENTS = 17001, FRONT = 200 };
    uint64_t seed = 1;
    memset(b.answers, 0, sizeof b.answers);
    for (unsigned i = 0; i < gpu_n_cases * MUTANTS; i++) {
        const struct gpu_case *c = &gpu_cases[i / MUTANTS];
        const uint32_t len = ELEMENTS * c->width, n = gpu_case_encode(&b.coder, c, 0, len, b.data, b.body);
        const uint32_t in = i % 2 ? FRONT : n, from = i % 4 == 2 && n > FRONT ? n - FRONT : 0;
        b.body[from + zt_random(&seed) % ZN_MIN(in, n - from)] ^= (uint8_t)(1 + zt_random(&seed) % 255);
        try_it(&b.coder, c->name, b.body, n, len,
               &(struct try_how){.seed = i, .body_at = i % 16, .dst_at = i / 16 % 16});
    }
    assert_true(b.answers[TRY_SAME] > 10 && b.answers[TRY_REFUSED] > 30);
}

/* ---- damage to one part of a stream, since that is rare among mutants -------------------------------------------- */

enum { ENDS = 8, STATES = 4 }; /* damages of the streams' ends, which only the kernel sees, and of states in the body */

static void damage(struct zn_gpu_chunk *chunk, uint8_t *meta, unsigned number) {
    struct zn_gpu_stream *s = number % 2 && chunk->shape.second ? &chunk->second : &chunk->top;
    if (number < ENDS) {
        s->in_len += number / 2 == 0;
        s->in_len ^= number / 2 == 1;
        s->n_esc += number / 2 == 2;
        s->n_esc -= number / 2 == 3;
        return;
    }
    const unsigned at = 2 * (37 * number % ZN_R16_LANES);
    if (s->in_len == 0) return; /* the host made it for a constant */
    meta[s->meta - chunk->top.meta + at] ^= 1;
    ((uint8_t *)(uintptr_t)(s->in - ZN_GPU_STATES))[at] ^= 1;
}

static void damaged_streams_are_found(void **state) {
    (void)state;
    enum { ELEMENTS = 17001 };
    for (unsigned i = 0; i < gpu_n_cases * (ENDS + STATES); i++) {
        const struct gpu_case *c = &gpu_cases[i / (ENDS + STATES)];
        const uint32_t len = ELEMENTS * c->width, n = gpu_case_encode(&b.coder, c, 0, len, b.data, b.body);
        const struct try_how how = {.seed = i, .damage = damage, .number = i % (ENDS + STATES)};
        const enum try_answer answer = try_it(&b.coder, c->name, b.body, n, len, &how);
        if (how.number < ENDS ? answer != TRY_FOUND : answer == TRY_FOUND)
            fail_msg("%s: damage %u is not judged rightly: %d", c->name, how.number, answer);
    }
}

/* A lane that no symbol uses must be at rest, too. */
static void damage_idle_lane(struct zn_gpu_chunk *chunk, uint8_t *meta, unsigned number) {
    (void)chunk;
    meta[2 * number] ^= 1;
}

static void idle_lanes_are_checked(void **state) {
    (void)state;
    enum { LEN = 50 };
    const struct gpu_case *zeros = &gpu_cases[15];
    const uint32_t n = gpu_case_encode(&b.coder, zeros, 0, LEN, b.data, b.body);
    struct try_how how = {.seed = 1};
    assert_int_equal(try_it(&b.coder, "few bytes", b.body, n, LEN, &how), TRY_SAME);
    how.damage = damage_idle_lane;
    how.number = LEN + 50;
    assert_int_equal(try_it(&b.coder, "few bytes", b.body, n, LEN, &how), TRY_FOUND);
}

/* ---- golden archives --------------------------------------------------------------------------------------------- */

static size_t load(const char *folder, const char *file, uint8_t *to) {
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    const size_t len = fread(to, 1, MAX_ARCHIVE, f);
    fclose(f);
    return len;
}

/* Tries every chunk that can be found, sound or not. */
static void try_archive(const char *name, const uint8_t *archive, size_t len) {
    for (size_t at = ZN_HEADER_LEN; at + ZN_LEAST_FRAME <= len;) {
        struct zn_frame f;
        const bool read = zn_frame_read(archive + at, MAX_ORIGINAL, at, &f, NULL) == ZIPNN_OK;
        if (!read || zn_frame_size(&f) > len - at) return;
        if (f.orig_len > 0 && archive[at + ZN_FRAME_LEN] == ZN_KIND_CHUNK)
            try_it(&b.large, name, archive + at + ZN_FRAME_LEN, f.body_len, f.orig_len, &(struct try_how){.seed = at});
        at += (size_t)zn_frame_size(&f);
    }
}

static void try_folder(const char *folder) {
    static uint8_t archive[MAX_ARCHIVE];
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (struct dirent *d; (d = readdir(dir));) {
        if (d->d_name[0] == '.') continue;
        const size_t len = load(folder, d->d_name, archive);
        if (zn_is_archive(archive, len)) try_archive(d->d_name, archive, len);
    }
    closedir(dir);
}

static void golden_archives(void **state) {
    (void)state;
    DIR *dir = opendir(ZT_SOURCE_DIR "/tests/golden");
    assert_non_null(dir);
    memset(b.answers, 0, sizeof b.answers);
    for (struct dirent *d; (d = readdir(dir));) {
        char folder[500];
        snprintf(folder, sizeof folder, ZT_SOURCE_DIR "/tests/golden/%s", d->d_name);
        if (d->d_name[0] != '.') try_folder(folder);
    }
    closedir(dir);
    print_message("%u chunks restored, %u refused by both, %u left to the host\n", b.answers[TRY_SAME],
                  b.answers[TRY_REFUSED], b.answers[TRY_HOST]);
    assert_true(b.answers[TRY_SAME] > 10 && b.answers[TRY_HOST] > 100);
}

/* Without a driver there is one clear sentence. */
static void without_a_driver(void **state) {
    (void)state;
    const zipnn_gpu_options options = {.size = sizeof options, .code = "none"};
    zipnn_gpu *gpu;
    zipnn_error err;
    if (zn_dynamic_nvidia_driver()) skip();
    assert_int_equal(zipnn_gpu_open(&options, &gpu, &err), ZIPNN_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "there is no driver of NVIDIA on this machine"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_decoded),
        cmocka_unit_test(lengths_and_offsets),
        cmocka_unit_test(mutants_get_the_librarys_verdict),
        cmocka_unit_test(damaged_streams_are_found),
        cmocka_unit_test(idle_lanes_are_checked),
        cmocka_unit_test(golden_archives),
        cmocka_unit_test(without_a_driver),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
