#include "readers/readers.h"
#include "readers/torch.h"
#include "readers/zip.h"

/* Plans an archive whose directory is out of sight, from its beginning. PyTorch writes the pickle first, which says how
 * long each storage is, and then one storage after the other, each at the next multiple of 64. The headers are followed
 * as long as they are in sight; the other storages are assumed to lie as PyTorch places them. PyTorch writes a header
 * before it knows the size, which is then in the pickle, or in a descriptor after the bytes. */

enum {
    LOCAL_LEN = 30,
    DESCRIPTOR_LEN = 16,
    DESCRIPTOR64_LEN = 24,
    DESCRIBED = 8, /* flag: a descriptor has the sizes */
    EXTRA_64 = 1,
    MAX_NAME = 512,
    MAX_SMALL = 2048, /* bytes of the longest member whose descriptor is searched for */
    ALIGNMENT = 64
};

#define LOCAL_MAGIC 0x04034b50u
#define DESCRIPTOR_MAGIC 0x08074b50u

struct front {
    const struct zn_view *view;
    uint64_t at; /* offset of the next header */
    struct zn_plan *plan;
    zipnn_error *err;
    struct zn_pickle pickle;
    struct zn_stored *stored; /* the storages that the pickle names */
    size_t n_stored;
    char prefix[MAX_NAME + 8]; /* prefix of the storages' names; empty before the pickle was read */
    bool sight_ends;           /* the next header is out of sight */
    bool numbered;             /* storages are in the order of the pickle; else in that of their keys as text */
};

/* A local header. */
struct local {
    char name[MAX_NAME + 1];
    bool stored, described;
    uint64_t off, len; /* range of the bytes; described: the length is unknown */
};

static void read_sizes(const uint8_t *extra, size_t extra_len, struct local *l) {
    for (size_t at = 0; at + 4 <= extra_len;) {
        const size_t len = zn_get_u16(extra + at + 2);
        if (zn_get_u16(extra + at) == EXTRA_64 && len >= 8 && at + 4 + len <= extra_len)
            l->len = zn_get_u64(extra + at + 4);
        at += 4 + len;
    }
}

/* Reads the header at f->at. Returns false when none is in sight. */
static bool read_local(struct front *f, struct zn_scan *s, struct local *l) {
    zn_scan_init(s, f->view, f->at, UINT64_MAX, f->err);
    const uint8_t *p = zn_scan_take(s, LOCAL_LEN);
    if (!p || zn_get_u32(p) != LOCAL_MAGIC) return false;
    const uint16_t flags = zn_get_u16(p + 6), method = zn_get_u16(p + 8);
    const size_t name_len = zn_get_u16(p + 26), extra_len = zn_get_u16(p + 28);
    const uint32_t csize = zn_get_u32(p + 18);
    *l = (struct local){.stored = method == 0 && (flags & 1) == 0, .described = (flags & DESCRIBED) != 0, .len = csize};
    l->off = f->at + LOCAL_LEN + name_len + extra_len;
    p = name_len <= MAX_NAME ? zn_scan_take(s, name_len) : NULL;
    if (!p) return false;
    memcpy(l->name, p, name_len);
    if (csize != UINT32_MAX) return true;
    p = extra_len <= ZN_SCAN_MAX ? zn_scan_take(s, extra_len) : NULL;
    if (p) read_sizes(p, extra_len, l);
    return p != NULL;
}

static bool has_magic(struct front *f, uint64_t at, uint32_t magic) {
    uint8_t bytes[4];
    size_t got;
    return zn_view_read(f->view, at, bytes, sizeof bytes, &got, f->err) == ZIPNN_OK && got == sizeof bytes &&
           zn_get_u32(bytes) == magic;
}

/* Moves past a member of known length. */
static void pass(struct front *f, const struct local *l, uint64_t len) {
    const uint64_t end = l->off + len;
    f->at = end;
    if (!l->described) return;
    const bool wide = has_magic(f, end + DESCRIPTOR64_LEN, LOCAL_MAGIC) || len >= UINT32_MAX;
    f->at = end + (wide ? DESCRIPTOR64_LEN : DESCRIPTOR_LEN);
}

/* Finds the length of a small member from the descriptor after it. */
static bool find_descriptor(struct front *f, const struct local *l, uint64_t *len) {
    uint8_t bytes[MAX_SMALL + DESCRIPTOR_LEN];
    size_t got;
    if (zn_view_read(f->view, l->off, bytes, sizeof bytes, &got, f->err) != ZIPNN_OK) return false;
    for (size_t i = 0; i + DESCRIPTOR_LEN <= got; i++) {
        if (zn_get_u32(bytes + i) != DESCRIPTOR_MAGIC || zn_get_u32(bytes + i + 8) != i) continue;
        *len = i;
        return true;
    }
    return false;
}

