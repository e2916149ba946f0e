#include "plan/dtype.h"
#include "readers/pickle.h"

/* The functions that return arrays. The results of all others are objects of no interest. */

enum {
    MAX_STORAGES = 1 << 20,
    MAX_ARRAYS = 1 << 20,
    MAX_AXES = 1 << 23,
    MAX_KEY = 128 /* longest key of a storage; keys are compared often */
};

typedef struct zn_pickle_value value;

static bool is(const struct zn_pickle *p, value v, const char *name) {
    return v.kind == ZN_PICKLE_GLOBAL && strcmp(zn_pickle_text(p, (size_t)v.what), name) == 0;
}

static bool is_one_of(const struct zn_pickle *p, value v, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (is(p, v, names[i])) return true;
    return false;
}

/* Returns the name after the last dot of a global. */
static const char *last_name(const struct zn_pickle *p, value global) {
    const char *text = zn_pickle_text(p, (size_t)global.what), *dot = strrchr(text, '.');
    return dot ? dot + 1 : text;
}

/* ---- element types */

struct type {
    const char *name;
    uint8_t dtype, element; /* as in zn_pickle_type */
    uint8_t type;           /* where it is another type */
};

static const struct type storage_types[] = {
    {"FloatStorage", ZIPNN_F32, 4, 0},
    {"HalfStorage", ZIPNN_F16, 2, 0},
    {"BFloat16Storage", ZIPNN_BF16, 2, 0},
    {"DoubleStorage", ZIPNN_F64, 8, 0},
    {"LongStorage", ZIPNN_I64, 8, 0},
    {"IntStorage", ZIPNN_I32, 4, 0},
    {"ShortStorage", ZIPNN_I16, 2, 0},
    {"CharStorage", ZIPNN_I8, 1, 0},
    {"ByteStorage", ZIPNN_U8, 1, 0},
    {"BoolStorage", ZIPNN_BOOL, 1, 0},
    {"QInt8Storage", ZIPNN_I8, 1, 0},
    {"QUInt8Storage", ZIPNN_U8, 1, 0},
    {"QInt32Storage", ZIPNN_I32, 4, 0},
    {"ComplexFloatStorage", ZIPNN_C64, 8, 0},
    {"ComplexDoubleStorage", ZIPNN_F64, 16, ZIPNN_C128},
};

static const struct type torch_types[] = {
    {"float32", ZIPNN_F32, 4, 0},
    {"float16", ZIPNN_F16, 2, 0},
    {"bfloat16", ZIPNN_BF16, 2, 0},
    {"float64", ZIPNN_F64, 8, 0},
    {"int64", ZIPNN_I64, 8, 0},
    {"int32", ZIPNN_I32, 4, 0},
    {"int16", ZIPNN_I16, 2, 0},
    {"int8", ZIPNN_I8, 1, 0},
    {"uint64", ZIPNN_U64, 8, 0},
    {"uint32", ZIPNN_U32, 4, 0},
    {"uint16", ZIPNN_U16, 2, 0},
    {"uint8", ZIPNN_U8, 1, 0},
    {"bool", ZIPNN_BOOL, 1, 0},
    {"complex64", ZIPNN_C64, 8, 0},
    {"complex128", ZIPNN_F64, 16, ZIPNN_C128},
    {"complex32", ZIPNN_DTYPE_UNKNOWN, 4, ZIPNN_C32},
    {"float8_e4m3fn", ZIPNN_F8_E4M3, 1, 0},
    {"float8_e5m2", ZIPNN_F8_E5M2, 1, 0},
    {"float8_e4m3fnuz", ZIPNN_F8_E4M3FNUZ, 1, 0},
    {"float8_e5m2fnuz", ZIPNN_F8_E5M2FNUZ, 1, 0},
    {"float8_e8m0fnu", ZIPNN_F8_E8M0, 1, 0},
    {"float4_e2m1fn_x2", ZIPNN_F4_E2M1, 1, 0},
};

