/* The part of cmocka that tests of kernels use, for modules of WebAssembly (packaging/minimal.py). The first assertion that
 * fails ends the module.
 */
#ifndef ZN_TESTS_WASM_CMOCKA_H
#define ZN_TESTS_WASM_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(function) \
    { #function, function }
#define cmocka_run_group_tests(tests, setup, teardown) run_tests(tests, sizeof(tests) / sizeof(tests)[0])

#define assert_true(holds) ((holds) ? (void)0 : failed(#holds, __FILE__, __LINE__))
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_null(p) assert_true((p) == NULL)
#define assert_int_equal(a, b) assert_true((a) == (b))
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, n) assert_true(memcmp(a, b, n) == 0)

static inline void failed(const char *what, const char *file, int line) {
    printf("%s:%d: %s does not hold\n", file, line, what);
    exit(1);
}

static inline int run_tests(const struct CMUnitTest *tests, size_t n) {
    for (size_t i = 0; i < n; i++) {
        void *state = NULL;
        tests[i].run(&state);
        printf("ok: %s\n", tests[i].name);
    }
    return 0;
}

#endif
