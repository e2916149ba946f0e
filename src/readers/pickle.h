/* Reads Python pickles as inert data: no code runs, nothing is imported, no object is built. Calls of functions of
 * PyTorch and numpy are recorded as the arrays that they would return. Of everything else, only the structure is kept
 * that the names of tensors need. */
#ifndef ZN_READERS_PICKLE_H
#define ZN_READERS_PICKLE_H

#include "plan/plan.h"
#include "readers/view.h"

enum { ZN_PICKLE_MAX_RANK = 16 };

enum zn_pickle_kind {
    ZN_PICKLE_OTHER, /* None, floats, and all that is of no interest */
    ZN_PICKLE_INT,
    ZN_PICKLE_TEXT,
    ZN_PICKLE_BYTES,
    ZN_PICKLE_LONG_TEXT, /* its place, as of BYTES */
    ZN_PICKLE_SPELLED,   /* the same: bytes that lie there as text */
    ZN_PICKLE_GLOBAL,
    ZN_PICKLE_DTYPE,
    ZN_PICKLE_NODE,
    ZN_PICKLE_STORAGE,
    ZN_PICKLE_ARRAY
};

struct zn_pickle_value {
    uint8_t kind;
    uint32_t len;  /* TEXT, GLOBAL */
    uint64_t what; /* INT: the value; TEXT, GLOBAL: offset in zn_pickle.text; others: an index */
};

/* An element type. It is an object of its own, because numpy sets the byte order of a type that already exists. */
struct zn_pickle_type {
    zipnn_dtype dtype; /* for the chunker; UNKNOWN for types that it measures */
    zipnn_dtype type;  /* for everybody else */
    uint32_t element;  /* bytes; 0 when unknown */
    uint32_t meaning;  /* ZN_BIG_ENDIAN or 0 */
};

/* Return the type that torch and numpy name like this ("bfloat16"), or that numpy codes like this ("f4"); UNKNOWN, of 0
 * bytes, if there is none. */
struct zn_pickle_type zn_pickle_type_named(const char *name);
struct zn_pickle_type zn_pickle_type_coded(const char *code);

/* A storage that a tensor's persistent id names. */
struct zn_pickle_storage {
    size_t key;                 /* offset in zn_pickle.text */
    struct zn_pickle_type type; /* untyped storages have UNKNOWN, of 0 bytes; their arrays know the type */
    uint64_t n_elements;        /* of untyped storages, the bytes */
};

#define ZN_PICKLE_NO_STRIDES UINT64_MAX

/* A tensor in a storage, or an array whose bytes lie in the pickle itself. */
struct zn_pickle_array {
    enum { ZN_ARRAY_UNFINISHED, ZN_ARRAY_STORED, ZN_ARRAY_INLINE, ZN_ARRAY_SPELLED } where;
    struct zn_pickle_type type;
    bool contiguous;
    uint64_t source; /* STORED: index of its storage; INLINE, SPELLED: offset in the file */
    uint64_t first;  /* STORED: its first element in the storage; INLINE, SPELLED: its bytes in the file */
    uint32_t rank;
    uint64_t dims;    /* index of its first dimension in zn_pickle.items; dimensions are ints */
    uint64_t strides; /* the same, unless contiguous; ZN_PICKLE_NO_STRIDES for impossible strides */
    size_t name;      /* offset in zn_pickle.text; 0 (the empty string) for no name */
};

struct zn_vector {
    void *at;
    size_t n, cap;
};

struct zn_pickle {
    zipnn_allocator alloc;
    struct zn_work *work; /* the purse that pays */
    struct zn_vector stack, marks, memo, items, nodes, runs, types, storages, arrays, text;
    uint64_t n_opcodes;
    bool named; /* the arrays have names */
    struct zn_pickle_value root;
    zipnn_status status;
    zipnn_error *err;
};

/* Prepares a machine. Its memory comes from the plan's allocator and is paid from the plan's purse. */
void zn_pickle_init(struct zn_pickle *p, const struct zn_plan *plan, zipnn_error *err);
void zn_pickle_free(struct zn_pickle *p);

