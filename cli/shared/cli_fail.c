#include "shared/cli_fail.h"

#include <stdarg.h>
#include <stdio.h>

zipnn_status cli_fail(zipnn_error *err, zipnn_status status, const char *format, ...) {
    if (!err) return status; /* the library passes NULL on where its caller gave NULL */
    err->status = status;
    err->offset = UINT64_MAX;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}
