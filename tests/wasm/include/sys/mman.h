/* For tests/support/guard.c: WebAssembly has no pages that must not be touched, so that bounds are tested elsewhere. */
#ifndef ZN_TESTS_WASM_MMAN_H
#define ZN_TESTS_WASM_MMAN_H

#include <stdlib.h>

enum { PROT_NONE, PROT_READ, PROT_WRITE, MAP_PRIVATE = 0, MAP_ANONYMOUS = 0 };
#define MAP_FAILED NULL

#define mmap(at, len, protection, flags, fd, off) calloc(1, len)
#define mprotect(at, len, protection) ((void)(at), 0)
#define munmap(at, len) free(at)

#endif
