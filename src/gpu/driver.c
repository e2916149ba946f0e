#include "gpu/driver.h"

#include <stdio.h>
#include <string.h>

#include "gpu/embedded_kernels.h"
#include "gpu/prepare.h"
#include "io/dynamic.h"

enum {
    OUT_OF_MEMORY = 2, /* answers and attributes as CUDA numbers them */
    MAJOR = 75,
    MINOR = 76,
    LEAST_MAJOR = 8
};

zipnn_status zn_driver_said(const struct zn_driver *d, int answer, const char *doing, zipnn_error *err) {
    const char *text = NULL;
    if (answer == 0) return ZIPNN_OK;
    if (d->error_string(answer, &text) != 0 || !text) text = "an unknown error";
    return zn_fail(err, answer == OUT_OF_MEMORY ? ZIPNN_E_MEMORY : ZIPNN_E_IO, ZN_NOWHERE,
                   "the GPU's driver cannot %s: %s (error %d of CUDA)", doing, text, answer);
}

static zipnn_status find_calls(struct zn_driver *d, zipnn_error *err) {
    static const char *const symbols[] = {
#define CALL(name, symbol, parameters) symbol,
#include "gpu/driver.def"
#undef CALL
    };
    enum { N_CALLS = sizeof symbols / sizeof *symbols };
    void *found[N_CALLS];
    void *library = zn_dynamic_nvidia_driver();
    if (!library)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                       "there is no driver of NVIDIA on this machine (libcuda.so.1): decode on the processor");
    for (unsigned i = 0; i < N_CALLS; i++) {
        found[i] = zn_dynamic_find(library, symbols[i]);
        if (!found[i])
            return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE, "NVIDIA's driver is too old: it has no %s",
                           symbols[i]);
    }
    unsigned n = 0;
#define CALL(name, symbol, parameters) memcpy(&d->name, &found[n++], sizeof d->name);
#include "gpu/driver.def"
#undef CALL
    return ZIPNN_OK;
}

static zipnn_status unsupported(const struct zn_driver *d, int answer, const char *doing, zipnn_error *err) {
    zipnn_error said;
    if (zn_driver_said(d, answer, doing, &said) == ZIPNN_OK) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE, "%s", said.message);
}

static zipnn_status find_device(struct zn_driver *d, int number, zipnn_error *err) {
    int major = 0, minor = 0;
    ZN_TRY(unsupported(d, d->init(0), "begin", err));
    ZN_TRY(unsupported(d, d->device(&d->which, number), "find the device", err));
    ZN_TRY(unsupported(d, d->device_attribute(&major, MAJOR, d->which), "tell what the device is", err));
    ZN_TRY(unsupported(d, d->device_attribute(&minor, MINOR, d->which), "tell what the device is", err));
    if (major >= LEAST_MAJOR) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                   "GPU %d has compute capability %d.%d: the kernels need %d.0 (A100, RTX 30) or newer", number, major,
                   minor, LEAST_MAJOR);
}

static zipnn_status load_kernels(struct zn_driver *d, const void *code, zipnn_error *err) {
    enum { NOT_FOUND = 500 };
    ZN_TRY(unsupported(d, d->module_load(&d->module, code), "load the kernels", err));
    for (unsigned k = 0; k < ZN_GPU_N_KERNELS; k++) {
        char name[64];
        zn_gpu_kernel_symbol((enum zn_gpu_kernel)k, name, sizeof name);
        const int answer = d->module_function(&d->kernel[k], d->module, name);
        if (answer == NOT_FOUND)
            return zn_fail(
                err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                "the kernels for the GPU are of another version of zipnn: they have no %s. `make gpu` builds "
                "those of this version",
                name);
        ZN_TRY(unsupported(d, answer, "find a kernel in the code", err));
    }
    return ZIPNN_OK;
}

static bool is_little_endian(void) {
    const uint32_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1;
}

zipnn_status zn_driver_open(struct zn_driver *d, int device, const void *code, zipnn_error *err) {
    *d = (struct zn_driver){0};
    if (!is_little_endian())
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE, "GPUs are used from little-endian processors only");
    if (!code && zn_gpu_kernels_len == 0)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                       "this library was built without kernels for GPUs: `make gpu` builds them");
    if (!code) code = zn_gpu_kernels;
    ZN_TRY(find_calls(d, err));
    ZN_TRY(find_device(d, device, err));
    ZN_TRY(unsupported(d, d->retain(&d->context, d->which), "use the device", err));
    zipnn_status st = zn_driver_said(d, d->push(d->context), "use the device", err);
    if (st == ZIPNN_OK) {
        void *popped;
        st = load_kernels(d, code, err);
        d->pop(&popped);
    }
    if (st != ZIPNN_OK) zn_driver_close(d);
    return st;
}

void zn_driver_close(struct zn_driver *d) {
    void *popped;
    if (!d->context) return;
    if (d->module && d->push(d->context) == 0) {
        d->module_unload(d->module);
        d->pop(&popped);
    }
    d->release(d->which);
    d->context = NULL;
}
