#include "readers/zip.h"

#include <stdlib.h>

#include "base/cur.h"
#include "readers/readers.h"

/* An archive is found by its end. Before its first member there may be another archive, which is found by its end in
 * turn. Sizes are taken from the directory, since a member may be written before its size is known. The place of its
 * bytes follows from the local header, whose extra field may be longer for alignment. */

enum {
    LOCAL_LEN = 30,
    ENTRY_LEN = 46,
    END_LEN = 22,
    END64_LEN = 56,
    LOCATOR_LEN = 20,
    MAX_COMMENT = 65535,
    ENCRYPTED = 1,
    EXTRA_64 = 1
};

#define LOCAL_MAGIC 0x04034b50u
#define ENTRY_MAGIC 0x02014b50u
#define END_MAGIC 0x06054b50u
#define END64_MAGIC 0x06064b50u
#define LOCATOR_MAGIC 0x07064b50u

bool zn_zip_knows(const uint8_t *head, size_t len) {
    return len >= 4 && (zn_get_u32(head) == LOCAL_MAGIC || zn_get_u32(head) == END_MAGIC);
}

static zipnn_status malformed(zipnn_error *err, uint64_t at, const char *what) {
    return zn_fail(err, ZIPNN_E_FORMAT, at, "zip: %s", what);
}

/* Reads exactly len bytes. */
static zipnn_status read_all(const struct zn_view *view, uint64_t off, uint8_t *buf, size_t len, zipnn_error *err) {
    size_t got;
    ZN_TRY(zn_view_read(view, off, buf, len, &got, err));
    return got == len ? ZIPNN_OK : malformed(err, off, "cut short");
}

/* ---- the end record */

/* An archive: its beginning and its directory. */
struct archive {
    uint64_t base;
    uint64_t directory;
    size_t directory_len;
};

/* Reads the end record of an archive that ends at `end` into buf, and finds its place. Only the last archive may have a
 * comment. */
static zipnn_status find_end(const struct zn_view *view, uint64_t end, size_t comment, uint8_t *buf, uint64_t *at,
                             zipnn_error *err) {
    const size_t len = (size_t)ZN_MIN(end, (uint64_t)END_LEN + comment);
    ZN_TRY(read_all(view, end - len, buf, len, err));
    for (size_t i = len < END_LEN ? 0 : len - END_LEN + 1; i-- > 0;) {
        if (zn_get_u32(buf + i) != END_MAGIC || zn_get_u16(buf + i + 20) != len - i - END_LEN) continue;
        *at = end - len + i;
        memmove(buf, buf + i, END_LEN);
        return ZIPNN_OK;
    }
    return malformed(err, end, "no end record");
}

/* Reads the directory's length, its offset from the beginning of the archive, and its end. */
static zipnn_status read_end(const struct zn_view *view, const uint8_t *end, uint64_t at, uint64_t *len, uint64_t *off,
                             uint64_t *directory_end, zipnn_error *err) {
    uint8_t buf[END64_LEN + LOCATOR_LEN];
    *len = zn_get_u32(end + 12);
    *off = zn_get_u32(end + 16);
    *directory_end = at;
    if (at < sizeof buf) return ZIPNN_OK;
    ZN_TRY(read_all(view, at - sizeof buf, buf, sizeof buf, err));
    if (zn_get_u32(buf) != END64_MAGIC || zn_get_u32(buf + END64_LEN) != LOCATOR_MAGIC) return ZIPNN_OK;
    *len = zn_get_u64(buf + 40);
    *off = zn_get_u64(buf + 48);
    *directory_end = at - sizeof buf;
    return ZIPNN_OK;
}

