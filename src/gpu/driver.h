/* A device of NVIDIA's driver, which is loaded when the program runs, with the kernels on it. */
#ifndef ZN_GPU_DRIVER_H
#define ZN_GPU_DRIVER_H

#include "base/err.h"
#include "gpu/device.h"

struct zn_driver {
#define CALL(name, symbol, parameters) int(*name) parameters;
#include "gpu/driver.def"
#undef CALL
    int which; /* the device */
    void *context, *module;
    void *kernel[ZN_GPU_N_KERNELS];
};

/* Loads the driver and the kernels: `code`, or NULL for those of the library. ZIPNN_E_UNSUPPORTED says in one sentence what is missing. On failure nothing is owned. */
zipnn_status zn_driver_open(struct zn_driver *d, int device, const void *code, zipnn_error *err);
void zn_driver_close(struct zn_driver *d);

/* ZIPNN_OK if a call of the driver returned 0; otherwise ZIPNN_E_IO (ZIPNN_E_MEMORY where memory is lacking) with the driver's own words. */
zipnn_status zn_driver_said(const struct zn_driver *d, int answer, const char *doing, zipnn_error *err);

#endif