static const struct type numpy_types[] = {
    {"f2", ZIPNN_F16, 2, 0}, {"f4", ZIPNN_F32, 4, 0},
    {"f8", ZIPNN_F64, 8, 0}, {"i1", ZIPNN_I8, 1, 0},
    {"i2", ZIPNN_I16, 2, 0}, {"i4", ZIPNN_I32, 4, 0},
    {"i8", ZIPNN_I64, 8, 0}, {"u1", ZIPNN_U8, 1, 0},
    {"u2", ZIPNN_U16, 2, 0}, {"u4", ZIPNN_U32, 4, 0},
    {"u8", ZIPNN_U64, 8, 0}, {"b1", ZIPNN_BOOL, 1, 0},
    {"c8", ZIPNN_C64, 8, 0}, {"c16", ZIPNN_F64, 16, ZIPNN_C128},
};

/* Types of the package ml_dtypes, whose arrays the chunker measures. */
static const struct type foreign_types[] = {
    {"bfloat16", ZIPNN_DTYPE_UNKNOWN, 2, ZIPNN_BF16},
    {"float8_e4m3fn", ZIPNN_DTYPE_UNKNOWN, 1, ZIPNN_F8_E4M3},
    {"float8_e5m2", ZIPNN_DTYPE_UNKNOWN, 1, ZIPNN_F8_E5M2},
    {"float8_e4m3fnuz", ZIPNN_DTYPE_UNKNOWN, 1, ZIPNN_F8_E4M3FNUZ},
    {"float8_e5m2fnuz", ZIPNN_DTYPE_UNKNOWN, 1, ZIPNN_F8_E5M2FNUZ},
    {"float8_e8m0fnu", ZIPNN_DTYPE_UNKNOWN, 1, ZIPNN_F8_E8M0},
};

#define TYPES(table) table, sizeof(table) / sizeof(table)[0]

/* Returns the type with this name; UNKNOWN, of 0 bytes, if the table does not have it. */
static struct zn_pickle_type type_of(const char *name, const struct type *types, size_t n) {
    struct zn_pickle_type found = {ZIPNN_DTYPE_UNKNOWN, ZIPNN_DTYPE_UNKNOWN, 0, 0};
    for (size_t i = 0; i < n && found.element == 0; i++) {
        if (strcmp(types[i].name, name) != 0) continue;
        found.dtype = (zipnn_dtype)types[i].dtype;
        found.type = (zipnn_dtype)(types[i].type ? types[i].type : types[i].dtype);
        found.element = types[i].element;
    }
    return found;
}

struct zn_pickle_type zn_pickle_type_named(const char *name) {
    return type_of(name, TYPES(torch_types));
}

struct zn_pickle_type zn_pickle_type_coded(const char *code) {
    return type_of(code, TYPES(numpy_types));
}

static struct zn_pickle_type *type_at(const struct zn_pickle *p, value v) {
    return (struct zn_pickle_type *)p->types.at + v.what;
}

static value new_type(struct zn_pickle *p, struct zn_pickle_type type) {
    struct zn_pickle_type *room = zn_pickle_grow(p, &p->types, 1, sizeof *room, MAX_ARRAYS);
    if (!room) return (value){0};
    *room = type;
    return (value){ZN_PICKLE_DTYPE, 0, p->types.n - 1};
}

/* numpy.dtype(name or type, ...) returns a type. */
static value numpy_type(struct zn_pickle *p, value name) {
    static const char foreign[] = "ml_dtypes.";
    const char *text = zn_pickle_text(p, (size_t)name.what);
    if (name.kind == ZN_PICKLE_TEXT) return new_type(p, type_of(text, TYPES(numpy_types)));
    if (name.kind == ZN_PICKLE_GLOBAL && strncmp(text, foreign, sizeof foreign - 1) == 0)
        return new_type(p, type_of(last_name(p, name), TYPES(foreign_types)));
    return (value){0};
}

/* Sets the byte order of a numpy type from its state, which is (version, byte order, ...). */
static void set_order(const struct zn_pickle *p, value type, value state) {
    size_t n;
    const value *s = zn_pickle_items(p, state, 2, &n);
    if (!s || s[1].kind != ZN_PICKLE_TEXT || strcmp(zn_pickle_text(p, (size_t)s[1].what), ">") != 0) return;
    if (zn_dtype_unit(type_at(p, type)->type) > 1) type_at(p, type)->meaning |= ZN_BIG_ENDIAN;
}

/* ---- arrays */

static struct zn_pickle_array *array_at(const struct zn_pickle *p, value v) {
    return (struct zn_pickle_array *)p->arrays.at + v.what;
}