static zipnn_status find_archive(const struct zn_view *view, uint64_t end, size_t comment, uint8_t *buf,
                                 struct archive *a, zipnn_error *err) {
    uint64_t at = 0, len, off, directory_end;
    ZN_TRY(find_end(view, end, comment, buf, &at, err));
    ZN_TRY(read_end(view, buf, at, &len, &off, &directory_end, err));
    if (len > directory_end || off > directory_end - len) return malformed(err, at, "the directory is out of range");
    if (len > ZN_MAX_HEAD) return malformed(err, at, "the directory is too long");
    *a = (struct archive){directory_end - len - off, directory_end - len, (size_t)len};
    return ZIPNN_OK;
}

/* ---- the directory */

/* Reads sizes and offset that do not fit into 32 bits from an extra field, where they stand in this order. */
static void read_extra(struct zn_cur extra, uint64_t *usize, uint64_t *csize, uint64_t *off) {
    while (zn_cur_left(&extra) >= 4) {
        const uint16_t id = zn_cur_u16(&extra), len = zn_cur_u16(&extra);
        const uint8_t *field = zn_cur_take(&extra, len);
        if (!field) return;
        if (id != EXTRA_64) continue;
        struct zn_cur c = zn_cur_of(field, len);
        uint64_t *const wide[] = {usize, csize, off};
        for (size_t i = 0; i < 3; i++)
            if (*wide[i] == UINT32_MAX) *wide[i] = zn_cur_u64(&c);
        return;
    }
}

/* Returns the next entry. The cursor is stuck if there is none. The name is moved back by one byte, to end with a
 * zero. */
static struct zn_member take_entry(struct zn_cur *c, uint8_t *directory, const struct archive *a) {
    struct zn_member m = {.stored = false};
    const uint8_t *e = zn_cur_take(c, ENTRY_LEN);
    if (!e || zn_get_u32(e) != ENTRY_MAGIC) {
        c->bad = true;
        return m;
    }
    const uint16_t flags = zn_get_u16(e + 8), method = zn_get_u16(e + 10), name_len = zn_get_u16(e + 28);
    const uint16_t extra_len = zn_get_u16(e + 30), comment_len = zn_get_u16(e + 32);
    uint64_t csize = zn_get_u32(e + 20), usize = zn_get_u32(e + 24), off = zn_get_u32(e + 42);
    const uint8_t *name = zn_cur_take(c, name_len), *extra = zn_cur_take(c, extra_len);
    if (!zn_cur_take(c, comment_len)) return m;
    read_extra(zn_cur_of(extra, extra_len), &usize, &csize, &off);
    char *text = (char *)directory + (name - directory) - 1;
    memmove(text, name, name_len);
    text[name_len] = '\0';
    m.name = text;
    const char *slash = strrchr(text, '/');
    m.folder_len = slash ? (size_t)(slash - text) + 1 : 0;
    m.stored = method == 0 && (flags & ENCRYPTED) == 0 && csize == usize && zn_add(a->base, off, &m.header);
    if (!m.stored) m.header = UINT64_MAX;
    m.len = csize;
    return m;
}

