#include "commands/numpy_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Returns the bytes of an element, 0 if that is not a whole number. */
static uint64_t element_of(const zipnn_tensor_info *t, uint64_t elements, uint64_t length) {
    const unsigned bits = zipnn_dtype_bits(t->dtype);
    if (bits) return bits % 8 ? 0 : bits / 8;
    return t->dtype == ZIPNN_DTYPE_UNKNOWN && elements && length % elements == 0 ? length / elements : 0;
}

static void choose_type(const zipnn_tensor_info *t, const zipnn_tensor_layout *layout, uint64_t element,
                        struct npy_shape *s) {
    zipnn_dtype_info info = {.size = sizeof info};
    if (zipnn_dtype_describe(t->dtype, &info, NULL) != ZIPNN_OK) { /* opaque elements, as numpy writes them */
        s->exact = element > 0;
        snprintf(s->descr, sizeof s->descr, element ? "|V%" PRIu64 : "|u1", element);
        return;
    }
    snprintf(s->descr, sizeof s->descr, "%s", info.numpy);
    if ((layout->flags & ZIPNN_TENSOR_BIG_ENDIAN) && s->descr[0] == '<') s->descr[0] = '>';
    s->exact = s->descr[1] != 'u' || strcmp(info.kind, "unsigned") == 0;
    snprintf(s->type_name, sizeof s->type_name,
             s->descr[2] == '1'   ? "uint8"
             : s->descr[2] == '2' ? "uint16"
                                  : "uint32");
}

struct npy_shape npy_shape_of(const zipnn_tensor_info *t, const zipnn_tensor_layout *layout, uint64_t rows,
                              uint64_t length) {
    struct npy_shape s = {.rank = t->rank < NPY_MAX_RANK ? t->rank : NPY_MAX_RANK};
    uint64_t elements = 1;
    for (uint32_t i = 0; i < s.rank; i++) elements *= s.dim[i] = i ? t->shape[i] : rows;
    const uint64_t element = element_of(t, elements, length);
    choose_type(t, layout, element, &s);
    if (element || length == 0) return s;
    s.bytes = true;
    const uint64_t lines = s.rank && s.dim[s.rank - 1] ? elements / s.dim[s.rank - 1] : 0;
    if (lines && length % lines == 0) {
        s.dim[s.rank - 1] = length / lines;
    } else { /* rows end inside bytes */
        s.rank = 1;
        s.dim[0] = length;
    }
    return s;
}

size_t npy_header(const struct npy_shape *shape, char out[NPY_MAX_HEADER]) {
    enum { PREFIX = 10, ALIGNMENT = 64 };
    size_t n = PREFIX + (size_t)snprintf(out + PREFIX, NPY_MAX_HEADER - PREFIX,
                                         "{'descr': '%s', 'fortran_order': %s, 'shape': (", shape->descr,
                                         shape->in_columns ? "True" : "False");
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
