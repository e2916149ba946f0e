#include "readers/hdf5.h"

#include "readers/readers.h"

/* Addresses in the file may lead anywhere, so the walk keeps a list of the places to look at. Each look, task and path
 * is paid from the purse, which ends circles of links. */

enum { SUPERBLOCK_LEN = 96, NEW_SUPERBLOCK_LEN = 48, MAX_NAME = 4096 };

static const uint8_t magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

bool zn_hdf5_knows(const uint8_t *head, size_t len) {
    return len >= sizeof magic && memcmp(head, magic, sizeof magic) == 0;
}

/* A place to look at. */
struct task {
    enum { OBJECT, NAMES, CHUNKS } what;
    uint64_t at;   /* offset of the object's header or of the tree's node */
    uint64_t heap; /* NAMES: offset of the bytes of names; CHUNKS: of the data set's header */
    size_t path;   /* offset in walk.paths */
    size_t set;    /* CHUNKS: the tensor in the plan that the chunks make; NO_SET for none */
};

#define NO_SET SIZE_MAX

struct walk {
    struct zn_scan s;
    struct zn_plan *plan;
    struct task *tasks; /* a stack */
    size_t n_tasks, tasks_cap;
    char *paths; /* each path ends with a zero; path 0 is the root's, an empty one */
    size_t paths_len, paths_cap;
    zipnn_error *err;
};

static zipnn_status add_task(struct walk *w, struct task task) {
    ZN_TRY(zn_work_keep(w->plan->work, sizeof task, w->err));
    void *tasks = w->tasks;
    const zipnn_status st = zn_grow(&w->plan->alloc, &tasks, &w->tasks_cap, w->n_tasks + 1, sizeof *w->tasks, w->err);
    w->tasks = tasks;
    if (st == ZIPNN_OK) w->tasks[w->n_tasks++] = task;
    return st;
}

/* Adds the path of `name` in the group with path `in`. */
static zipnn_status add_path(struct walk *w, size_t in, const char *name, size_t *path) {
    const size_t in_len = w->paths ? strlen(w->paths + in) : 0, name_len = strlen(name), slash = in_len > 0;
    void *paths = w->paths;
    const size_t len = in_len + slash + name_len + 1;
    ZN_TRY(zn_work_keep(w->plan->work, len, w->err));
    const zipnn_status st = zn_grow(&w->plan->alloc, &paths, &w->paths_cap, w->paths_len + len, 1, w->err);
    w->paths = paths;
    if (st != ZIPNN_OK) return st;
    char *to = w->paths + w->paths_len;
    if (in_len) memcpy(to, w->paths + in, in_len);
    if (slash) to[in_len] = '/';
    memcpy(to + in_len + slash, name, name_len + 1);
    *path = w->paths_len;
    w->paths_len += len;
    return ZIPNN_OK;
}

static zipnn_status add_object(struct walk *w, size_t in, const char *name, uint64_t at) {
    struct task object = {OBJECT, at, 0, 0, NO_SET};
    ZN_TRY(add_path(w, in, name, &object.path));
    return add_task(w, object);
}

/* Counts something that exists but cannot be listed. */
static zipnn_status leave_out(struct walk *w) {
    w->plan->n_left_out++;
    return ZIPNN_OK;
}

/* Makes the cursor usable again. An unreadable part is no reason to stop. */
static void revive(struct walk *w) {
    if (w->s.status == ZIPNN_OK) w->s.bad = false;
}

/* ---- groups */

/* Opens a node of a tree, "TREE" or "SNOD". *n says how many entries follow. Returns false if there is no node. */
static bool open_node(struct walk *w, uint64_t at, const char *signature, unsigned kind, unsigned *level, unsigned *n) {
    *level = *n = 0;
    zn_scan_seek(&w->s, at);
    const uint8_t *p = zn_scan_take(&w->s, 8);
    if (!p || memcmp(p, signature, 4) != 0 || p[4] != kind) return false;
    *level = p[5];
    *n = zn_get_u16(p + 6);
    return true;
}

