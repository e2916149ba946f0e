#include "plan/dtype.h"

const char *zipnn_dtype_name(zipnn_dtype dtype) {
    return zn_dtype_name(dtype);
}

unsigned zipnn_dtype_bits(zipnn_dtype dtype) {
    return zn_dtype_bits(dtype);
}
