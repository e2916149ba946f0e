#include "opened.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "say.h"

/* ---- is it one? doc/format.md, sections 2 and 4 */

static const unsigned char head_magic[] = {0x8F, 'Z', 'N', 'N', '\r', '\n', 0x1A, '\n'};
static const unsigned char end_magic[] = {'Z', 'N', 'N', 'E', 'N', 'D', '\n', 0x8F};
enum { HEADER_LEN = 24, FLAGS_AT = 10, FLAG_BASES = 4 };

bool begins_like_archive(int fd, bool *needs_bases) {
    unsigned char head[HEADER_LEN];
    *needs_bases = false;
    if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head || memcmp(head, head_magic, sizeof head_magic) != 0)
        return false;
    *needs_bases = head[FLAGS_AT] & FLAG_BASES;
    return true;
}

bool looks_like_archive(int fd, off_t size, bool *needs_bases) {
    unsigned char end[sizeof end_magic];
    return size > HEADER_LEN && begins_like_archive(fd, needs_bases) &&
           pread(fd, end, sizeof end, size - (off_t)sizeof end) == (ssize_t)sizeof end &&
           memcmp(end, end_magic, sizeof end) == 0;
}

/* ---- bases */

zipnn_status base_set_add(struct base_set *set, int fd, const char *path, zipnn_error *err) {
    struct stat st;
    zipnn_status status = ZIPNN_E_LIMIT;
    const size_t i = set->n;
    if (i < sizeof set->fd / sizeof set->fd[0]) status = zipnn_file_from_fd(fd, path, &set->file[i], err);
    if (status != ZIPNN_OK || fstat(fd, &st) != 0) {
        close(fd);
        return status != ZIPNN_OK ? status : ZIPNN_E_IO;
    }
    set->fd[i] = fd;
    set->stamp[i] = stamp_of(&st);
    zipnn_file_source(set->file[i], &set->source[i]);
    set->n++;
    return ZIPNN_OK;
}

void base_set_close(struct base_set *set) {
    for (size_t i = 0; i < set->n; i++) {
        zipnn_file_close(set->file[i]);
        close(set->fd[i]);
    }
    set->n = 0;
}

static bool bases_unchanged(const struct base_set *set) {
    for (size_t i = 0; i < set->n; i++) {
        struct stat st;
        const struct stamp now = fstat(set->fd[i], &st) == 0 ? stamp_of(&st) : (struct stamp){0};
        if (!stamp_unchanged(&set->stamp[i], &now)) return false;
    }
    return true;
}

/* Returns whether the archive and its bases are what they were. The archive may get other names and rights. */
static bool is_unchanged(const struct opened *o) {
    struct stat st;
    return fstat(o->fd, &st) == 0 && st.st_size == o->stamp.size && st.st_mtim.tv_sec == o->stamp.modified.tv_sec &&
           st.st_mtim.tv_nsec == o->stamp.modified.tv_nsec && bases_unchanged(&o->bases);
}

/* ---- opening */

static zipnn_status open_archive(struct opened *o, zipnn_ctx *ctx, zipnn_error *err) {
    zipnn_source source;
    zipnn_file_source(o->file, &source);
    if (!source.read_at) return ZIPNN_E_IO;
    const void *map = NULL;
    if (source.view && source.view(source.user, 0, 1, &map, err) == ZIPNN_OK) o->map = map;
    zipnn_status status = zipnn_archive_open(ctx, &source, &o->archive, err);
    if (status != ZIPNN_OK) return status;
    zipnn_archive_get_info(o->archive, &o->info);
    enum { OF_CHUNK = 64, OF_TENSOR = 320, OF_REST = 64 << 10 };
    o->weight = OF_REST + o->info.n_chunks * OF_CHUNK + o->info.n_tensors * OF_TENSOR;
    return ZIPNN_OK;
}

struct opened *opened_new(int fd, const char *path, struct contexts *contexts, zipnn_error *err) {
    bool needs_bases;
    struct stat st;
    zipnn_status status = ZIPNN_E_FORMAT;
    struct opened *o = calloc(1, sizeof *o);
    if (!o || !begins_like_archive(fd, &needs_bases) || fstat(fd, &st) != 0) {
        snprintf(err->message, sizeof err->message, "%s", o ? "it is no archive of zipnn" : "out of memory");
        free(o);
        close(fd);
        return NULL;
    }
    pthread_mutex_init(&o->lock, NULL);
    o->fd = fd;
    o->stamp = stamp_of(&st);
    o->path = strdup(path);
    zipnn_ctx *ctx = o->path ? contexts_take(contexts, err) : NULL;
    if (ctx) status = zipnn_file_from_fd(fd, path, &o->file, err);
    if (ctx && status == ZIPNN_OK) (void)zipnn_file_map(o->file, NULL); /* 9 % less CPU than reading */
    if (ctx && status == ZIPNN_OK) status = open_archive(o, ctx, err);
    if (ctx) contexts_give(contexts, ctx);
    if (status == ZIPNN_OK) return o;
    opened_free(o);
    return NULL;
}

zipnn_status opened_with_bases(struct opened *o, const struct base_set *bases, zipnn_error *err) {
    zipnn_base_info base;
    o->bases = *bases;
    const zipnn_options options = {
        .size = sizeof options, .threads = 1, .bases = o->bases.source, .n_bases = o->bases.n};
    zipnn_archive_close(o->archive);
    o->archive = NULL;
    zipnn_status status = zipnn_create(&options, &o->own, err);
    if (status == ZIPNN_OK) status = open_archive(o, o->own, err);
    for (unsigned i = 0; status == ZIPNN_OK && i < o->info.n_bases; i++) {
        status = zipnn_archive_base(o->archive, i, &base, err);
        if (status != ZIPNN_OK || base.at_hand) continue;
        status = ZIPNN_E_BASE;
        snprintf(err->message, sizeof err->message,
                 "its base \"%.80s\" of %llu bytes is neither in the folder that is shown nor in that of --base-dir",
                 base.name, (unsigned long long)base.original);
    }
    return status;
}