static bool take_name(struct walk *w, uint64_t at, char *name) {
    revive(w);
    zn_scan_seek(&w->s, at);
    for (size_t i = 0; i <= MAX_NAME; i++) {
        name[i] = (char)zn_scan_u8(&w->s);
        if (name[i] == '\0') return zn_scan_ok(&w->s);
    }
    return false;
}

/* Lists the names of a leaf. */
static zipnn_status list_names(struct walk *w, const struct task *t) {
    unsigned unused, n;
    open_node(w, t->at, "SNOD", 1, &unused, &n);
    for (unsigned i = 0; i < n && w->s.status == ZIPNN_OK; i++) {
        char name[MAX_NAME + 1];
        revive(w);
        zn_scan_seek(&w->s, t->at + 8 + 40 * (uint64_t)i);
        const uint64_t name_off = zn_scan_u64(&w->s), object = zn_scan_u64(&w->s);
        uint64_t name_at;
        if (!zn_scan_ok(&w->s)) return leave_out(w);
        if (object == ZN_HDF5_NOWHERE_AT) continue; /* a link to a name */
        if (zn_add(t->heap, name_off, &name_at) && take_name(w, name_at, name))
            ZN_TRY(add_object(w, t->path, name, object));
        else
            leave_out(w);
    }
    return w->s.status;
}

/* Looks at a node of the tree of names. Leaves are nodes of another kind. */
static zipnn_status look_at_names(struct walk *w, const struct task *t) {
    unsigned level, n;
    open_node(w, t->at, "TREE", 0, &level, &n);
    if (n == 0) {
        revive(w);
        return list_names(w, t);
    }
    for (unsigned i = n; i-- > 0;) { /* the last comes first, since the tasks are a stack */
        zn_scan_seek(&w->s, t->at + 24 + 16 * (uint64_t)i + 8);
        const uint64_t child = zn_scan_u64(&w->s);
        if (!zn_scan_ok(&w->s)) return leave_out(w);
        ZN_TRY(add_task(w, (struct task){NAMES, child, t->heap, t->path, NO_SET}));
    }
    return ZIPNN_OK;
}

/* ---- data sets */

/* Keeps the name of a set, but without values, since some of its pieces are unknown. */
static void give_up(struct walk *w, size_t set) {
    if (set != NO_SET) w->plan->tensors[set].meaning |= ZN_UNREADABLE;
}

/* Computes the bytes of the values. Returns false when the product overflows. */
static bool size_of(const struct zn_hdf5_object *o, uint64_t *size) {
    bool fits = true, empty = false;
    *size = o->element;
    for (uint32_t i = 0; i < o->rank; i++) {
        empty |= o->dims[i] == 0;
        fits = fits && zn_mul(*size, o->dims[i], size);
    }
    if (empty) *size = 0;
    return fits || empty;
}

/* Adds a set that lies in one run of bytes. */
static zipnn_status add_set(struct walk *w, const struct task *t, const struct zn_hdf5_object *o) {
    uint64_t size, end;
    const char *path = w->paths + t->path;
    if (!size_of(o, &size) || (size != o->len && size > 0)) return leave_out(w);
    const uint64_t off = size ? o->off : t->at; /* an empty set has no place */
    if (!zn_add(off, size, &end)) return leave_out(w);
    const struct zn_plan_mark mark = zn_plan_mark(w->plan);
    ZN_TRY(zn_plan_add(w->plan, off, size, o->dtype, path, strlen(path), o->dims, o->rank, w->err));
    struct zn_tensor *tensor = zn_plan_last(w->plan, &mark);
    if (!tensor) return ZIPNN_OK;
    tensor->type = o->type;
    tensor->meaning = o->meaning;
    if (o->dtype == ZIPNN_DTYPE_UNKNOWN) tensor->meaning |= ZN_ALIAS;
    if (o->type != ZIPNN_DTYPE_UNKNOWN) return ZIPNN_OK;
    tensor->meaning |= ZN_HIDDEN;
    return leave_out(w);
}

/* Counts the chunks into which a set is cut. Returns false for an impossible shape. */
static bool count_cells(const struct zn_hdf5_object *o, const uint64_t *chunk) {
    uint64_t cells = 1;
    for (uint32_t i = 0; i < o->rank; i++)
        if (chunk[i] == 0 || !zn_mul(cells, o->dims[i] / chunk[i] + 1, &cells)) return false;
    return true;
}

