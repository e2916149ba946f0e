/* Whether a file may be removed or replaced: not while others are differences from it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mounted_view.h"
#include "say.h"

static zipnn_status count(void *user, const void *bytes, size_t len, zipnn_error *err) {
    (void)user;
    (void)bytes;
    (void)len;
    (void)err;
    return ZIPNN_OK;
}

/* Returns whether the plain file behind fd is needed: its digest is that of packing it. */
static bool is_needed_plain(struct view *view, int fd) {
    zipnn_error err;
    zipnn_stats stats;
    zipnn_source source;
    zipnn_file *file = NULL;
    const zipnn_options fast = {.size = sizeof fast, .threads = view->threads, .level = 1};
    const zipnn_sink nowhere = {.write = count};
    zipnn_ctx *ctx = NULL;
    zipnn_status status = zipnn_create(&fast, &ctx, &err);
    if (status == ZIPNN_OK) status = zipnn_file_from_fd(fd, "", &file, &err);
    if (status == ZIPNN_OK) {
        zipnn_file_source(file, &source);
        status = zipnn_pack(ctx, &source, &nowhere, &stats, &err);
    }
    zipnn_file_close(file);
    zipnn_destroy(ctx);
    return status == ZIPNN_OK && needs_original(&view->needs, stats.original, stats.xxh3);
}

int view_may_go(struct view *view, const char *folder, const char *name, const struct shown *shown) {
    const uint64_t length = (uint64_t)shown->st.st_size;
    if (shown->kind != NODE_ARCHIVE && shown->kind != NODE_PLAIN) return 0;
    if (!needs_length(&view->needs, length)) return 0;
    bool needed = shown->kind == NODE_ARCHIVE && needs_original(&view->needs, length, shown->xxh3);
    if (shown->kind == NODE_PLAIN) {
        char *file = shown_file(name, shown), *path = file ? path_below(folder, file) : NULL;
        const int fd = path ? source_tree_at(&view->tree, path, O_RDONLY | O_NONBLOCK) : -1;
        needed = fd >= 0 && is_needed_plain(view, fd);
        if (fd >= 0) close(fd);
        free(file);
        free(path);
    }
    if (!needed) return 0;
    say("%s%s%s stays as it is: archives of the folder are differences from it, and cannot be read without it", folder,
        *folder ? "/" : "", name);
    return EBUSY;
}
