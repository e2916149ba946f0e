#include "plan/dtype.h"
#include "readers/pickle.h"

/* The functions whose results are arrays; everything else is an object of no interest. */

enum { MAX_STORAGES = 1 << 20, MAX_ARRAYS = 1 << 20 };

typedef struct zn_pickle_value value;

static bool is(const struct zn_pickle *p, value v, const char *name) {
    return v.kind == ZN_PICKLE_GLOBAL && strcmp(zn_pickle_text(p, (size_t)v.what), name) == 0;
}

static bool is_one_of(const struct zn_pickle *p, value v, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (is(p, v, names[i])) return true;
    return false;
}

/* The name after the last dot of a global. */
static const char *last_name(const struct zn_pickle *p, value global) {
    const char *text = zn_pickle_text(p, (size_t)global.what), *dot = strrchr(text, '.');
    return dot ? dot + 1 : text;
}

/* ---- element types */

struct type {
    const char *name;
    uint8_t dtype, element;
};

static const struct type storage_types[] = {
    {"FloatStorage", ZIPNN_F32, 4},  {"HalfStorage", ZIPNN_F16, 2},         {"BFloat16Storage", ZIPNN_BF16, 2},
    {"DoubleStorage", ZIPNN_F64, 8}, {"LongStorage", ZIPNN_I64, 8},         {"IntStorage", ZIPNN_I32, 4},
    {"ShortStorage", ZIPNN_I16, 2},  {"CharStorage", ZIPNN_I8, 1},          {"ByteStorage", ZIPNN_U8, 1},
    {"BoolStorage", ZIPNN_BOOL, 1},  {"QInt8Storage", ZIPNN_I8, 1},         {"QUInt8Storage", ZIPNN_U8, 1},
    {"QInt32Storage", ZIPNN_I32, 4}, {"ComplexFloatStorage", ZIPNN_C64, 8}, {"ComplexDoubleStorage", ZIPNN_F64, 16},
};

static const struct type torch_types[] = {
    {"float32", ZIPNN_F32, 4},
    {"float16", ZIPNN_F16, 2},
    {"bfloat16", ZIPNN_BF16, 2},
    {"float64", ZIPNN_F64, 8},
    {"int64", ZIPNN_I64, 8},
    {"int32", ZIPNN_I32, 4},
    {"int16", ZIPNN_I16, 2},
    {"int8", ZIPNN_I8, 1},
    {"uint64", ZIPNN_U64, 8},
    {"uint32", ZIPNN_U32, 4},
    {"uint16", ZIPNN_U16, 2},
    {"uint8", ZIPNN_U8, 1},
    {"bool", ZIPNN_BOOL, 1},
    {"complex64", ZIPNN_C64, 8},
    {"complex128", ZIPNN_F64, 16},
    {"float8_e4m3fn", ZIPNN_F8_E4M3, 1},
    {"float8_e5m2", ZIPNN_F8_E5M2, 1},
    {"float8_e4m3fnuz", ZIPNN_F8_E4M3FNUZ, 1},
    {"float8_e5m2fnuz", ZIPNN_F8_E5M2FNUZ, 1},
    {"float8_e8m0fnu", ZIPNN_F8_E8M0, 1},
    {"float4_e2m1fn_x2", ZIPNN_F4_E2M1, 1},
};

static const struct type numpy_types[] = {
    {"f2", ZIPNN_F16, 2}, {"f4", ZIPNN_F32, 4},  {"f8", ZIPNN_F64, 8}, {"i1", ZIPNN_I8, 1},    {"i2", ZIPNN_I16, 2},
    {"i4", ZIPNN_I32, 4}, {"i8", ZIPNN_I64, 8},  {"u1", ZIPNN_U8, 1},  {"u2", ZIPNN_U16, 2},   {"u4", ZIPNN_U32, 4},
    {"u8", ZIPNN_U64, 8}, {"b1", ZIPNN_BOOL, 1}, {"c8", ZIPNN_C64, 8}, {"c16", ZIPNN_F64, 16},
};

