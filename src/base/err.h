/* Failure: a status in the type, an explanation written once where the fault is found. */
#ifndef ZN_BASE_ERR_H
#define ZN_BASE_ERR_H

#include "zipnn/zipnn.h"

#define ZN_NOWHERE UINT64_MAX /* no single byte offset is to blame */

/* Fills *err (NULL allowed) and returns `status`. The first to see a fault calls this; everyone above only passes it
 * on. */
__attribute__((format(printf, 4, 5))) zipnn_status zn_fail(zipnn_error *err, zipnn_status status, uint64_t offset,
                                                           const char *format, ...);

#ifdef __clang_analyzer__
#define zn_fail(err, status, ...) (zn_fail(err, status, __VA_ARGS__), (status)) /* it knows one file at a time */
#endif

/* Returns from the calling function when `expr` fails. Only where nothing is owned. */
#define ZN_TRY(expr)                           \
    do {                                       \
        zipnn_status zn_st_ = (expr);          \
        if (zn_st_ != ZIPNN_OK) return zn_st_; \
    } while (0)

#endif
