#include "readers/onnx.h"

#include "plan/dtype.h"
#include "readers/readers.h"

/* A message is a run of fields. A field has a number, a wire type and a value; the fields that matter here have a
 * length and as many bytes. The walk goes through the file once, from front to back, and enters the messages that lead
 * to tensors: graphs, the attributes of their nodes, and graphs in those. */

enum { MAX_DEPTH = 32, MAX_RANK = 16, MAX_NAME = ZN_SCAN_MAX };

enum wire { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

enum message { NOTHING, MODEL, GRAPH, NODE, ATTRIBUTE, FUNCTION, SPARSE, TENSOR };

/* The places of the messages that matter. */
static const struct {
    uint8_t in, field, is;
} inner[] = {
    {MODEL, 7, GRAPH},     {MODEL, 25, FUNCTION},   {GRAPH, 1, NODE},       {GRAPH, 5, TENSOR},
    {GRAPH, 15, SPARSE},   {FUNCTION, 7, NODE},     {NODE, 5, ATTRIBUTE},   {ATTRIBUTE, 5, TENSOR},
    {ATTRIBUTE, 6, GRAPH}, {ATTRIBUTE, 10, TENSOR}, {ATTRIBUTE, 11, GRAPH}, {SPARSE, 1, TENSOR},
    {SPARSE, 2, TENSOR},
};

enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_FLOATS = 4, TENSOR_NAME = 8, TENSOR_RAW = 9, TENSOR_DOUBLES = 10 };
enum { NODE_OUTPUT = 2 };

static const uint8_t dtypes[] = {
    [1] = ZIPNN_F32,          [2] = ZIPNN_U8,       [3] = ZIPNN_I8,           [4] = ZIPNN_U16,
    [5] = ZIPNN_I16,          [6] = ZIPNN_I32,      [7] = ZIPNN_I64,          [9] = ZIPNN_BOOL,
    [10] = ZIPNN_F16,         [11] = ZIPNN_F64,     [12] = ZIPNN_U32,         [13] = ZIPNN_U64,
    [14] = ZIPNN_C64,         [15] = ZIPNN_C128,    [16] = ZIPNN_BF16,        [17] = ZIPNN_F8_E4M3,
    [18] = ZIPNN_F8_E4M3FNUZ, [19] = ZIPNN_F8_E5M2, [20] = ZIPNN_F8_E5M2FNUZ, [23] = ZIPNN_F4_E2M1,
    [24] = ZIPNN_F8_E8M0,
};

struct text {
    char at[MAX_NAME];
    size_t len;
};

/* The current tensor. */
struct tensor {
    uint64_t dims[MAX_RANK];
    uint32_t rank; /* above MAX_RANK: too many dimensions */
    bool has_type;
    zipnn_dtype dtype;
    struct text name;
    uint64_t off, len;
};

struct walk {
    struct zn_scan s;
    struct zn_plan *plan;
    struct level {
        enum message is;
        uint64_t end;
        struct text output; /* of a node: the name of its constant */
    } level[MAX_DEPTH];
    unsigned depth;
    struct tensor tensor;
    bool malformed;
    zipnn_error *err;
};

bool zn_onnx_knows(const uint8_t *head, size_t len) {
    /* ir_version, then producer_name, producer_version, domain, model_version, doc_string, graph or opset_import */
    return len >= 4 && head[0] == 0x08 && head[1] >= 3 && head[1] <= 32 &&
           memchr("\x12\x1a\x22\x28\x32\x3a\x42", head[2], 7);
}

static uint64_t take_varint(struct walk *w) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t byte = zn_scan_u8(&w->s);
        if (shift < 64) v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return v;
    }
    w->malformed = true;
    return 0;
}

static void take_text(struct walk *w, uint64_t len, struct text *text) {
    text->len = 0;
    const uint8_t *bytes = len <= MAX_NAME ? zn_scan_take(&w->s, (size_t)len) : NULL;
    if (len > MAX_NAME) zn_scan_skip(&w->s, len);
    if (!bytes || len == 0) return;
    memcpy(text->at, bytes, (size_t)len);
    text->len = (size_t)len;
}

static void add_dim(struct tensor *t, uint64_t dim) {
    if (t->rank < MAX_RANK) t->dims[t->rank] = dim;
    if (t->rank <= MAX_RANK) t->rank++;
}

/* ---- tensors */

/* Returns whether type and shape say what the bytes are. Integers may also be stored elsewhere, in variable length. */
static bool is_plain(const struct tensor *t) {
    const unsigned bits = zn_dtype_bits(t->dtype);
    uint64_t n = 1;
    if (bits == 0 || t->rank > MAX_RANK) return false;
    for (uint32_t i = 0; i < t->rank; i++)
        if (!zn_mul(n, t->dims[i], &n)) return false;
    return zn_mul(n, bits, &n) && n / 8 + (n % 8 != 0) == t->len;
}

/* Adds the tensor inside the messages [0, around). A tensor without a name that is an attribute of a node gets the name
 * of the node's output. */
static zipnn_status finish_tensor(struct walk *w, unsigned around) {
    struct tensor *t = &w->tensor;
    if (!t->has_type) return ZIPNN_OK;
    if (!is_plain(t)) {
        w->plan->n_left_out++;
        return ZIPNN_OK;
    }
    const struct text *name = &t->name;
    if (name->len == 0 && around >= 2 && w->level[around - 1].is == ATTRIBUTE && w->level[around - 2].is == NODE)
        name = &w->level[around - 2].output;
    t->has_type = false;
    const struct zn_plan_mark mark = zn_plan_mark(w->plan);
    ZN_TRY(zn_plan_add(w->plan, t->len ? t->off : w->s.off, t->len, t->dtype, name->at, name->len, t->dims, t->rank,
                       w->err));
    struct zn_tensor *added = zn_plan_last(w->plan, &mark);
    if (added && t->dtype == ZIPNN_C128) added->meaning = ZN_ALIAS; /* the chunker measures it */
    return ZIPNN_OK;
}