void opened_free(struct opened *o) {
    zipnn_archive_close(o->archive);
    zipnn_destroy(o->own);
    base_set_close(&o->bases);
    zipnn_file_close(o->file);
    close(o->fd);
    free(o->path);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

/* ---- reading */

/* Lets the pages go that a chunk was decoded from, so that the process stays small; the page cache keeps them. */
static void let_go(const struct opened *o, uint64_t off) {
    uint64_t index;
    zipnn_chunk_info chunk;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (!o->map || zipnn_archive_chunk_at(o->archive, off, &index, NULL) != ZIPNN_OK ||
        zipnn_archive_chunk(o->archive, index, &chunk, NULL) != ZIPNN_OK)
        return;
    const uintptr_t from = ((uintptr_t)o->map + chunk.archive_offset) & ~(page - 1);
    const uintptr_t to = (uintptr_t)o->map + chunk.archive_offset + chunk.stored;
    (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

/* Pages that were replaced, of any file. */
static atomic_uint cuts_begun, cuts_ended;

void opened_cut_begins(void) {
    atomic_fetch_add(&cuts_begun, 1);
}

void opened_cut_ends(void) {
    atomic_fetch_add(&cuts_ended, 1);
}

/* Waits until no page is being replaced. Returns how many were. */
static unsigned cuts_so_far(void) {
    for (;;) {
        const unsigned ended = atomic_load(&cuts_ended), begun = atomic_load(&cuts_begun);
        if (begun == ended) return begun;
        sched_yield();
    }
}

static bool was_cut(struct opened *o, unsigned before) {
    const bool cut = atomic_load(&cuts_begun) != before;
    if (cut) atomic_store(&o->torn, true);
    return cut;
}

/* Reads again if a page was replaced meanwhile, which may be after the check of a chunk and before it is decoded. If it
 * was a page of this file, its check fails the next time. Length and time of the file need not tell: who cuts a file may
 * set both back. */
static zipnn_status read_checked(struct opened *o, zipnn_ctx *ctx, uint64_t off, uint64_t len, void *to,
                                 zipnn_error *err) {
    for (;;) {
        const unsigned before = cuts_so_far();
        const zipnn_status status = zipnn_archive_read_in(ctx, o->archive, off, len, to, err);
        if (!was_cut(o, before) || status != ZIPNN_OK) return status;
    }
}

zipnn_status opened_read(struct opened *o, struct contexts *contexts, uint64_t off, uint64_t len, void *to,
                         zipnn_error *err) {
    static const zipnn_error changed = {
        .status = ZIPNN_E_BASE, .message = "it, or a file that it was made against, changed while it was mounted"};
    zipnn_status status = ZIPNN_E_BASE;
    zipnn_ctx *ctx = contexts_take(contexts, err);
    if (!ctx) return ZIPNN_E_MEMORY;
    *err = changed;
    if (is_unchanged(o)) status = read_checked(o, ctx, off, len, to, err);
    contexts_give(contexts, ctx);
    let_go(o, off);
    if (!is_unchanged(o)) {
        *err = changed;
        status = ZIPNN_E_BASE;
    }
    return status;
}

/* Checks every chunk and the digest of the whole. */
static zipnn_status test(struct opened *o, struct contexts *contexts, zipnn_error *err) {
    zipnn_source source;
    zipnn_stats stats;
    zipnn_ctx *ctx = o->own ? o->own : contexts_take(contexts, err);
    if (!ctx) return ZIPNN_E_MEMORY;
    zipnn_file_source(o->file, &source);
    const unsigned before = cuts_so_far();
    const zipnn_status status = zipnn_test(ctx, &source, &stats, err);
    (void)was_cut(o, before); /* then the verdict is of this opening only */
    if (!o->own) contexts_give(contexts, ctx);
    if (o->map) (void)madvise((void *)(uintptr_t)o->map, (size_t)source.length, MADV_DONTNEED);
    return status;
}

bool opened_is_sound(struct opened *o, struct contexts *contexts) {
    zipnn_error err = {.message = "it changed while it was tested"};
    pthread_mutex_lock(&o->lock);
    if (o->tested == OPENED_UNTESTED) {
        const bool sound = test(o, contexts, &err) == ZIPNN_OK && is_unchanged(o);
        o->tested = sound ? OPENED_SOUND : OPENED_DAMAGED;
        if (!sound) say("%s: it cannot be opened: %s", o->path, err.message);
    }
    const bool sound = o->tested == OPENED_SOUND;
    pthread_mutex_unlock(&o->lock);
    return sound;
}

void opened_report(struct opened *o, uint64_t chunk, const zipnn_error *err) {
    bool known = false;
    pthread_mutex_lock(&o->lock);
    for (unsigned i = 0; i < o->n_reported && !known; i++) known = o->reported[i] == chunk;
    const unsigned n = o->n_reported;
    if (!known && n < MAX_REPORTED) o->reported[o->n_reported++] = chunk;
    pthread_mutex_unlock(&o->lock);
    if (known || n >= MAX_REPORTED) return;
    zipnn_chunk_info info = {0};
    (void)zipnn_archive_chunk(o->archive, chunk, &info, NULL);
    say("%s: bytes %llu to %llu of the original cannot be read: %s%s", o->path, (unsigned long long)info.offset,
        (unsigned long long)(info.offset + info.length), err->message,
        n + 1 == MAX_REPORTED ? "; further damage of this file is not listed" : "");
}