value zn_pickle_new_array(struct zn_pickle *p, struct zn_pickle_array array) {
    struct zn_pickle_array *room = zn_pickle_grow(p, &p->arrays, 1, sizeof *room, MAX_ARRAYS);
    if (!room) return (value){0};
    *room = array;
    return (value){ZN_PICKLE_ARRAY, 0, p->arrays.n - 1};
}

/* Takes a tuple of sizes, none of them negative. */
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

/* Returns whether the strides are those of rows one after the other. A dimension of one element may have any stride. */
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

static bool is_in_columns(const struct zn_pickle *p, const struct zn_pickle_array *a, const value *stride) {
    uint64_t expected = 1;
    for (uint32_t i = 0; i < a->rank; i++) {
        const uint64_t dim = zn_pickle_dim(p, a, i);
        if (dim != 1 && stride[i].what != expected) return false;
        if (!zn_mul(expected, dim, &expected)) return false;
    }
    return true;
}

/* Takes strides of an array that is not row after row. */
static bool take_strides(const struct zn_pickle *p, struct zn_pickle_array *a, value strides) {
    size_t n;
    const value *stride = zn_pickle_items(p, strides, 0, &n);
    if (n != a->rank) return false;
    for (size_t i = 0; i < n; i++)
        if (stride[i].kind != ZN_PICKLE_INT || (int64_t)stride[i].what < 0) return false;
    a->strides = n ? (uint64_t)(stride - (const value *)p->items.at) : 0;
    if (is_in_columns(p, a, stride)) a->type.meaning |= ZN_COLUMN_MAJOR;
    return true;
}

/* Returns what a tensor's metadata says of its bits: {'conj': True, 'neg': True}. */
static uint32_t lazy_bits(const struct zn_pickle *p, value metadata) {
    uint32_t meaning = 0;
    if (metadata.kind != ZN_PICKLE_NODE) return 0;
    const struct zn_pickle_node *node = (const struct zn_pickle_node *)p->nodes.at + metadata.what;
    for (uint32_t at = node->first_run; at != 0;) {
        const struct zn_pickle_run *run = (const struct zn_pickle_run *)p->runs.at + at - 1;
        const value *item = (const value *)p->items.at + run->items;
        for (uint32_t i = 0; run->kind == ZN_RUN_PAIRS && i + 1 < run->n; i += 2) {
            if (item[i].kind != ZN_PICKLE_TEXT || item[i + 1].kind != ZN_PICKLE_INT || item[i + 1].what == 0) continue;
            const char *key = zn_pickle_text(p, (size_t)item[i].what);
            if (strcmp(key, "conj") == 0) meaning |= ZN_CONJUGATE;
            if (strcmp(key, "neg") == 0) meaning |= ZN_NEGATIVE;
        }
        at = run->next;
    }
    return meaning;
}

/* _rebuild_tensor(storage, offset, size, stride, ...) returns a tensor. _v2 has metadata as the seventh argument; _v3
 * has the element type there, and metadata after it. */
static value tensor(struct zn_pickle *p, const value *args, size_t n) {
    struct zn_pickle_array a = {.where = ZN_ARRAY_STORED};
    if (args[0].kind != ZN_PICKLE_STORAGE || args[1].kind != ZN_PICKLE_INT || !take_dims(p, args[2], &a))
        return (value){0};
    a.source = args[0].what;
    a.first = args[1].what;
    a.type = zn_pickle_storages(p)[a.source].type;
    if (a.type.element == 0 && n > 6 && args[6].kind == ZN_PICKLE_GLOBAL)
        a.type = type_of(last_name(p, args[6]), TYPES(torch_types));
    a.contiguous = is_contiguous(p, &a, args[3]);
    if (!a.contiguous && !take_strides(p, &a, args[3])) a.strides = ZN_PICKLE_NO_STRIDES;
    for (size_t i = 6; i < n && i < 8; i++) a.type.meaning |= lazy_bits(p, args[i]);
    return zn_pickle_new_array(p, a);
}

/* _codecs.encode(text, "latin1") returns bytes. In protocols 0 to 2, which have no bytes, Python 3 spells them so. */
static value spelled(struct zn_pickle *p, const value *args) {
    const char *codec = args[1].kind == ZN_PICKLE_TEXT ? zn_pickle_text(p, (size_t)args[1].what) : "";
    if (args[0].kind != ZN_PICKLE_LONG_TEXT || strcmp(codec, "latin1") != 0) return (value){0};
    return (value){ZN_PICKLE_SPELLED, 0, args[0].what};
}

