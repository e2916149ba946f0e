#include "readers/tflite.h"

#include "plan/dtype.h"
#include "readers/readers.h"

/* A table begins with the distance back to its vtable, which lists the place of each field in the table. A field that
 * is not a scalar holds the distance forward to a table, a string or a vector; strings and vectors begin with a count.
 * Loops and false counts are paid from the purse, which ends them. */

enum { MAX_NAME = ZN_SCAN_MAX, MAX_RANK = 8 };

/* Numbers of fields in the schema. */
enum { MODEL_SUBGRAPHS = 2, MODEL_BUFFERS = 4 };
enum { SUBGRAPH_TENSORS = 0 };
enum { TENSOR_SHAPE = 0, TENSOR_TYPE = 1, TENSOR_BUFFER = 2, TENSOR_NAME = 3 };
enum { BUFFER_DATA = 0, BUFFER_OFFSET = 1, BUFFER_SIZE = 2 }; /* the last two: data after the tables, in the file */

static const uint8_t dtypes[] = {
    [0] = ZIPNN_F32,  [1] = ZIPNN_F16,  [2] = ZIPNN_I32,  [3] = ZIPNN_U8,    [4] = ZIPNN_I64,
    [6] = ZIPNN_BOOL, [7] = ZIPNN_I16,  [8] = ZIPNN_C64,  [9] = ZIPNN_I8,    [10] = ZIPNN_F64,
    [12] = ZIPNN_U64, [15] = ZIPNN_U32, [16] = ZIPNN_U16, [18] = ZIPNN_BF16,
};

struct file {
    struct zn_scan s;
    struct zn_plan *plan;
    uint64_t buffers, n_buffers; /* the vector of buffers */
};

struct vector {
    uint64_t at, n; /* place of the first element */
};

bool zn_tflite_knows(const uint8_t *head, size_t len) {
    return len >= 8 && memcmp(head + 4, "TFL3", 4) == 0;
}

/* ---- flatbuffers; each reader returns 0 for what it cannot read, and 0 is not a valid place */

static uint32_t u32_at(struct file *f, uint64_t at) {
    zn_scan_seek(&f->s, at);
    return zn_scan_u32(&f->s);
}

static uint64_t u64_at(struct file *f, uint64_t at) {
    zn_scan_seek(&f->s, at);
    return zn_scan_u64(&f->s);
}

static uint16_t u16_at(struct file *f, uint64_t at) {
    zn_scan_seek(&f->s, at);
    return zn_scan_u16(&f->s);
}

/* Returns the place of a field in its table; 0 when the table does not have it. */
static uint64_t field(struct file *f, uint64_t table, unsigned number) {
    if (table == 0) return 0;
    const int64_t back = (int32_t)u32_at(f, table);
    if ((back > 0 && (uint64_t)back > table) || back == 0) return 0;
    const uint64_t vtable = (uint64_t)((int64_t)table - back);
    if (u16_at(f, vtable) < 4 + 2 * number + 2) return 0;
    const uint16_t off = u16_at(f, vtable + 4 + 2 * number);
    return off ? table + off : 0;
}

/* Returns the place that the offset at this place refers to. */
static uint64_t follow(struct file *f, uint64_t at) {
    const uint32_t distance = at ? u32_at(f, at) : 0;
    return distance && zn_scan_ok(&f->s) ? at + distance : 0;
}

/* Returns a vector whose elements are all in sight. */
static struct vector vector_at(struct file *f, uint64_t at, unsigned element) {
    struct vector v = {0, 0};
    if (at == 0) return v;
    const uint64_t n = u32_at(f, at);
    if (!zn_scan_ok(&f->s) || n > zn_scan_left(&f->s) / element) return v;
    return (struct vector){at + 4, n};
}

static struct vector vector_of(struct file *f, uint64_t table, unsigned number, unsigned element) {
    return vector_at(f, follow(f, field(f, table, number)), element);
}

/* ---- tensors */

struct tensor {
    uint64_t dims[MAX_RANK];
    uint32_t rank;
    zipnn_dtype dtype;
    char name[MAX_NAME];
    size_t name_len;
    struct vector data;
};

static bool read_shape(struct file *f, uint64_t table, struct tensor *t) {
    const struct vector shape = vector_of(f, table, TENSOR_SHAPE, 4);
    if (shape.n > MAX_RANK) return false;
    t->rank = (uint32_t)shape.n;
    for (uint32_t i = 0; i < t->rank; i++) t->dims[i] = u32_at(f, shape.at + 4 * (uint64_t)i);
    return true;
}

