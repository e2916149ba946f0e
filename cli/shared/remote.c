#include "shared/remote.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line/url.h"
#include "shared/cli_fail.h"
#include "shared/fetcher.h"
#include "shared/text.h"

enum {
    BLOCK = 8 << 20,    /* bytes of a piece at most */
    LEAST = 64 << 10,   /* bytes of a piece at least, and of the front and the end that are kept */
    NEAR = 4 << 10,     /* so many bytes that nobody wants are fetched rather than asking twice, or a 64th of the run */
    AHEAD = 8,          /* pieces that are asked for at once */
    HELD = 12,          /* pieces of memory at most */
    INDEX_LOG2 = 14,    /* an index takes about so small a part of an archive: a larger end spares a request */
    MOST_READ = 1 << 30 /* bytes of one read: no index and no chunk of an archive that can be is larger */
};

struct piece {
    uint64_t start, end, unread;
    unsigned char *bytes; /* NULL: not there yet */
    uint64_t used;        /* the time of the last use, counted in uses */
    bool asked, kept;     /* kept: for ever */
};

/* A run that was announced. It is fetched in cells of BLOCK bytes from its start on; those before `next` were asked for
 * once and are not asked for ahead of the reader again. */
struct wanted {
    uint64_t start, end, next;
};

struct remote {
    struct fetcher fetcher;
    char *shown;
    uint64_t length;
    struct piece **pieces; /* in order, apart from each other */
    size_t n, cap;
    struct wanted *wanted; /* the same */
    size_t n_wanted;
    bool in_order;                       /* `wanted` is: until then nothing is read */
    uint64_t uses, last_start, last_end; /* of the piece that was fetched last without having been announced */
    zipnn_error failure;                 /* what ended all reading */
    bool receiving;                      /* a thread waits for an answer, and wakes the others */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

/* Returns the place of the first piece that begins after `off`. */
static size_t place_after(const struct remote *r, uint64_t off) {
    size_t low = 0, high = r->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (r->pieces[middle]->start > off)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static struct piece *insert(struct remote *r, size_t at, uint64_t start, uint64_t end) {
    struct piece *p = text_realloc(NULL, sizeof *p);
    *p = (struct piece){.start = start, .end = end, .unread = end - start};
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->pieces = text_realloc(r->pieces, r->cap * sizeof r->pieces[0]);
    }
    memmove(r->pieces + at + 1, r->pieces + at, (r->n - at) * sizeof r->pieces[0]);
    r->pieces[at] = p;
    r->n++;
    return p;
}

static void drop(struct remote *r, size_t at) {
    free(r->pieces[at]->bytes);
    free(r->pieces[at]);
    r->n--;
    memmove(r->pieces + at, r->pieces + at + 1, (r->n - at) * sizeof r->pieces[0]);
}

static struct piece *piece_of(const struct remote *r, uint64_t off) {
    const size_t at = place_after(r, off);
    return at > 0 && r->pieces[at - 1]->end > off ? r->pieces[at - 1] : NULL;
}

/* Adds a piece that holds `off`, where no piece does: as much of [start, end) as no other one holds, and LEAST bytes at
 * least where there is room. */
static struct piece *add_piece(struct remote *r, uint64_t off, uint64_t start, uint64_t end) {
    const size_t at = place_after(r, off);
    const uint64_t room = at < r->n ? r->pieces[at]->start : r->length;
    if (at > 0 && r->pieces[at - 1]->end > start) start = r->pieces[at - 1]->end;
    if (end - start < LEAST) end = start + LEAST;
    return insert(r, at, start, end < room ? end : room);
}

static int compare_wanted(const void *a, const void *b) {
    const struct wanted *one = a, *other = b;
    return one->start < other->start ? -1 : one->start > other->start;
}

/* Puts the runs in order, and makes one of those between which little lies. */
static void arrange(struct remote *r) {
    size_t n = 0;
    if (r->n_wanted) qsort(r->wanted, r->n_wanted, sizeof *r->wanted, compare_wanted);
    for (size_t i = 0; i < r->n_wanted; i++) {
        const struct wanted *w = &r->wanted[i];
        struct wanted *last = n ? &r->wanted[n - 1] : NULL;
        const uint64_t len = last ? last->end - last->start : 0, near = len / 64 > NEAR ? len / 64 : NEAR;
        if (!last || w->start > last->end + near) {
            r->wanted[n++] = *w;
            continue;
        }
        if (last->next >= w->start && last->next < w->next) last->next = w->next;
        if (last->end < w->end) last->end = w->end;
    }
    r->n_wanted = n;
    r->in_order = true;
}

/* Returns the first run that ends behind `off`, NULL for none. */
static struct wanted *wanted_from(const struct remote *r, uint64_t off) {
    size_t low = 0, high = r->n_wanted;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (r->wanted[middle].end > off)
            high = middle;
        else
            low = middle + 1;
    }
    return low < r->n_wanted ? &r->wanted[low] : NULL;
}

