/* Included first into zstd's sources: its decoder works in the memory that it is given, and there is no heap. */
#ifndef ZN_MINIMAL_NO_HEAP_H
#define ZN_MINIMAL_NO_HEAP_H

#define ZSTD_DEPS_MALLOC
#define ZSTD_malloc(size) ((void)(size), (void *)0)
#define ZSTD_calloc(n, size) ((void)(n), (void)(size), (void *)0)
#define ZSTD_free(pointer) ((void)(pointer))

#endif
