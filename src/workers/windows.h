/* Keeps a few stretches of something slow to read in memory. It serves several threads that read through it together.
 */
#ifndef ZN_WORKERS_WINDOWS_H
#define ZN_WORKERS_WINDOWS_H

#include "base/err.h"
#include "base/mem.h"
#include "workers/threads.h"

enum { ZN_N_WINDOWS = 2 }; /* a thread that lags behind finds its bytes in the window before */

typedef zipnn_status zn_fetch_fn(void *user, uint64_t off, uint64_t len, void *dst, zipnn_error *err);

struct zn_windows {
    pthread_mutex_t lock;
    zn_fetch_fn *fetch; /* called by one thread at a time */
    void *user;
    uint64_t length;
    size_t size; /* of a window */
    struct zn_window {
        uint64_t off;
        size_t len;
        uint8_t *bytes;
    } window[ZN_N_WINDOWS];
    unsigned next; /* window to be given up */
    zipnn_allocator alloc;
};

zipnn_status zn_windows_open(struct zn_windows *w, const zipnn_allocator *alloc, zn_fetch_fn *fetch, void *user,
                             uint64_t length, size_t size, zipnn_error *err);
void zn_windows_close(struct zn_windows *w);

/* The read_at of a zipnn_source whose user is the windows. */
zipnn_status zn_windows_read_at(void *windows, uint64_t off, void *buf, size_t len, zipnn_error *err);

#endif