/* Adds a set in chunks of one shape, or without any chunks. The chunks are added one by one. */
static zipnn_status add_chunked(struct walk *w, const struct task *t, const struct zn_hdf5_object *o,
                                const uint64_t *chunk, uint32_t meaning, size_t *set) {
    uint64_t size, len = o->element;
    uint32_t grid;
    const char *path = w->paths + t->path;
    *set = NO_SET;
    for (uint32_t i = 0; i < o->rank; i++)
        if (!zn_mul(len, chunk[i], &len)) return leave_out(w);
    if (o->type == ZIPNN_DTYPE_UNKNOWN || !size_of(o, &size) || !count_cells(o, chunk)) return leave_out(w);
    const struct zn_plan_mark mark = zn_plan_mark(w->plan);
    ZN_TRY(zn_plan_add_grid(w->plan, chunk, o->rank, len, o->fill, &grid, w->err));
    ZN_TRY(zn_plan_add(w->plan, 0, 0, o->type, path, strlen(path), o->dims, o->rank, w->err));
    struct zn_tensor *tensor = zn_plan_last(w->plan, &mark);
    if (!tensor) return ZIPNN_OK;
    tensor->grid = grid;
    tensor->meaning = o->meaning | ZN_ALIAS | meaning;
    *set = w->plan->n_tensors - 1;
    return ZIPNN_OK;
}

/* Adds a set without readable bytes. It was never written, and so is full of one value, or its bytes are filtered. */
static zipnn_status add_name(struct walk *w, const struct task *t, const struct zn_hdf5_object *o) {
    uint64_t whole[ZN_HDF5_MAX_RANK];
    size_t unused;
    for (uint32_t i = 0; i < o->rank; i++) whole[i] = ZN_MAX(o->dims[i], 1);
    return add_chunked(w, t, o, whole, o->is_filtered ? ZN_UNREADABLE : 0, &unused);
}

/* Finds a chunk's number among those of its set. Returns false for a chunk that is not part of the set. */
static bool cell_of(const struct zn_hdf5_object *o, const uint64_t *at, uint64_t *cell) {
    *cell = 0;
    for (uint32_t i = 0; i < o->rank; i++) {
        if (at[i] % o->chunk[i] != 0 || at[i] >= o->dims[i]) return false;
        *cell = *cell * ((o->dims[i] - 1) / o->chunk[i] + 1) + at[i] / o->chunk[i];
    }
    return true;
}

/* Adds a chunk, and its position in the set. */
static zipnn_status add_chunk(struct walk *w, const struct task *t, const struct zn_hdf5_object *o, uint64_t off,
                              const uint64_t *at) {
    const char *path = w->paths + t->path;
    const uint64_t elements = o->chunk_len / o->element;
    uint64_t end, cell;
    if (!zn_add(off, o->chunk_len, &end)) {
        give_up(w, t->set);
        return ZIPNN_OK;
    }
    if (t->set != NO_SET && cell_of(o, at, &cell)) ZN_TRY(zn_plan_add_piece(w->plan, cell, off, w->err));
    if (o->dtype == ZIPNN_DTYPE_UNKNOWN) return ZIPNN_OK;
    const struct zn_plan_mark mark = zn_plan_mark(w->plan);
    ZN_TRY(zn_plan_add(w->plan, off, o->chunk_len, o->dtype, path, strlen(path), &elements, 1, w->err));
    struct zn_tensor *tensor = zn_plan_last(w->plan, &mark);
    if (tensor) tensor->meaning = ZN_HIDDEN;
    return ZIPNN_OK;
}