#define TYPES(table) table, sizeof(table) / sizeof(table)[0]

/* A DTYPE value; UNKNOWN and 0 bytes for a name that is not in the table. */
static value type_of(const char *name, const struct type *types, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(types[i].name, name) == 0) return (value){ZN_PICKLE_DTYPE, types[i].element, types[i].dtype};
    return (value){ZN_PICKLE_DTYPE, 0, ZIPNN_DTYPE_UNKNOWN};
}

/* ---- arrays */

static struct zn_pickle_array *array_at(const struct zn_pickle *p, value v) {
    return (struct zn_pickle_array *)p->arrays.at + v.what;
}

static value new_array(struct zn_pickle *p, struct zn_pickle_array array) {
    struct zn_pickle_array *room = zn_pickle_grow(p, &p->arrays, 1, sizeof *room, MAX_ARRAYS);
    if (!room) return (value){0};
    *room = array;
    return (value){ZN_PICKLE_ARRAY, 0, p->arrays.n - 1};
}

/* A tuple of sizes that are not negative. */
static bool take_dims(const struct zn_pickle *p, value tuple, struct zn_pickle_array *a) {
    size_t n;
    const value *dims = zn_pickle_items(p, tuple, 0, &n);
    if (tuple.kind != ZN_PICKLE_NODE || n > ZN_PICKLE_MAX_RANK) return false;
    for (size_t i = 0; i < n; i++)
        if (dims[i].kind != ZN_PICKLE_INT || (int64_t)dims[i].what < 0) return false;
    a->rank = (uint32_t)n;
    a->dims = n ? (uint64_t)(dims - (const value *)p->items.at) : 0;
    return true;
}

/* Whether the strides are those of row after row. Dimensions of one element may have any. */
static bool is_contiguous(const struct zn_pickle *p, const struct zn_pickle_array *a, value strides) {
    size_t n;
    const value *stride = zn_pickle_items(p, strides, 0, &n);
    uint64_t expected = 1;
    if (n != a->rank) return false;
    for (uint32_t i = a->rank; i-- > 0;) {
        const uint64_t dim = zn_pickle_dim(p, a, i);
        if (dim != 1 && (stride[i].kind != ZN_PICKLE_INT || stride[i].what != expected)) return dim == 0;
        if (!zn_mul(expected, dim, &expected)) return false;
    }
    return true;
}

/* _rebuild_tensor(storage, offset, size, stride, ...); _v3 has the element type as the seventh. */
static value tensor(struct zn_pickle *p, const value *args, size_t n) {
    struct zn_pickle_array a = {.where = ZN_ARRAY_STORED};
    if (args[0].kind != ZN_PICKLE_STORAGE || args[1].kind != ZN_PICKLE_INT || !take_dims(p, args[2], &a))
        return (value){0};
    a.source = args[0].what;
    a.first = args[1].what;
    a.contiguous = is_contiguous(p, &a, args[3]);
    a.dtype = zn_pickle_storages(p)[a.source].dtype;
    a.element = zn_pickle_storages(p)[a.source].element;
    if (a.element == 0 && n > 6 && args[6].kind == ZN_PICKLE_GLOBAL) {
        const value type = type_of(last_name(p, args[6]), TYPES(torch_types));
        a.dtype = (zipnn_dtype)type.what;
        a.element = type.len;
    }
    return new_array(p, a);
}

static void set_bytes(const struct zn_pickle *p, struct zn_pickle_array *a, value dtype, value bytes) {
    const value *place = (const value *)p->items.at + bytes.what;
    a->where = ZN_ARRAY_INLINE;
    a->dtype = (zipnn_dtype)dtype.what;
    a->element = dtype.len;
    a->contiguous = true;
    a->source = place[0].what;
    a->first = place[1].what;
}

