#include "numpy_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct type {
    zipnn_dtype dtype;
    const char *descr;
} exact_types[] = {
    {ZIPNN_F16, "<f2"}, {ZIPNN_F32, "<f4"}, {ZIPNN_F64, "<f8"},  {ZIPNN_I8, "|i1"},  {ZIPNN_U8, "|u1"},
    {ZIPNN_I16, "<i2"}, {ZIPNN_U16, "<u2"}, {ZIPNN_I32, "<i4"},  {ZIPNN_U32, "<u4"}, {ZIPNN_I64, "<i8"},
    {ZIPNN_U64, "<u8"}, {ZIPNN_C64, "<c8"}, {ZIPNN_BOOL, "|b1"},
};

static void choose_type(zipnn_dtype dtype, struct npy_shape *s) {
    for (size_t i = 0; i < sizeof exact_types / sizeof exact_types[0]; i++) {
        if (exact_types[i].dtype != dtype) continue;
        s->exact = true;
        s->descr = exact_types[i].descr;
        return;
    }
    const bool two = zipnn_dtype_bits(dtype) == 16;
    s->descr = two ? "<u2" : "|u1";
    s->type_name = two ? "uint16" : "uint8";
}

struct npy_shape npy_shape_of(const zipnn_tensor_info *t, uint64_t rows, uint64_t row_len) {
    struct npy_shape s = {.rank = t->rank < NPY_MAX_RANK ? t->rank : NPY_MAX_RANK};
    choose_type(t->dtype, &s);
    const unsigned bits = zipnn_dtype_bits(t->dtype);
    if (bits % 8 == 0 && bits) {
        for (uint32_t i = 0; i < s.rank; i++) s.dim[i] = i ? t->shape[i] : rows;
    } else {
        s.rank = 2;
        s.dim[0] = rows;
        s.dim[1] = row_len;
    }
    return s;
}

size_t npy_header(const struct npy_shape *shape, char out[NPY_MAX_HEADER]) {
    enum { PREFIX = 10, ALIGNMENT = 64 };
    size_t n = PREFIX + (size_t)snprintf(out + PREFIX, NPY_MAX_HEADER - PREFIX,
                                         "{'descr': '%s', 'fortran_order': False, 'shape': (", shape->descr);
    for (uint32_t i = 0; i < shape->rank; i++)
        n += (size_t)snprintf(out + n, NPY_MAX_HEADER - n, "%" PRIu64 "%s", shape->dim[i],
                              i + 1 < shape->rank || shape->rank == 1 ? "," : "");
    n += (size_t)snprintf(out + n, NPY_MAX_HEADER - n, "), }");
    while (n % ALIGNMENT != ALIGNMENT - 1) out[n++] = ' ';
    out[n++] = '\n';
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)((n - PREFIX) & 0xff);
    out[9] = (char)((n - PREFIX) >> 8);
    return n;
}
