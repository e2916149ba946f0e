/* Reads files through the page cache without copying: the mapping is filled just ahead of the reader and emptied behind
 * it. */
#define _GNU_SOURCE /* madvise, MADV_POPULATE_READ */
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/pages.h"
#include "io/files_priv.h"

/* Mapped pages count as resident memory of the process. When they are dropped, they stay in the page cache. */
enum { MAPPED_AT_ONCE = 16 << 20 };

/* Maps pages before they are needed. A fault maps those around it that the page cache has, 64 KiB on Linux. Prefetches
 * never fault, so they only work on mapped pages. */
static void enter_pages(const uint8_t *from, size_t len) {
    enum { AROUND = 64 << 10 };
    const volatile uint8_t *p = from;
    for (size_t i = 0; i < len; i += AROUND) (void)p[i];
    if (len) (void)p[len - 1];
}

/* Checks the length, because touching a page past the end of the file raises SIGBUS. Only a file that is cut short
 * while the next chunk is read can still do so. */
static zipnn_status check_length(const zipnn_file *f, uint64_t end, zipnn_error *err) {
    struct stat now;
    if (fstat(f->fd, &now) != 0) return zn_fail_os(f->path, "inspect", ZN_NOWHERE, errno, err);
    if ((uint64_t)now.st_size < end) return zn_fail_path(f->path, "became shorter while it was read", err);
    return ZIPNN_OK;
}

static zipnn_status view(void *user, uint64_t off, size_t len, const void **bytes, zipnn_error *err) {
    zipnn_file *f = user;
    if (off > f->length || len > f->length - off) return zn_fail_path(f->path, "is shorter than that", err);
    ZN_TRY(check_length(f, f->start + off + len, err));
    const uint8_t *from = f->map + f->start + off;
    /* A thread that still reads dropped pages gets them back by a fault. */
    if (atomic_fetch_add_explicit(&f->viewed, len, memory_order_relaxed) + len > MAPPED_AT_ONCE) {
        atomic_store_explicit(&f->viewed, 0, memory_order_relaxed);
        (void)madvise(f->map, f->map_len, MADV_DONTNEED);
    }
    enter_pages(from, len);
    *bytes = from;
    return ZIPNN_OK;
}

zipnn_status zn_file_map(zipnn_file *f, zipnn_error *err) {
    uint64_t len;
    if (f->map) return ZIPNN_OK;
    if (!f->seekable || f->target.is_new) return zn_fail_path(f->path, "is no file that can be mapped", err);
    if (f->length == 0) return ZIPNN_OK;
    if (!zn_add(f->start, f->length, &len) || len > SIZE_MAX)
        return zn_fail_os(f->path, "map", ZN_NOWHERE, EOVERFLOW, err);
    void *map = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, f->fd, 0);
    if (map == MAP_FAILED) return zn_fail_os(f->path, "map", ZN_NOWHERE, errno, err);
    f->map = map;
    f->map_len = (size_t)len;
    return ZIPNN_OK;
}

void zn_file_unmap(zipnn_file *f) {
    if (f->map) (void)munmap(f->map, f->map_len);
    f->map = NULL;
}

void zn_file_map_source(const zipnn_file *f, zipnn_source *source) {
    if (f->map) source->view = view;
}

bool zn_file_is_cached(const zipnn_file *f) {
    if (!f->seekable || f->length == 0) return true;
    const size_t len = (size_t)(f->start + f->length);
    void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, f->fd, 0);
    if (map == MAP_FAILED) return true;
    const bool present = zn_pages_present(map, len);
    (void)munmap(map, len);
    return present;
}
