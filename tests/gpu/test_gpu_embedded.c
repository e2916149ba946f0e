/* A library with kernels in it, as ZIPNN_GPU_KERNELS puts them there: zipnn_gpu_open needs no code. */
#include "gpu/embedded_kernels.h"
#include "gpu/fake_driver.h"
#include "support/unit.h"
#include "zipnn/gpu.h"

static void the_bytes_are_those_of_the_file(void **state) {
    (void)state;
    assert_int_equal(zn_gpu_kernels_len, strlen(FAKE_CODE));
    assert_memory_equal(zn_gpu_kernels, FAKE_CODE, sizeof FAKE_CODE); /* with a zero behind them */
    assert_int_equal((uintptr_t)zn_gpu_kernels % 64, 0);
}

static void no_code_means_the_librarys(void **state) {
    (void)state;
    const zipnn_gpu_options options = {.size = sizeof options, .staging = 24 << 20};
    zipnn_gpu *gpu;
    zipnn_error err;
    assert_int_equal(zipnn_gpu_has_kernels(), 1);
    if (zipnn_gpu_open(&options, &gpu, &err) != ZIPNN_OK) fail_msg("%s", err.message);
    zipnn_gpu_close(gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_bytes_are_those_of_the_file),
                                       cmocka_unit_test(no_code_means_the_librarys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
