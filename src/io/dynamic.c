#include "io/dynamic.h"

#if defined(_WIN32)

#include <string.h>
#include <windows.h>

void *zn_dynamic_nvidia_driver(void) {
    return (void *)LoadLibraryA("nvcuda.dll");
}

void *zn_dynamic_find(void *library, const char *name) {
    const FARPROC found = GetProcAddress((HMODULE)library, name);
    void *at;
    memcpy(&at, &found, sizeof at);
    return at;
}

#else

#include <dlfcn.h>

void *zn_dynamic_nvidia_driver(void) {
    return dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
}

void *zn_dynamic_find(void *library, const char *name) {
    return dlsym(library, name);
}

#endif