static int compare_headers(const void *a, const void *b) {
    const struct zn_member *x = a, *y = b;
    if (x->header != y->header) return x->header < y->header ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

/* Finds a member's bytes, which end before the next member or before the directory. */
static zipnn_status place_member(const struct zn_view *view, struct zn_member *m, uint64_t end, zipnn_error *err) {
    uint8_t local[LOCAL_LEN];
    size_t got;
    if (!m->stored) return ZIPNN_OK;
    const zipnn_status st = zn_view_read(view, m->header, local, sizeof local, &got, err);
    if (st == ZIPNN_E_CORRUPT) { /* the archive is damaged, but other members may be whole */
        m->stored = false;
        return ZIPNN_OK;
    }
    ZN_TRY(st);
    m->off = m->header + LOCAL_LEN;
    m->stored = got == sizeof local && zn_get_u32(local) == LOCAL_MAGIC;
    if (!m->stored) return ZIPNN_OK;
    m->off += (uint64_t)zn_get_u16(local + 26) + zn_get_u16(local + 28);
    m->stored = m->off <= end && m->len <= end - m->off;
    return ZIPNN_OK;
}

/* Returns whether a member surely is a tensor whose bytes are not stored as they are. */
static bool is_hidden_array(const struct zn_member *m) {
    const size_t len = strlen(m->name), end = strlen(".npy");
    return !m->stored && len >= end && strcmp(m->name + len - end, ".npy") == 0;
}

static zipnn_status list_members(const struct zn_view *view, const struct archive *a, uint8_t *directory,
                                 struct zn_member *members, size_t *n, struct zn_plan *plan, zipnn_error *err) {
    struct zn_cur c = zn_cur_of(directory, a->directory_len);
    for (*n = 0; zn_cur_left(&c) >= ENTRY_LEN;) {
        const struct zn_member m = take_entry(&c, directory, a);
        if (!zn_cur_ok(&c)) return malformed(err, a->directory, "the directory is cut short");
        members[(*n)++] = m;
    }
    if (*n) qsort(members, *n, sizeof *members, compare_headers);
    for (size_t i = 0; i < *n; i++) {
        const bool last = i + 1 == *n || !members[i + 1].stored; /* its headers come last */
        ZN_TRY(place_member(view, &members[i], last ? a->directory : members[i + 1].header, err));
        plan->n_left_out += is_hidden_array(&members[i]);
    }
    return ZIPNN_OK;
}

static zipnn_status plan_archive(const struct zn_view *view, const struct archive *a, struct zn_plan *plan,
                                 const char **container, zipnn_error *err) {
    const size_t max = a->directory_len / ENTRY_LEN;
    ZN_TRY(zn_work_keep(plan->work, a->directory_len + (max + 1) * sizeof(struct zn_member), err));
    uint8_t *directory = zn_alloc(&plan->alloc, a->directory_len + 1);
    struct zn_member *members = zn_alloc(&plan->alloc, (max + 1) * sizeof *members);
    size_t n = 0;
    zipnn_status st = ZIPNN_OK;
    if (!directory || !members)
        st = zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a zip directory of %zu bytes", a->directory_len);
    if (st == ZIPNN_OK) st = read_all(view, a->directory, directory, a->directory_len, err);
    if (st == ZIPNN_OK) st = list_members(view, a, directory, members, &n, plan, err);
    if (st == ZIPNN_OK) st = zn_zip_plan_members(view, members, n, plan, container, err);
    zn_free(&plan->alloc, members);
    zn_free(&plan->alloc, directory);
    return st;
}

/* ---- all archives, the last one first */

static zipnn_status plan_archives(const struct zn_view *view, uint64_t end, uint8_t *buf, struct zn_plan *plan,
                                  const char **container, zipnn_error *err) {
    const uint64_t whole = end;
    while (end > 0) {
        struct archive a = {0};
        zipnn_status st = find_archive(view, end, end == whole ? MAX_COMMENT : 0, buf, &a, err);
        if (st == ZIPNN_E_FORMAT && end < whole) return ZIPNN_OK; /* what comes before is not an archive */
        if (st == ZIPNN_OK) st = plan_archive(view, &a, plan, container, err);
        if (st != ZIPNN_OK && (st != ZIPNN_E_FORMAT || end == whole)) return st;
        end = a.base;
    }
    return ZIPNN_OK;
}

zipnn_status zn_zip_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err) {
    uint64_t len;
    enum zn_view_end end;
    ZN_TRY(zn_view_measure(view, &len, &end, err));
    if (end == ZN_VIEW_CUT) return zn_zip_plan_front(view, plan, container, err);
    uint8_t *buf = zn_alloc(&plan->alloc, END_LEN + MAX_COMMENT);
    if (!buf) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory reading a zip archive");
    zipnn_status st = plan_archives(view, len, buf, plan, container, err);
    zn_free(&plan->alloc, buf);
    return st;
}