/* ---- members */

static bool ends_with(const char *text, const char *end) {
    const size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Reads the names and sizes of storages from "ROOT/data.pkl". */
static zipnn_status take_pickle(struct front *f, const struct local *l, uint64_t *len) {
    struct zn_scan s;
    zn_scan_init(&s, f->view, l->off, UINT64_MAX, f->err);
    ZN_TRY(zn_pickle_read(&f->pickle, &s));
    ZN_TRY(zn_torch_list(&f->pickle, &f->stored, &f->n_stored, f->err));
    *len = s.off - l->off;
    const size_t prefix = strlen(l->name) - strlen(".pkl");
    memcpy(f->prefix, l->name, prefix);
    memcpy(f->prefix + prefix, "/", 2);
    return ZIPNN_OK;
}

static struct zn_stored *find_storage(const struct front *f, const char *name) {
    const size_t prefix = strlen(f->prefix);
    if (prefix == 0 || strncmp(name, f->prefix, prefix) != 0) return NULL;
    return zn_torch_find(f->stored, f->n_stored, name + prefix);
}

/* Plans a model file in a zip. */
static zipnn_status take_file(struct front *f, const struct local *l) {
    const struct zn_member m = {.name = l->name, .off = l->off, .len = l->len, .stored = true};
    return zn_zip_plan_member(f->view, &m, f->plan, f->err);
}

/* Takes one member. Sets *done when what follows is unknown. */
static zipnn_status take_member(struct front *f, bool *done) {
    struct local l;
    struct zn_scan s;
    uint64_t len, end;
    *done = true;
    if (!read_local(f, &s, &l)) {
        f->sight_ends = !zn_scan_ok(&s);
        return s.status;
    }
    struct zn_stored *storage = find_storage(f, l.name);
    len = l.len;
    if (ends_with(l.name, ".format_version")) f->numbered = true;
    if (storage) {
        storage->off = l.off;
        len = storage->len;
    } else if (l.stored && f->prefix[0] == '\0' && ends_with(l.name, "data.pkl")) {
        ZN_TRY(take_pickle(f, &l, &len));
    } else if (l.described && !find_descriptor(f, &l, &len)) {
        return ZIPNN_OK;
    } else if (l.stored && !l.described) {
        ZN_TRY(take_file(f, &l));
    }
    if (!zn_add(l.off, len, &end) || end > INT64_MAX) return ZIPNN_OK;
    pass(f, &l, len);
    *done = false;
    return ZIPNN_OK;
}

/* ---- out of sight */

/* Places a storage where PyTorch would write it next. */
static void predict(struct front *f, struct zn_stored *s) {
    const bool wide = s->len >= UINT32_MAX, far = f->at >= UINT32_MAX;
    uint64_t start = f->at + LOCAL_LEN + strlen(f->prefix) + strlen(s->key) + 4;
    if (wide || far) start += 4 + (wide ? 16u : 0u) + (far ? 8u : 0u);
    if (s->off != ZN_UNPLACED || start > INT64_MAX || s->len > INT64_MAX) return;
    s->off = (start + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    f->at = s->off + s->len + (wide || far ? DESCRIPTOR64_LEN : DESCRIPTOR_LEN);
}

static void predict_all(struct front *f) {
    if (!f->numbered) {
        for (size_t i = 0; i < f->n_stored; i++) predict(f, &f->stored[i]);
        return;
    }
    for (size_t i = 0; i < f->pickle.storages.n; i++) {
        struct zn_stored *s =
            zn_torch_find(f->stored, f->n_stored, zn_pickle_text(&f->pickle, zn_pickle_storages(&f->pickle)[i].key));
        if (s) predict(f, s);
    }
}

static zipnn_status plan_front(struct front *f, const char **container) {
    for (bool done = false; !done;) ZN_TRY(take_member(f, &done));
    if (f->prefix[0] == '\0') return ZIPNN_OK;
    *container = "torch";
    if (f->sight_ends) predict_all(f);
    f->n_stored = zn_torch_drop_unplaced(f->stored, f->n_stored);
    return zn_torch_add(&f->pickle, f->stored, f->n_stored, f->plan, f->err);
}

zipnn_status zn_zip_plan_front(const struct zn_view *view, struct zn_plan *plan, const char **container,
                               zipnn_error *err) {
    struct front f = {.view = view, .plan = plan, .err = err};
    zn_pickle_init(&f.pickle, plan, err);
    const zipnn_status st = plan_front(&f, container);
    zn_free(&plan->alloc, f.stored);
    zn_pickle_free(&f.pickle);
    return st;
}