/* Looks at the nodes of a tree of chunks. One of them is at `at`. */
static zipnn_status look_at_node(struct walk *w, const struct task *t, const struct zn_hdf5_object *o, uint64_t at) {
    const uint64_t entry = 8 + 8 * (uint64_t)(o->rank + 1) + 8;
    unsigned level, n;
    if (!open_node(w, at, "TREE", 1, &level, &n)) give_up(w, t->set);
    for (unsigned i = 0; i < n; i++) {
        uint64_t place[ZN_HDF5_MAX_RANK] = {0};
        zn_scan_seek(&w->s, at + 24 + entry * i);
        const uint32_t len = zn_scan_u32(&w->s);
        zn_scan_skip(&w->s, 4); /* mask of the skipped filters */
        for (uint32_t d = 0; d < o->rank; d++) place[d] = zn_scan_u64(&w->s);
        zn_scan_skip(&w->s, 8);
        const uint64_t child = zn_scan_u64(&w->s);
        if (!zn_scan_ok(&w->s) || (level == 0 && len != o->chunk_len)) give_up(w, t->set);
        if (!zn_scan_ok(&w->s)) return leave_out(w);
        if (level > 0)
            ZN_TRY(add_task(w, (struct task){CHUNKS, child, t->heap, t->path, t->set}));
        else if (len == o->chunk_len)
            ZN_TRY(add_chunk(w, t, o, child, place));
    }
    return ZIPNN_OK;
}

static zipnn_status look_at_chunks(struct walk *w, const struct task *t, const struct zn_hdf5_object *o, uint64_t at) {
    const zipnn_status st = look_at_node(w, t, o, at);
    if (st != ZIPNN_OK) give_up(w, t->set);
    return st;
}

static zipnn_status look_at_set(struct walk *w, const struct task *t, const struct zn_hdf5_object *o) {
    struct task chunks = {CHUNKS, o->chunks, t->at, t->path, NO_SET};
    uint64_t size;
    if (!o->has_space && o->storage == ZN_HDF5_NOWHERE) return ZIPNN_OK; /* a named type, or an empty group */
    if (!o->has_type || !o->has_space || o->is_elsewhere) return leave_out(w);
    const bool empty = size_of(o, &size) && size == 0;
    const bool unwritten = o->storage == ZN_HDF5_WHOLE && o->off == ZN_HDF5_NOWHERE_AT;
    if (empty) return add_set(w, t, o);
    if (unwritten || o->is_filtered) return add_name(w, t, o);
    if (o->storage == ZN_HDF5_WHOLE) return add_set(w, t, o);
    if (o->storage != ZN_HDF5_CHUNKS) return leave_out(w);
    if (o->chunk_rank == o->rank)
        ZN_TRY(add_chunked(w, t, o, o->chunk, 0, &chunks.set));
    else
        leave_out(w);
    return o->chunks == ZN_HDF5_NOWHERE_AT ? ZIPNN_OK : look_at_chunks(w, &chunks, o, o->chunks);
}

/* Looks at a group of the old kind, which has a table of names. */
static zipnn_status look_at_table(struct walk *w, const struct task *t, const struct zn_hdf5_object *o) {
    zn_scan_seek(&w->s, o->heap + 24);
    const uint64_t heap = zn_scan_u64(&w->s);
    return zn_scan_ok(&w->s) ? add_task(w, (struct task){NAMES, o->tree, heap, t->path, NO_SET}) : leave_out(w);
}

/* Looks at a group of the new kind, which has links in its header. */
static zipnn_status look_at_links(struct walk *w, const struct task *t, const struct zn_hdf5_object *o) {
    for (unsigned i = 0; i < o->n_links; i++) {
        char name[MAX_NAME + 1];
        uint64_t object;
        revive(w);
        switch (zn_hdf5_read_link(&w->s, o->links[i], name, MAX_NAME, &object)) {
            case ZN_HDF5_HARD:
                ZN_TRY(add_object(w, t->path, name, object));
                break;
            case ZN_HDF5_UNREADABLE:
                leave_out(w);
                break;
            default:
                break;
        }
    }
    return ZIPNN_OK;
}