/* numpy's _frombuffer(bytes, dtype, shape, order). */
static value from_buffer(struct zn_pickle *p, const value *args) {
    struct zn_pickle_array a = {.where = ZN_ARRAY_UNFINISHED};
    if (args[0].kind != ZN_PICKLE_BYTES || args[1].kind != ZN_PICKLE_DTYPE || !take_dims(p, args[2], &a))
        return (value){0};
    set_bytes(p, &a, args[1], args[0]);
    return new_array(p, a);
}

/* ---- calls */

value zn_pickle_call(struct zn_pickle *p, value callable, value args) {
    static const char *const tensors[] = {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
                                          "torch._utils._rebuild_tensor", "torch._utils._rebuild_qtensor"};
    static const char *const wrappers[] = {"torch._utils._rebuild_parameter",
                                           "torch._utils._rebuild_parameter_with_state"};
    static const char *const empty_arrays[] = {"numpy.core.multiarray._reconstruct",
                                               "numpy._core.multiarray._reconstruct"};
    static const char *const buffers[] = {"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"};
    size_t n;
    const value *a = zn_pickle_items(p, args, 0, &n);
    value result = {0};
    if (n >= 4 && is_one_of(p, callable, tensors, 4)) result = tensor(p, a, n);
    if (n >= 1 && is_one_of(p, callable, wrappers, 2)) result = a[0];
    if (n >= 3 && is_one_of(p, callable, buffers, 2)) result = from_buffer(p, a);
    if (is_one_of(p, callable, empty_arrays, 2)) result = new_array(p, (struct zn_pickle_array){0});
    if (n >= 1 && is(p, callable, "numpy.dtype") && a[0].kind == ZN_PICKLE_TEXT)
        result = type_of(zn_pickle_text(p, (size_t)a[0].what), TYPES(numpy_types));
    if (is(p, callable, "collections.OrderedDict")) return zn_pickle_node_of(p, ZN_NODE_DICT, NULL, 0);
    return result.kind != ZN_PICKLE_OTHER ? result : zn_pickle_node_of(p, ZN_NODE_CALL, &args, 1);
}

value zn_pickle_persistent(struct zn_pickle *p, value id) {
    size_t n;
    const value *field = zn_pickle_items(p, id, 5, &n);
    if (!field || field[0].kind != ZN_PICKLE_TEXT || strcmp(zn_pickle_text(p, (size_t)field[0].what), "storage") != 0)
        return (value){0};
    if (field[1].kind != ZN_PICKLE_GLOBAL || field[2].kind != ZN_PICKLE_TEXT || field[4].kind != ZN_PICKLE_INT ||
        (int64_t)field[4].what < 0)
        return (value){0};
    const value type = type_of(last_name(p, field[1]), TYPES(storage_types));
    struct zn_pickle_storage *s = zn_pickle_grow(p, &p->storages, 1, sizeof *s, MAX_STORAGES);
    if (!s) return (value){0};
    *s = (struct zn_pickle_storage){(size_t)field[2].what, (zipnn_dtype)type.what, type.len, field[4].what};
    return (value){ZN_PICKLE_STORAGE, 0, p->storages.n - 1};
}

/* The state of a numpy array is (version, shape, dtype, is_fortran, bytes); a dtype's repeats what is known. */
void zn_pickle_build(struct zn_pickle *p, value object, value state) {
    if (object.kind == ZN_PICKLE_NODE) {
        const struct zn_pickle_node *node = (const struct zn_pickle_node *)p->nodes.at + object.what;
        if (node->shape == ZN_NODE_DICT) return; /* attributes of a dictionary hold no weights */
        zn_pickle_append(p, object.what, &state, 1);
        return;
    }
    size_t n;
    const value *s = zn_pickle_items(p, state, 5, &n);
    if (object.kind != ZN_PICKLE_ARRAY || !s || s[2].kind != ZN_PICKLE_DTYPE || s[4].kind != ZN_PICKLE_BYTES) return;
    struct zn_pickle_array *a = array_at(p, object);
    if (a->where == ZN_ARRAY_UNFINISHED && take_dims(p, s[1], a)) set_bytes(p, a, s[2], s[4]);
}