/* Adds the piece of a cell that holds `off` of a run. */
static struct piece *add_cell(struct remote *r, struct wanted *w, uint64_t off) {
    const uint64_t start = off - (off - w->start) % BLOCK;
    const uint64_t end = w->end - start > BLOCK ? start + BLOCK : w->end;
    if (w->next < end) w->next = end;
    return add_piece(r, off, start, end);
}

/* Returns the next piece from `off` on that is to be asked for ahead of the reader, NULL for none. */
static struct piece *piece_ahead(struct remote *r, uint64_t off) {
    for (struct wanted *w = wanted_from(r, off); w && w < r->wanted + r->n_wanted; w++) {
        if (w->next < off && off < w->end) w->next = off - (off - w->start) % BLOCK;
        while (w->next < w->end) {
            struct piece *there = piece_of(r, w->next);
            if (!there) return add_cell(r, w, w->next);
            w->next = there->end;
            if (!there->asked && !there->kept) return there;
        }
    }
    return NULL;
}

static size_t count_held(const struct remote *r) {
    size_t held = 0;
    for (size_t i = 0; i < r->n; i++) held += r->pieces[i]->asked && !r->pieces[i]->kept;
    return held;
}

/* Lets go of pieces that were read, then of those that were used longest ago, until there is room for one more. */
static void make_room(struct remote *r) {
    while (count_held(r) >= HELD) {
        size_t oldest = SIZE_MAX;
        for (size_t i = 0; i < r->n; i++) {
            const struct piece *p = r->pieces[i], *o = oldest == SIZE_MAX ? NULL : r->pieces[oldest];
            if (p->kept || !p->bytes) continue;
            const bool read = p->unread == 0;
            if (!o || (read && o->unread) || (read == (o->unread == 0) && p->used < o->used)) oldest = i;
        }
        if (oldest == SIZE_MAX) return;
        drop(r, oldest);
    }
}

static zipnn_status ask(struct remote *r, struct piece *p, zipnn_error *err) {
    if (p->asked || p->kept) return ZIPNN_OK;
    p->asked = true;
    return fetcher_ask(&r->fetcher, p->start, p->end, err);
}

/* Asks for a piece and for those behind it. */
static zipnn_status ask_ahead(struct remote *r, struct piece *first, zipnn_error *err) {
    zipnn_status st = ask(r, first, err);
    unsigned under_way = 0;
    for (size_t i = 0; i < r->n; i++) under_way += r->pieces[i]->asked && !r->pieces[i]->bytes;
    for (; st == ZIPNN_OK && under_way < AHEAD && count_held(r) < HELD; under_way++) {
        struct piece *p = piece_ahead(r, first->start);
        if (!p) break;
        st = ask(r, p, err);
    }
    return st;
}