static void read_name(struct file *f, uint64_t table, struct tensor *t) {
    const struct vector name = vector_of(f, table, TENSOR_NAME, 1);
    t->name_len = 0;
    if (name.n == 0 || name.n > MAX_NAME) return;
    zn_scan_seek(&f->s, name.at);
    const uint8_t *text = zn_scan_take(&f->s, (size_t)name.n);
    if (!text) return;
    memcpy(t->name, text, (size_t)name.n);
    t->name_len = (size_t)name.n;
}

/* Returns the bytes of a buffer. Tensors that are computed have none. */
static struct vector read_buffer(struct file *f, uint64_t table) {
    const struct vector inside = vector_of(f, table, BUFFER_DATA, 1);
    if (inside.n) return inside;
    const uint64_t off_at = field(f, table, BUFFER_OFFSET), size_at = field(f, table, BUFFER_SIZE);
    if (!off_at || !size_at) return inside;
    const struct vector behind = {u64_at(f, off_at), u64_at(f, size_at)};
    return behind.at > 1 ? behind : inside; /* 1 means: not known yet */
}

enum found { NO_DATA, NOT_UNDERSTOOD, UNDERSTOOD };

static enum found read_tensor(struct file *f, uint64_t table, struct tensor *t) {
    const uint64_t type_at = field(f, table, TENSOR_TYPE), buffer_at = field(f, table, TENSOR_BUFFER);
    uint8_t type = 0;
    if (type_at) {
        zn_scan_seek(&f->s, type_at);
        type = zn_scan_u8(&f->s);
    }
    const uint32_t buffer = buffer_at ? u32_at(f, buffer_at) : 0;
    t->dtype = type < sizeof dtypes ? (zipnn_dtype)dtypes[type] : ZIPNN_DTYPE_UNKNOWN;
    if (buffer == 0) return NO_DATA;
    if (buffer >= f->n_buffers) return NOT_UNDERSTOOD;
    t->data = read_buffer(f, follow(f, f->buffers + 4 * (uint64_t)buffer));
    if (t->data.n == 0) return NO_DATA;
    if (t->dtype == ZIPNN_DTYPE_UNKNOWN || !read_shape(f, table, t)) return NOT_UNDERSTOOD;
    uint64_t size = zn_dtype_bits(t->dtype) / 8, end;
    for (uint32_t i = 0; i < t->rank; i++)
        if (!zn_mul(size, t->dims[i], &size)) return NOT_UNDERSTOOD;
    read_name(f, table, t);
    return size == t->data.n && zn_add(t->data.at, size, &end) && zn_scan_ok(&f->s) ? UNDERSTOOD : NOT_UNDERSTOOD;
}

static zipnn_status plan_tensors(struct file *f, uint64_t subgraph, zipnn_error *err) {
    const struct vector tensors = vector_of(f, subgraph, SUBGRAPH_TENSORS, 4);
    for (uint64_t i = 0; i < tensors.n && zn_scan_ok(&f->s); i++) {
        struct tensor t;
        const enum found found = read_tensor(f, follow(f, tensors.at + 4 * i), &t);
        if (found == NOT_UNDERSTOOD) f->plan->n_left_out++;
        if (found != UNDERSTOOD) continue;
        ZN_TRY(zn_plan_add(f->plan, t.data.at, t.data.n, t.dtype, t.name, t.name_len, t.dims, t.rank, err));
    }
    return ZIPNN_OK;
}

zipnn_status zn_tflite_plan(const struct zn_view *view, struct zn_plan *plan, const char **container,
                            zipnn_error *err) {
    struct file f = {.plan = plan};
    uint64_t len;
    enum zn_view_end end;
    (void)container;
    ZN_TRY(zn_view_measure(view, &len, &end, err));
    zn_scan_init(&f.s, view, 0, len, err);
    const uint32_t root = u32_at(&f, 0);
    const struct vector buffers = vector_of(&f, root, MODEL_BUFFERS, 4);
    const struct vector subgraphs = vector_of(&f, root, MODEL_SUBGRAPHS, 4);
    f.buffers = buffers.at;
    f.n_buffers = buffers.n;
    for (uint64_t i = 0; i < subgraphs.n && zn_scan_ok(&f.s); i++)
        ZN_TRY(plan_tensors(&f, follow(&f, subgraphs.at + 4 * i), err));
    if (f.s.status != ZIPNN_OK) return f.s.status;
    if (zn_scan_ok(&f.s)) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_FORMAT, f.s.off, "TFLite: a table points outside the file");
}
