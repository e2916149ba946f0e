/* What becomes of each layout of the register on a GPU: its kernels take it, or the host does. A new layout does not compile here
 * before somebody has said which (and in src/gpu/prepare.c, whose switch names all). */
#include "delta/delta.h"
#include "gpu/cases.h"
#include "gpu/try.h"
#include "support/coder.h"
#include "support/registered.h"
#include "support/samples.h"
#include "support/unit.h"

enum { MAX_LEN = 4 * GPU_ELEMENTS };

enum who { UNKNOWN, HOST, GPU /* where the planes have forms that the kernels know */ };

static const enum who who[] = {
    [ZN_LAYOUT_8] = GPU,        [ZN_LAYOUT_16] = GPU,        [ZN_LAYOUT_16R] = GPU,
    [ZN_LAYOUT_32] = GPU,       [ZN_LAYOUT_32R] = GPU,       [ZN_LAYOUT_64] = HOST,
    [ZN_LAYOUT_64R] = HOST,     [ZN_LAYOUT_F16] = GPU,       [ZN_LAYOUT_RECORDS] = GPU,
    [ZN_LAYOUT_DELTA] = HOST,   [ZN_LAYOUT_SPARSE] = HOST,   [ZN_LAYOUT_GIVEN] = HOST,
    [ZN_LAYOUT_TOPS] = GPU,     [ZN_LAYOUT_JOINT] = GPU,     [ZN_LAYOUT_DIFFERENCES] = HOST,
    [ZN_LAYOUT_REPEATS] = HOST, [ZN_LAYOUT_FREQUENT] = HOST, [ZN_LAYOUT_VALUES] = HOST,
    [ZN_LAYOUT_SCALED] = HOST,  [ZN_LAYOUT_KEYED] = HOST,    [ZN_LAYOUT_REWRITTEN] = HOST,
    [ZN_LAYOUT_COLUMNS] = HOST, [ZN_LAYOUT_SIGNS] = HOST,
};
_Static_assert(sizeof who / sizeof *who == ZN_N_LAYOUTS, "a new layout: is it the GPU's or the host's?");

static struct bench {
    struct zn_coder coder;
    void *memory;
    uint8_t *data, *reference, *body;
    unsigned taken[ZN_N_LAYOUTS], left[ZN_N_LAYOUTS]; /* bodies, by the layout that they name */
} b;

static int set_up(void **state) {
    (void)state;
    b.coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &b.memory);
    b.data = malloc(MAX_LEN);
    b.reference = malloc(MAX_LEN);
    b.body = malloc(zn_chunk_bound(MAX_LEN) + 1);
    return !b.data || !b.reference || !b.body;
}

static int tear_down(void **state) {
    (void)state;
    zt_coder_free(&b.coder, b.memory);
    free(b.data);
    free(b.reference);
    free(b.body);
    return 0;
}

static void try_it(const char *name, size_t len, uint32_t orig_len) {
    const unsigned layout = b.body[1];
    enum zn_gpu_kernel kernel;
    const char *why = "the kernel refuses what the library restores";
    const enum try_answer answer =
        try_body(&b.coder, b.body, len, orig_len, &(struct try_how){.seed = 1}, &kernel, &why);
    if (answer == TRY_WRONG || answer == TRY_FOUND) fail_msg("%s: %s", name, why);
    if (layout >= ZN_N_LAYOUTS && answer != TRY_HOST) fail_msg("%s: a kernel takes layout %u", name, layout);
    if (layout < ZN_N_LAYOUTS) (*(answer == TRY_HOST ? &b.left : &b.taken))[layout]++;
}

/* Encodes a sample. The body of a delta is taken for that of a chunk, as a damaged archive may have it. */
static uint32_t encode(const struct zt_registered *of) {
    struct zn_effort effort = zn_effort_of(of->level);
    effort.readers = of->readers;
    const struct zn_encoder e = {&b.coder, &effort, {.dtype = of->dtype}, b.data, of->len};
    of->fill(b.data, of->len);
    if (!of->fill_reference) return zn_chunk_encode(&e, b.body);
    of->fill_reference(b.data, of->len, b.reference);
    const uint32_t len = zn_delta_encode(&e, b.reference, b.body + 1);
    b.body[0] = ZN_KIND_CHUNK;
    return len + 1;
}

static void every_layout_is_the_gpus_or_the_hosts(void **state) {
    (void)state;
    for (size_t i = 0; i < zt_n_registered; i++)
        try_it(zt_registered[i].name, encode(&zt_registered[i]), zt_registered[i].len);
    for (size_t i = 0; i < gpu_n_cases; i++) {
        const uint32_t len = GPU_ELEMENTS * gpu_cases[i].width;
        try_it(gpu_cases[i].name, gpu_case_encode(&b.coder, &gpu_cases[i], 0, len, b.data, b.body), len);
    }
    for (unsigned l = 0; l < ZN_N_LAYOUTS; l++) {
        if (who[l] == UNKNOWN) fail_msg("layout %s: is it the GPU's or the host's?", zn_layouts[l].name);
        if (who[l] == HOST && b.taken[l])
            fail_msg("layout %s is the host's, and a kernel takes it", zn_layouts[l].name);
        if (b.taken[l] + b.left[l] == 0) fail_msg("layout %s: no sample", zn_layouts[l].name);
        if (who[l] == GPU && !b.taken[l]) fail_msg("layout %s: no sample that a kernel takes", zn_layouts[l].name);
    }
}

/* A body that names another layout than its own, known or not, gets the library's verdict. */
static void other_numbers_get_the_librarys_verdict(void **state) {
    (void)state;
    for (unsigned number = 0; number < 256; number++) {
        const struct gpu_case *c = &gpu_cases[number % gpu_n_cases];
        const uint32_t len = 2000 * c->width, n = gpu_case_encode(&b.coder, c, 0, len, b.data, b.body);
        b.body[1] = (uint8_t)number;
        try_it(c->name, n, len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_layout_is_the_gpus_or_the_hosts),
                                       cmocka_unit_test(other_numbers_get_the_librarys_verdict)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