/* Returns the piece that holds a byte of a read up to `end`. */
static struct piece *piece_at(struct remote *r, uint64_t off, uint64_t end) {
    struct piece *p = piece_of(r, off);
    if (p) return p;
    make_room(r);
    struct wanted *w = wanted_from(r, off);
    if (w && w->start <= off) return add_cell(r, w, off);
    const uint64_t again = off == r->last_end ? 2 * (r->last_end - r->last_start) : 0;
    const uint64_t some = again > end - off ? again : end - off;
    p = add_piece(r, off, off, off + (some < BLOCK ? some : BLOCK));
    r->last_start = off;
    r->last_end = p->end;
    return p;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static zipnn_status deliver(struct remote *r, const struct fetched *got, zipnn_error *err) {
    struct piece *p = piece_of(r, got->start);
    if (p && p->start == got->start && p->end - p->start == got->n && !p->bytes && got->length == r->length) {
        p->bytes = got->bytes;
        return ZIPNN_OK;
    }
    free(got->bytes);
    return cli_fail(err, ZIPNN_E_IO, "bytes came that were not asked for");
}

/* Waits until something has come; the lock is free meanwhile. */
static void wait_for_more(struct remote *r) {
    struct fetched got;
    zipnn_error err;
    if (r->receiving) {
        pthread_cond_wait(&r->changed, &r->lock);
        return;
    }
    r->receiving = true;
    pthread_mutex_unlock(&r->lock);
    zipnn_status st = fetcher_receive(&r->fetcher, &got, &err);
    pthread_mutex_lock(&r->lock);
    r->receiving = false;
    if (st == ZIPNN_OK) st = deliver(r, &got, &err);
    if (st != ZIPNN_OK) r->failure = err;
    pthread_cond_broadcast(&r->changed);
}

static zipnn_status fail(const struct remote *r, zipnn_error *err) {
    return cli_fail(err, r->failure.status, "%s: %s", r->shown, r->failure.message);
}

static zipnn_status copy_some(struct remote *r, uint64_t off, unsigned char *to, size_t len, size_t *n,
                              zipnn_error *err) {
    for (;;) {
        if (r->failure.status != ZIPNN_OK) return fail(r, err);
        struct piece *p = piece_at(r, off, off + len);
        p->used = ++r->uses;
        if (ask_ahead(r, p, &r->failure) != ZIPNN_OK) continue;
        if (!p->bytes) {
            wait_for_more(r);
            continue;
        }
        const uint64_t left = p->end - off;
        *n = left < len ? (size_t)left : len;
        memcpy(to, p->bytes + (off - p->start), *n);
        p->unread -= p->unread < *n ? p->unread : *n;
        return ZIPNN_OK;
    }
}

static zipnn_status read_at(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    struct remote *r = user;
    unsigned char *to = buf;
    if (len > MOST_READ || off > r->length || len > r->length - off)
        return cli_fail(err, ZIPNN_E_IO, "%s: %zu bytes at %" PRIu64 " of %" PRIu64 " are wanted: no sound archive",
                        r->shown, len, off, r->length);
    zipnn_status st = ZIPNN_OK;
    pthread_mutex_lock(&r->lock);
    if (!r->in_order) arrange(r);
    for (size_t n = 0; len > 0 && st == ZIPNN_OK; off += n, to += n, len -= n) {
        n = 0;
        st = copy_some(r, off, to, len, &n, err);
    }
    pthread_mutex_unlock(&r->lock);
    return st;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* The front, which tells the length, and the end. */
static zipnn_status glance(struct remote *r, zipnn_error *err) {
    struct fetched got;
    zipnn_status st = fetcher_ask(&r->fetcher, 0, LEAST, err);
    if (st == ZIPNN_OK) st = fetcher_receive(&r->fetcher, &got, err);
    if (st != ZIPNN_OK) return st;
    r->length = got.length;
    if (got.n == 0) {
        free(got.bytes);
        return ZIPNN_OK;
    }
    struct piece *front = insert(r, 0, 0, got.n);
    front->bytes = got.bytes;
    front->kept = true;
    uint64_t tail = r->length >> INDEX_LOG2;
    if (tail > BLOCK) tail = BLOCK;
    if (tail < LEAST) tail = LEAST;
    if (got.n >= r->length) return ZIPNN_OK;
    const uint64_t from = r->length - got.n > tail ? r->length - tail : got.n;
    st = fetcher_ask(&r->fetcher, from, r->length, err);
    if (st == ZIPNN_OK) st = fetcher_receive(&r->fetcher, &got, err);
    if (st != ZIPNN_OK) return st;
    struct piece *end = insert(r, 1, from, r->length);
    end->kept = true;
    end->bytes = got.bytes;
    if (got.start == from && got.n == r->length - from) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_IO, "bytes came that were not asked for");
}

zipnn_status remote_open(const char *url, struct remote **remote, zipnn_source *source, zipnn_error *err) {
    struct remote *r = text_realloc(NULL, sizeof *r);
    *r = (struct remote){.shown = text_join(url_shown(url), "", ""), .last_end = UINT64_MAX};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    *remote = r;
    zipnn_error why = {.status = ZIPNN_OK};
    zipnn_status st = fetcher_start(&r->fetcher, url, &why);
    if (st == ZIPNN_OK) st = glance(r, &why);
    *source = (zipnn_source){.read_at = read_at, .length = r->length, .user = r};
    r->failure = why;
    return st == ZIPNN_OK ? st : fail(r, err);
}

void remote_close(struct remote *r) {
    if (!r) return;
    fetcher_end(&r->fetcher);
    while (r->n > 0) drop(r, r->n - 1);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r->pieces);
    free(r->wanted);
    free(r->shown);
    free(r);
}

void remote_expect(struct remote *r, const zipnn_range *ranges, size_t n) {
    pthread_mutex_lock(&r->lock);
    r->wanted = text_realloc(r->wanted, (r->n_wanted + n + 1) * sizeof *r->wanted);
    for (size_t i = 0; i < n; i++) {
        const uint64_t start = ranges[i].offset;
        if (ranges[i].source != 0 || start >= r->length || ranges[i].length == 0) continue;
        const uint64_t room = r->length - start, len = ranges[i].length < room ? ranges[i].length : room;
        r->wanted[r->n_wanted++] = (struct wanted){start, start + len, start};
    }
    r->in_order = false;
    pthread_mutex_unlock(&r->lock);
}

void remote_expect_all(struct remote *r) {
    const zipnn_range all = {.offset = 0, .length = r->length};
    remote_expect(r, &all, 1);
}