/* Looks at a group of the new kind with more links than its header has room for. They stand in a heap. */
static zipnn_status look_at_heap(struct walk *w, const struct task *t, uint64_t at) {
    struct zn_hdf5_heap heap;
    char name[MAX_NAME + 1];
    uint64_t n = 0, object;
    if (at == ZN_HDF5_NOWHERE_AT) return ZIPNN_OK;
    revive(w);
    if (!zn_hdf5_read_heap(&w->s, at, &heap)) return leave_out(w);
    for (unsigned i = 0; i < heap.n_blocks; i++) {
        uint64_t from = heap.block[i].from;
        while (from < heap.block[i].to && n < heap.n_objects) {
            revive(w);
            const enum zn_hdf5_link kind = zn_hdf5_read_link(&w->s, from, name, MAX_NAME, &object);
            if (kind == ZN_HDF5_UNREADABLE || w->s.off > heap.block[i].to) break;
            if (kind == ZN_HDF5_HARD) ZN_TRY(add_object(w, t->path, name, object));
            from = w->s.off;
            n++;
        }
    }
    return n == heap.n_objects && !heap.is_cut ? ZIPNN_OK : leave_out(w);
}

static zipnn_status look_at_object(struct walk *w, const struct task *t) {
    struct zn_hdf5_object o;
    const bool understood = zn_hdf5_read_object(&w->s, t->at, &o);
    w->plan->n_left_out += o.n_left_out;
    if (w->s.status != ZIPNN_OK) return w->s.status;
    ZN_TRY(look_at_links(w, t, &o));
    ZN_TRY(look_at_heap(w, t, o.link_heap));
    if (!understood) return leave_out(w);
    return o.is_group ? look_at_table(w, t, &o) : look_at_set(w, t, &o);
}

/* Looks at an inner node of a tree of chunks. The data set's header is read again. */
static zipnn_status look_further(struct walk *w, const struct task *t) {
    struct zn_hdf5_object o;
    if (zn_hdf5_read_object(&w->s, t->heap, &o) && o.storage == ZN_HDF5_CHUNKS && o.has_type)
        return look_at_chunks(w, t, &o, t->at);
    give_up(w, t->set);
    return w->s.status;
}

static zipnn_status look(struct walk *w, const struct task *t) {
    revive(w);
    switch (t->what) {
        case OBJECT:
            return look_at_object(w, t);
        case NAMES:
            return look_at_names(w, t);
        default:
            return look_further(w, t);
    }
}

/* Reads the superblock, with addresses of 8 bytes. In versions 0 and 1 an entry at its end has the root's header; the
 * shorter versions 2 and 3 say where it is. */
static zipnn_status find_root(struct walk *w, uint64_t *root) {
    const uint8_t *p = zn_scan_take(&w->s, NEW_SUPERBLOCK_LEN);
    if (p && (p[8] == 2 || p[8] == 3) && p[9] == 8 && p[10] == 8) {
        *root = zn_get_u64(p + 36);
        return ZIPNN_OK;
    }
    zn_scan_seek(&w->s, 0);
    p = zn_scan_take(&w->s, SUPERBLOCK_LEN);
    if (w->s.status != ZIPNN_OK) return w->s.status;
    if (!p || p[8] > 1 || p[13] != 8 || p[14] != 8)
        return zn_fail(w->err, ZIPNN_E_FORMAT, 8, "HDF5: a superblock of another generation");
    const size_t entry = p[8] == 0 ? 56 : 60;
    *root = zn_get_u64(p + entry + 8);
    return ZIPNN_OK;
}

static zipnn_status walk_all(struct walk *w) {
    struct task t = {OBJECT, 0, 0, 0, NO_SET};
    ZN_TRY(find_root(w, &t.at));
    ZN_TRY(add_path(w, 0, "", &t.path));
    ZN_TRY(add_task(w, t));
    while (w->n_tasks > 0 && w->s.status == ZIPNN_OK) {
        t = w->tasks[--w->n_tasks];
        ZN_TRY(look(w, &t));
    }
    return w->s.status;
}

zipnn_status zn_hdf5_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err) {
    struct walk w = {.plan = plan, .err = err};
    uint64_t len;
    enum zn_view_end end;
    (void)container;
    ZN_TRY(zn_view_measure(view, &len, &end, err));
    zn_scan_init(&w.s, view, 0, len, err);
    const zipnn_status st = walk_all(&w);
    for (size_t i = 0; i < w.n_tasks; i++) give_up(&w, w.tasks[i].set);
    zn_free(&plan->alloc, w.tasks);
    zn_free(&plan->alloc, w.paths);
    return st;
}
