#include "source_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- paths */

char *path_below(const char *folder, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s%s%s", folder, *folder ? "/" : "", name) < 0 ? NULL : path;
}

bool has_archive_suffix(const char *name) {
    const size_t len = strlen(name), suffix = sizeof ARCHIVE_SUFFIX - 1;
    return len > suffix && strcmp(name + len - suffix, ARCHIVE_SUFFIX) == 0;
}

/* Opens below `folder`. Kernels before 5.6 lack the call: there only the last part of the path is kept from being a
 * link, which is all that differs unless somebody changes folders to links meanwhile. */
static int open_below(int folder, const char *path, int flags, uint64_t resolve) {
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | resolve};
    const long fd = syscall(SYS_openat2, folder, *path ? path : ".", &how, sizeof how);
    if (fd >= 0) return (int)fd;
    if (errno != ENOSYS || !(resolve & RESOLVE_NO_SYMLINKS)) return -errno;
    const int plain = openat(folder, *path ? path : ".", flags | O_CLOEXEC | O_NOFOLLOW);
    return plain >= 0 ? plain : -errno;
}

int source_tree_at(const struct source_tree *tree, const char *path, int flags) {
    return open_below(tree->root, path, flags, RESOLVE_NO_SYMLINKS);
}

/* ---- the root */

int source_tree_open(struct source_tree *tree, const char *path) {
    struct stat st;
    *tree = (struct source_tree){.root = -1};
    char *real = realpath(path, NULL);
    if (!real) return errno;
    tree->path = real;
    if (stat(real, &st) != 0) return errno;
    if (!S_ISDIR(st.st_mode)) {
        char *slash = strrchr(real, '/');
        if (!S_ISREG(st.st_mode)) return ENOTDIR;
        tree->only = strdup(slash + 1);
        if (!tree->only) return ENOMEM;
        slash[slash == real] = '\0';
    }
    tree->root = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return tree->root >= 0 ? 0 : errno;
}

void source_tree_close(struct source_tree *tree) {
    if (tree->root >= 0) close(tree->root);
    free(tree->path);
    free(tree->only);
    *tree = (struct source_tree){.root = -1};
}

/* ---- links */

/* Returns how many folders deep a path is. */
static unsigned depth_of(const char *path) {
    unsigned depth = *path != '\0';
    for (; *path; path++) depth += *path == '/';
    return depth;
}

/* Makes a target that lies below the root relative to the link's folder. Returns NULL if it does not. */
static char *relative_target(const struct source_tree *tree, const char *folder, const char *target) {
    const size_t len = strlen(tree->path);
    char *result = NULL;
    if (target[0] != '/') return strdup(target);
    if (strncmp(target, tree->path, len) != 0 || (target[len] && target[len] != '/' && len > 1)) return NULL;
    const char *rest = target + len;
    while (*rest == '/') rest++;
    const unsigned depth = depth_of(folder);
    result = malloc(3 * (size_t)depth + strlen(rest) + 2);
    if (!result) return NULL;
    char *to = result;
    for (unsigned i = 0; i < depth; i++) to = stpcpy(to, "../");
    (void)stpcpy(to, *rest ? rest : ".");
    return result;
}

/* Returns whether the words of a target climb above the root, which is `depth` folders up. */
static bool climbs_out(unsigned depth, const char *target) {
    while (*target) {
        const size_t len = strcspn(target, "/");
        if (len == 2 && target[0] == '.' && target[1] == '.') {
            if (depth-- == 0) return true;
        } else if (len > 0 && !(len == 1 && target[0] == '.')) {
            depth++;
        }
        target += len + (target[len] == '/');
    }
    return false;
}

char *source_tree_target(const struct source_tree *tree, const char *folder, const char *target) {
    char *to = relative_target(tree, folder, target);
    if (!to || !climbs_out(depth_of(folder), to)) return to;
    free(to);
    return NULL;
}

static int read_link(const struct source_tree *tree, const char *folder, const char *name, char **target) {
    char text[PATH_MAX];
    const int at = source_tree_at(tree, folder, O_PATH | O_DIRECTORY);
    if (at < 0) return -at;
    const ssize_t len = readlinkat(at, name, text, sizeof text - 1);
    const int fault = len < 0 ? errno : 0;
    close(at);
    if (fault) return fault;
    text[len] = '\0';
    *target = relative_target(tree, folder, text);
    return *target ? 0 : EACCES;
}

/* Opens what a relative target leads to, over further links too, as long as they stay inside. */
static int open_target(const struct source_tree *tree, const char *folder, const char *target, int flags) {
    char *path = path_below(folder, target);
    const int fd = path ? open_below(tree->root, path, flags, RESOLVE_NO_MAGICLINKS) : -ENOMEM;
    free(path);
    return fd;
}

int source_tree_link(const struct source_tree *tree, const char *folder, const char *name, bool strip, char **target) {
    char *to;
    const int fault = read_link(tree, folder, name, &to);
    if (fault) return fault;
    const int fd = open_target(tree, folder, to, O_PATH);
    if (fd >= 0) close(fd);
    if (fd == -EXDEV || climbs_out(depth_of(folder), to)) {
        free(to);
        return EACCES;
    }
    if (strip && has_archive_suffix(to)) to[strlen(to) - (sizeof ARCHIVE_SUFFIX - 1)] = '\0';
    *target = to;
    return 0;
}

int source_tree_follow(const struct source_tree *tree, const char *folder, const char *name, int *fd, struct stat *st) {
    char *to;
    const int fault = read_link(tree, folder, name, &to);
    if (fault) return fault;
    const int found = open_target(tree, folder, to, O_RDONLY | O_NONBLOCK);
    free(to);
    if (found < 0) return -found;
    if (fstat(found, st) != 0 || !S_ISREG(st->st_mode)) {
        close(found);
        return EINVAL;
    }
    *fd = found;
    return 0;
}
