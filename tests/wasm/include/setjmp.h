/* For tests/support/unit.h: WebAssembly has no jumps of C, and nothing here takes any. */
#ifndef ZN_TESTS_WASM_SETJMP_H
#define ZN_TESTS_WASM_SETJMP_H
#endif