/* Sets the bytes of an array. `in_columns` says that the first index varies fastest. */
static void set_bytes(const struct zn_pickle *p, struct zn_pickle_array *a, value dtype, value bytes,
                      enum zn_meaning in_columns) {
    const value *place = (const value *)p->items.at + bytes.what;
    a->where = bytes.kind == ZN_PICKLE_SPELLED ? ZN_ARRAY_SPELLED : ZN_ARRAY_INLINE;
    a->type = *type_at(p, dtype);
    a->type.meaning |= in_columns;
    a->contiguous = true;
    a->source = place[0].what;
    a->first = place[1].what;
}

/* Reorders the axes of an array that is row after row. Returns false for an impossible order. */
static bool turn_axes(struct zn_pickle *p, struct zn_pickle_array *a, value order) {
    const uint32_t n = a->rank;
    uint64_t stride[ZN_PICKLE_MAX_RANK], next = 1;
    value turned[2 * ZN_PICKLE_MAX_RANK];
    unsigned seen = 0;
    size_t n_axes;
    const value *axes = zn_pickle_items(p, order, 0, &n_axes);
    if (n_axes != n) return false;
    for (uint32_t i = n; i-- > 0;) {
        stride[i] = next;
        if (!zn_mul(next, zn_pickle_dim(p, a, i), &next)) return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (axes[i].kind != ZN_PICKLE_INT || axes[i].what >= n || seen >> axes[i].what & 1) return false;
        seen |= 1u << axes[i].what;
        turned[i] = (value){ZN_PICKLE_INT, 0, zn_pickle_dim(p, a, (uint32_t)axes[i].what)};
        turned[n + i] = (value){ZN_PICKLE_INT, 0, stride[axes[i].what]};
    }
    a->dims = p->items.n;
    a->strides = a->dims + n;
    value *items = n ? zn_pickle_grow(p, &p->items, 2 * n, sizeof *items, MAX_AXES) : NULL;
    if (items) memcpy(items, turned, 2 * n * sizeof *items);
    a->contiguous = n == 0;
    return items || n == 0;
}

/* numpy's _frombuffer(bytes, dtype, shape, order, axes) returns an array. The order is "C", "F", or with axes "K": "C"
 * with reordered axes. */
static value from_buffer(struct zn_pickle *p, const value *args, size_t n) {
    struct zn_pickle_array a = {.where = ZN_ARRAY_UNFINISHED};
    if (args[0].kind != ZN_PICKLE_BYTES || args[1].kind != ZN_PICKLE_DTYPE || !take_dims(p, args[2], &a))
        return (value){0};
    const char *order = n > 3 && args[3].kind == ZN_PICKLE_TEXT ? zn_pickle_text(p, (size_t)args[3].what) : "C";
    set_bytes(p, &a, args[1], args[0], strcmp(order, "F") == 0 ? ZN_COLUMN_MAJOR : 0);
    if (strcmp(order, "K") == 0 && n > 4 && args[4].kind == ZN_PICKLE_NODE && !turn_axes(p, &a, args[4]))
        return (value){0};
    return zn_pickle_new_array(p, a);
}

/* ---- calls */

/* Returns the array that a function returns; OTHER for a function that returns none. */
static value array_of(struct zn_pickle *p, value callable, value args) {
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
    if (n >= 3 && is_one_of(p, callable, buffers, 2)) result = from_buffer(p, a, n);
    if (is_one_of(p, callable, empty_arrays, 2)) result = zn_pickle_new_array(p, (struct zn_pickle_array){0});
    if (n >= 2 && is(p, callable, "_codecs.encode")) result = spelled(p, a);
    if (n >= 1 && is(p, callable, "numpy.dtype")) result = numpy_type(p, a[0]);
    return result;
}

