/* A view lets readers see any range of a file's bytes, by copying them. The bytes may be in memory, in a file, in the
 * first part of a pipe, or in an archive. */
#ifndef ZN_READERS_VIEW_H
#define ZN_READERS_VIEW_H

#include "base/bytes.h"
#include "base/err.h"
#include "plan/work.h"

/* Says whether the file ends where the view ends, or goes on. */
enum zn_view_end { ZN_VIEW_WHOLE, ZN_VIEW_CUT };

struct zn_view {
    /* Fills buf with bytes [off, off + len), or with as many of them as can be seen. *got is their number. */
    zipnn_status (*read)(void *user, uint64_t off, uint8_t *buf, size_t len, size_t *got, zipnn_error *err);
    /* Returns how many bytes can be seen. A pipe is read that far. */
    zipnn_status (*measure)(void *user, uint64_t *len, enum zn_view_end *end, zipnn_error *err);
    void *user;
    uint64_t first, last; /* this view shows the part [first, last); a whole file is 0, UINT64_MAX */
    unsigned depth;       /* files around this one */
    struct zn_work *work; /* the purse that pays for reads and looks; NULL: they are free */
};

struct zn_memory_view {
    const uint8_t *bytes;
    size_t len;
    enum zn_view_end end;
};

/* Returns a view of memory. `memory` must outlive it. */
struct zn_view zn_view_of_memory(struct zn_memory_view *memory);

/* Returns bytes [off, off + len) of a view as a file of its own. */
struct zn_view zn_view_part(const struct zn_view *view, uint64_t off, uint64_t len);

zipnn_status zn_view_read(const struct zn_view *view, uint64_t off, uint8_t *buf, size_t len, size_t *got,
                          zipnn_error *err);
zipnn_status zn_view_measure(const struct zn_view *view, uint64_t *len, enum zn_view_end *end, zipnn_error *err);

/* A cursor over a view that reads ahead a little. A short read gives zero and sticks, as with zn_cur. So does a failure
 * of the view, which is kept and reported at the end. */
struct zn_scan {
    const struct zn_view *view;
    uint64_t off;        /* offset of the next byte */
    uint64_t end;        /* nothing is read from here on */
    size_t at, len;      /* position of the next byte in buf; bytes in buf */
    bool bad;            /* stuck */
    bool jumped;         /* the cursor jumped here and may jump again soon: little is read ahead */
    zipnn_status status; /* ZIPNN_OK, or the failure of the view */
    zipnn_error *err;
    uint8_t buf[4096];
};

enum { ZN_SCAN_MAX = 4096 }; /* most bytes taken at once */

void zn_scan_init(struct zn_scan *s, const struct zn_view *view, uint64_t off, uint64_t end, zipnn_error *err);

/* Returns the next len <= ZN_SCAN_MAX bytes, valid until the next call; NULL if there are fewer. */
const uint8_t *zn_scan_take(struct zn_scan *s, size_t len);

/* Moves to file offset `off`, forwards or backwards. Beyond the end the cursor is stuck. */
void zn_scan_seek(struct zn_scan *s, uint64_t off);

/* Skips bytes without reading them. */
void zn_scan_skip(struct zn_scan *s, uint64_t len);

static inline bool zn_scan_ok(const struct zn_scan *s) {
    return !s->bad;
}
static inline uint64_t zn_scan_left(const struct zn_scan *s) {
    return s->bad ? 0 : s->end - s->off;
}
static inline uint8_t zn_scan_u8(struct zn_scan *s) {
    const uint8_t *p = zn_scan_take(s, 1);
    return p ? *p : 0;
}
static inline uint16_t zn_scan_u16(struct zn_scan *s) {
    const uint8_t *p = zn_scan_take(s, 2);
    return p ? zn_get_u16(p) : 0;
}
static inline uint32_t zn_scan_u32(struct zn_scan *s) {
    const uint8_t *p = zn_scan_take(s, 4);
    return p ? zn_get_u32(p) : 0;
}
static inline uint64_t zn_scan_u64(struct zn_scan *s) {
    const uint8_t *p = zn_scan_take(s, 8);
    return p ? zn_get_u64(p) : 0;
}

#endif
