/* The tests of the GPU's kernels tested: the emulation finds each fault that tests/gpu/CMakeLists.txt plants. */
#include "gpu/cases.h"
#include "gpu/try.h"
#include "support/coder.h"
#include "support/unit.h"

enum { MAX_LEN = 4 * GPU_ELEMENTS };

static struct bench {
    struct zn_coder coder;
    void *memory;
    uint8_t *data, *body;
} b;

static int set_up(void **state) {
    (void)state;
    b.coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &b.memory);
    b.data = malloc(MAX_LEN);
    b.body = malloc(zn_chunk_bound(MAX_LEN));
    return !b.data || !b.body;
}

static int tear_down(void **state) {
    (void)state;
    zt_coder_free(&b.coder, b.memory);
    free(b.data);
    free(b.body);
    return 0;
}

/* ---- what is tried: chunks that are sound, and damage ------------------------------------------------------------ */

static void more_bytes(struct zn_gpu_chunk *chunk, uint8_t *meta, unsigned number) {
    (void)meta, (void)number;
    chunk->top.in_len++;
}

static void more_escapes(struct zn_gpu_chunk *chunk, uint8_t *meta, unsigned number) {
    (void)meta, (void)number;
    chunk->top.n_esc++;
}

static void another_state(struct zn_gpu_chunk *chunk, uint8_t *meta, unsigned number) {
    (void)chunk;
    meta[2 * number] ^= 1;
}

/* Makes all symbols escapes, which are many more than there are bytes for. */
static void all_escapes(struct zn_gpu_chunk *chunk, uint8_t *meta, unsigned number) {
    (void)number;
    for (unsigned e = 0; e < ZN_GPU_RANKS * chunk->top.n_tables; e++) meta[ZN_GPU_STATES + 4 * e + 3] |= 1;
    chunk->top.ids = 0;
}

static const struct attempt {
    unsigned at; /* of gpu_cases */
    unsigned head;
    uint32_t elements, tail;
    struct try_how how;
} attempts[] = {
    {0, 0, GPU_ELEMENTS, 0, {.seed = 1}},
    {0, 1, 17001, 0, {.seed = 2, .body_at = 5, .dst_at = 3}},
    {7, 3, 17003, 1, {.seed = 3, .body_at = 10, .dst_at = 2}},
    {11, 0, 17010, 0, {.seed = 4, .dst_at = 1}},
    {0, 0, 16384, 0, {.seed = 5, .damage = more_bytes}},
    {0, 0, 16384, 0, {.seed = 6, .damage = more_escapes}},
    {0, 0, 16384, 0, {.seed = 7, .damage = all_escapes}},
    {7, 0, GPU_ELEMENTS, 0, {.seed = 9}},
    {1, 0, GPU_ELEMENTS, 0, {.seed = 10}},
    {4, 0, GPU_ELEMENTS, 0, {.seed = 11}},
    {9, 0, GPU_ELEMENTS, 0, {.seed = 12}},
    {15, 0, 25, 0, {.seed = 8, .damage = another_state, .number = 127}},
};
enum { N_ATTEMPTS = sizeof attempts / sizeof *attempts };

/* Returns whether the answer is the one of a sound kernel. */
static bool is_right(const struct attempt *a, emu_kernel *kernel) {
    const struct gpu_case *c = &gpu_cases[a->at];
    const uint32_t len = a->head + a->elements * c->width + a->tail;
    const uint32_t n = gpu_case_encode(&b.coder, c, a->head, len, b.data, b.body);
    struct try_how how = a->how;
    enum zn_gpu_kernel usual;
    const char *why;
    how.kernel = kernel;
    const enum try_answer answer = try_body(&b.coder, b.body, n, len, &how, &usual, &why);
    return answer == (how.damage ? TRY_FOUND : TRY_SAME);
}

static void sound_kernels_pass(void **state) {
    (void)state;
    for (unsigned a = 0; a < N_ATTEMPTS; a++)
        if (!is_right(&attempts[a], NULL)) fail_msg("a sound kernel fails in attempt %u", a);
}

static void faulty_kernels_are_found(void **state) {
    (void)state;
    unsigned n_unseen = 0;
    for (size_t f = 0; f < emu_n_faulty; f++) {
        unsigned a = 0;
        while (a < N_ATTEMPTS && is_right(&attempts[a], emu_faulty[f]->kernel)) a++;
        if (a == N_ATTEMPTS) print_error("nobody saw: %s\n", emu_faulty[f]->fault);
        n_unseen += a == N_ATTEMPTS;
    }
    assert_int_equal(n_unseen, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sound_kernels_pass),
                                       cmocka_unit_test(faulty_kernels_are_found)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
