#include "base/err.h"

#undef zn_fail

#include <stdarg.h>
#include <stdio.h>

zipnn_status zn_fail(zipnn_error *err, zipnn_status status, uint64_t offset, const char *format, ...) {
    if (!err) return status;
    err->status = status;
    err->offset = offset;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}
