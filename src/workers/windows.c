#include "workers/windows.h"

#include <string.h>

zipnn_status zn_windows_open(struct zn_windows *w, const zipnn_allocator *alloc, zn_fetch_fn *fetch, void *user,
                             uint64_t length, size_t size, zipnn_error *err) {
    *w = (struct zn_windows){.fetch = fetch, .user = user, .length = length, .alloc = *alloc};
    w->size = (size_t)ZN_MIN((uint64_t)size, length);
    if (pthread_mutex_init(&w->lock, NULL) != 0)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory creating a lock");
    bool complete = true;
    for (unsigned i = 0; i < ZN_N_WINDOWS; i++) {
        w->window[i].bytes = zn_alloc(alloc, w->size + 1);
        complete &= w->window[i].bytes != NULL;
    }
    if (complete) return ZIPNN_OK;
    zn_windows_close(w);
    return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: windows of %zu bytes", w->size);
}

void zn_windows_close(struct zn_windows *w) {
    for (unsigned i = 0; i < ZN_N_WINDOWS; i++) zn_free(&w->alloc, w->window[i].bytes);
    pthread_mutex_destroy(&w->lock);
}

/* Returns the window that holds the range, or NULL. */
static const struct zn_window *find(const struct zn_windows *w, uint64_t off, size_t len) {
    for (unsigned i = 0; i < ZN_N_WINDOWS; i++) {
        const struct zn_window *here = &w->window[i];
        if (off >= here->off && off - here->off <= here->len && len <= here->len - (size_t)(off - here->off))
            return here;
    }
    return NULL;
}

static zipnn_status read_locked(struct zn_windows *w, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    if (len == 0) return ZIPNN_OK;
    if (len >= w->size) return w->fetch(w->user, off, len, buf, err);
    const struct zn_window *here = find(w, off, len);
    if (!here) {
        struct zn_window *fresh = &w->window[w->next];
        w->next = (w->next + 1) % ZN_N_WINDOWS;
        fresh->len = 0;
        const size_t n = (size_t)ZN_MIN((uint64_t)w->size, w->length - off);
        ZN_TRY(w->fetch(w->user, off, n, fresh->bytes, err));
        fresh->off = off;
        fresh->len = n;
        here = fresh;
    }
    memcpy(buf, here->bytes + (off - here->off), len);
    return ZIPNN_OK;
}

zipnn_status zn_windows_read_at(void *windows, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    struct zn_windows *w = windows;
    if (off > w->length || len > w->length - off)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, off,
                       "%zu bytes at offset %llu pass the end of an original of %llu bytes", len,
                       (unsigned long long)off, (unsigned long long)w->length);
    pthread_mutex_lock(&w->lock);
    zipnn_status status = read_locked(w, off, buf, len, err);
    pthread_mutex_unlock(&w->lock);
    return status;
}