/* Takes a field of a tensor that has a length. */
static void take_tensor_bytes(struct walk *w, uint64_t number, uint64_t len) {
    struct tensor *t = &w->tensor;
    const uint64_t end = w->s.off + len;
    switch (number) {
        case TENSOR_NAME:
            take_text(w, len, &t->name);
            return;
        case TENSOR_DIMS:
            while (w->s.off < end && zn_scan_ok(&w->s) && !w->malformed) add_dim(t, take_varint(w));
            w->malformed |= w->s.off > end;
            return;
        case TENSOR_FLOATS:
        case TENSOR_DOUBLES:
        case TENSOR_RAW:
            t->off = w->s.off;
            t->len = len;
            break;
        default:
            break;
    }
    zn_scan_skip(&w->s, len);
}

/* ---- the walk */

static enum message what_is(enum message in, uint64_t field) {
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++)
        if (inner[i].in == in && inner[i].field == field) return (enum message)inner[i].is;
    return NOTHING;
}

static void enter(struct walk *w, enum message is, uint64_t len) {
    if (w->depth == MAX_DEPTH) {
        w->plan->n_left_out++;
        zn_scan_skip(&w->s, len);
        return;
    }
    struct level *l = &w->level[w->depth++];
    l->is = is;
    l->end = w->s.off + len;
    l->output.len = 0;
    if (is == TENSOR) w->tensor = (struct tensor){.rank = 0};
}

static void take_length(struct walk *w, struct level *l, uint64_t number) {
    const uint64_t len = take_varint(w);
    const enum message in = l->is;
    if (!zn_scan_ok(&w->s)) return;
    if (len > l->end - w->s.off) {
        w->malformed = true;
        return;
    }
    const enum message is = what_is(in, number);
    if (is != NOTHING)
        enter(w, is, len);
    else if (in == TENSOR)
        take_tensor_bytes(w, number, len);
    else if (in == NODE && number == NODE_OUTPUT && l->output.len == 0)
        take_text(w, len, &l->output);
    else
        zn_scan_skip(&w->s, len);
}

static void take_number(struct walk *w, enum message in, uint64_t field) {
    const uint64_t v = take_varint(w);
    if (in == TENSOR && field == TENSOR_DIMS) add_dim(&w->tensor, v);
    if (in != TENSOR || field != TENSOR_TYPE) return;
    w->tensor.has_type = v != 0;
    w->tensor.dtype = v < sizeof dtypes ? (zipnn_dtype)dtypes[v] : ZIPNN_DTYPE_UNKNOWN;
}

/* Takes one field, or the end of a message. */
static zipnn_status step(struct walk *w) {
    struct level *l = &w->level[w->depth - 1];
    if (w->s.off >= l->end) {
        w->malformed = w->s.off > l->end;
        w->depth--;
        return l->is == TENSOR ? finish_tensor(w, w->depth) : ZIPNN_OK;
    }
    const uint64_t tag = take_varint(w), number = tag >> 3;
    if (!zn_scan_ok(&w->s)) return ZIPNN_OK;
    w->malformed |= number == 0;
    switch (tag & 7) {
        case VARINT:
            take_number(w, l->is, number);
            break;
        case FIXED64:
            zn_scan_skip(&w->s, 8);
            break;
        case FIXED32:
            zn_scan_skip(&w->s, 4);
            break;
        case LENGTH:
            take_length(w, l, number);
            break;
        default:
            w->malformed = true;
            break;
    }
    return ZIPNN_OK;
}

static zipnn_status walk_all(struct walk *w, const struct zn_view *view) {
    uint64_t len;
    enum zn_view_end end;
    ZN_TRY(zn_view_measure(view, &len, &end, w->err));
    const uint64_t limit = end == ZN_VIEW_WHOLE ? len : (uint64_t)INT64_MAX;
    w->level[0].is = MODEL;
    w->level[0].end = limit;
    zn_scan_init(&w->s, view, 0, limit, w->err);
    while (w->depth > 0 && zn_scan_ok(&w->s) && !w->malformed) ZN_TRY(step(w));
    if (w->s.status != ZIPNN_OK) return w->s.status;
    /* Bytes out of sight may hold anything, so a tensor that reaches there may be complete. */
    if (end == ZN_VIEW_CUT && !w->malformed)
        return w->tensor.has_type && is_plain(&w->tensor) ? finish_tensor(w, w->depth - 1) : ZIPNN_OK;
    if (w->depth == 0 && !w->malformed) return ZIPNN_OK;
    return zn_fail(w->err, ZIPNN_E_FORMAT, w->s.off, "ONNX: a field makes no sense");
}

zipnn_status zn_onnx_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err) {
    struct walk *w = zn_alloc(&plan->alloc, sizeof *w);
    (void)container;
    if (!w) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory reading an ONNX file");
    w->plan = plan;
    w->err = err;
    w->depth = 1;
    w->malformed = false;
    w->tensor.has_type = false;
    const zipnn_status st = walk_all(w, view);
    zn_free(&plan->alloc, w);
    return st;
}