/* OrderedDict(pairs), as Python 2 wrote it, returns a dictionary. Python 3 sets the pairs later. */
static value ordered_dict(struct zn_pickle *p, value args) {
    const value dict = zn_pickle_node_of(p, ZN_RUN_PAIRS, NULL, 0);
    size_t n, n_pairs, n_fields;
    const value *a = zn_pickle_items(p, args, 1, &n);
    if (!a || !zn_pickle_items(p, a[0], 1, &n_pairs)) return dict;
    const value pairs = a[0];
    for (size_t i = 0; i < n_pairs && p->status == ZIPNN_OK; i++) {
        const value pair = zn_pickle_items(p, pairs, 1, &n_pairs)[i];
        const value *field = zn_pickle_items(p, pair, 2, &n_fields);
        const value both[2] = {field ? field[0] : pair, field ? field[1] : pair};
        zn_pickle_append(p, dict.what, ZN_RUN_PAIRS, both, 2);
    }
    return dict;
}

value zn_pickle_call(struct zn_pickle *p, value callable, value args) {
    static const char from_type[] = "torch._tensor._rebuild_from_type_v2";
    size_t n;
    const value *a = zn_pickle_items(p, args, 0, &n);
    if (is(p, callable, "collections.OrderedDict")) return ordered_dict(p, args);
    const bool of_type = n >= 3 && is(p, callable, from_type); /* (function, type, arguments, state) */
    const value result = of_type ? array_of(p, a[0], a[2]) : array_of(p, callable, args);
    return result.kind != ZN_PICKLE_OTHER ? result : zn_pickle_node_of(p, ZN_RUN_PARTS, &args, 1);
}

value zn_pickle_persistent(struct zn_pickle *p, value id) {
    size_t n;
    const value *field = zn_pickle_items(p, id, 5, &n);
    if (!field || field[0].kind != ZN_PICKLE_TEXT || strcmp(zn_pickle_text(p, (size_t)field[0].what), "storage") != 0)
        return (value){0};
    if (field[1].kind != ZN_PICKLE_GLOBAL || field[2].kind != ZN_PICKLE_TEXT || field[4].kind != ZN_PICKLE_INT ||
        (int64_t)field[4].what < 0 || field[2].len > MAX_KEY)
        return (value){0};
    const struct zn_pickle_type type = type_of(last_name(p, field[1]), TYPES(storage_types));
    struct zn_pickle_storage *s = zn_pickle_grow(p, &p->storages, 1, sizeof *s, MAX_STORAGES);
    if (!s) return (value){0};
    *s = (struct zn_pickle_storage){(size_t)field[2].what, type, field[4].what};
    return (value){ZN_PICKLE_STORAGE, 0, p->storages.n - 1};
}

static bool is_dict(const struct zn_pickle *p, value node) {
    const uint32_t run = ((const struct zn_pickle_node *)p->nodes.at)[node.what].first_run;
    return run && ((const struct zn_pickle_run *)p->runs.at)[run - 1].kind == ZN_RUN_PAIRS;
}

/* Sets attributes, either a dictionary or those of __dict__ and of __slots__: (None or a dictionary, a dictionary). */
static void set_attributes(struct zn_pickle *p, value object, value state) {
    size_t n, n_slots;
    const value *s = zn_pickle_items(p, state, 2, &n);
    const bool both = s && n == 2 && (s[0].kind == ZN_PICKLE_OTHER || s[0].kind == ZN_PICKLE_NODE) &&
                      zn_pickle_items(p, s[1], 2, &n_slots) && is_dict(p, s[1]);
    const value parts[2] = {both ? s[0] : state, both ? s[1] : state};
    zn_pickle_append(p, object.what, ZN_RUN_PARTS, parts, both ? 2 : 1);
}

/* Sets the state of a numpy array, which is (version, shape, dtype, is_fortran, bytes). */
void zn_pickle_build(struct zn_pickle *p, value object, value state) {
    if (object.kind == ZN_PICKLE_NODE) {
        set_attributes(p, object, state);
        return;
    }
    if (object.kind == ZN_PICKLE_DTYPE) {
        set_order(p, object, state);
        return;
    }
    size_t n;
    const value *s = zn_pickle_items(p, state, 5, &n);
    if (object.kind != ZN_PICKLE_ARRAY || !s || s[2].kind != ZN_PICKLE_DTYPE) return;
    if (s[4].kind != ZN_PICKLE_BYTES && s[4].kind != ZN_PICKLE_SPELLED) return;
    struct zn_pickle_array *a = array_at(p, object);
    if (a->where == ZN_ARRAY_UNFINISHED && take_dims(p, s[1], a))
        set_bytes(p, a, s[2], s[4], s[3].kind == ZN_PICKLE_INT && s[3].what ? ZN_COLUMN_MAJOR : 0);
}