/* Reads one pickle from the cursor's position, including its last opcode. Returns ZIPNN_E_FORMAT if it ends early, uses
 * an opcode that models do not use, or more of anything than a model needs; ZIPNN_E_MEMORY; or the failure of the view.
 * Time and memory are in proportion to the bytes read, and are paid for. Byte strings are skipped, not read. */
zipnn_status zn_pickle_read(struct zn_pickle *p, struct zn_scan *s);

/* Names each array by the path of keys that leads to it from the root, joined by dots. An array that several paths lead
 * to appears once for each. A second call does nothing. */
zipnn_status zn_pickle_name_arrays(struct zn_pickle *p);

static inline const char *zn_pickle_text(const struct zn_pickle *p, size_t off) {
    return (const char *)p->text.at + off;
}
static inline const struct zn_pickle_storage *zn_pickle_storages(const struct zn_pickle *p) {
    return p->storages.at;
}
static inline const struct zn_pickle_array *zn_pickle_arrays(const struct zn_pickle *p) {
    return p->arrays.at;
}
static inline uint64_t zn_pickle_stride(const struct zn_pickle *p, const struct zn_pickle_array *a, uint32_t i) {
    return ((const struct zn_pickle_value *)p->items.at)[a->strides + i].what;
}
static inline uint64_t zn_pickle_dim(const struct zn_pickle *p, const struct zn_pickle_array *a, uint32_t i) {
    return ((const struct zn_pickle_value *)p->items.at)[a->dims + i].what;
}

/* Returns the i-th item of the root, if that is a list or tuple that was built in one go; OTHER after the last item. */
struct zn_pickle_value zn_pickle_root_item(const struct zn_pickle *p, size_t *run, size_t *i);

/* The inside of the pickle machine: pickle.c executes opcodes, pickle_calls.c knows calls, pickle_names.c finds
 * paths. */

/* The role of a run of values in its container: numbered items; keys and values in turn; or the arguments of a call and
 * an object's state, which are parts without names of their own. */
enum zn_pickle_run_kind { ZN_RUN_ITEMS, ZN_RUN_PAIRS, ZN_RUN_PARTS };

/* A container of one kind or several: a dictionary with attributes has pairs and parts. Its items come in runs, because
 * lists and dictionaries are filled in batches. */
struct zn_pickle_node {
    bool entered;                 /* on the current path */
    uint8_t n_paths;              /* number of paths that led to it */
    uint32_t first_run, last_run; /* index + 1; 0 for none */
};
struct zn_pickle_run {
    uint64_t items; /* index of the first in zn_pickle.items */
    uint32_t n, next;
    enum zn_pickle_run_kind kind;
};

/* Makes one more copy of an array. Returns it as a value. */
struct zn_pickle_value zn_pickle_new_array(struct zn_pickle *p, struct zn_pickle_array array);

/* Makes room for one more item of `each` bytes. Returns NULL and sets p->status when that fails. */
void *zn_pickle_grow(struct zn_pickle *p, struct zn_vector *v, size_t n, size_t each, size_t limit);

/* Copies text to p->text and returns its offset. */
size_t zn_pickle_keep(struct zn_pickle *p, const void *text, size_t len);

/* Makes a node that holds n values, and returns it as a value; adds a run to a node. */
struct zn_pickle_value zn_pickle_node_of(struct zn_pickle *p, enum zn_pickle_run_kind kind,
                                         const struct zn_pickle_value *values, size_t n);
void zn_pickle_append(struct zn_pickle *p, uint64_t node, enum zn_pickle_run_kind kind,
                      const struct zn_pickle_value *values, size_t n);

/* Returns the items of a node that came in one run; NULL when there are fewer than `least`. */
const struct zn_pickle_value *zn_pickle_items(const struct zn_pickle *p, struct zn_pickle_value v, size_t least,
                                              size_t *n);

/* Returns what calling `callable` with the tuple `args` returns, returns what a persistent id means, and sets an
 * object's state. */
struct zn_pickle_value zn_pickle_call(struct zn_pickle *p, struct zn_pickle_value callable,
                                      struct zn_pickle_value args);
struct zn_pickle_value zn_pickle_persistent(struct zn_pickle *p, struct zn_pickle_value id);
void zn_pickle_build(struct zn_pickle *p, struct zn_pickle_value object, struct zn_pickle_value state);

#endif
