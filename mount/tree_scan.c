#include "tree_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mounted_view.h"
#include "say.h"

/* So many names are looked at, and folders so deep, so that a tree without end cannot hold up the view. */
enum { MOST_NAMES = 2000000, MOST_DEEP = 64 };

/* Returns whether a name is one that is drawn for temporary files: doc/internals/mount.md. */
static bool is_temporary(const char *name) {
    const char *rest = name + sizeof LEFTOVER_PREFIX - 1;
    return strncmp(name, LEFTOVER_PREFIX, sizeof LEFTOVER_PREFIX - 1) == 0 && strlen(rest) == LEFTOVER_RANDOM &&
           strspn(rest, "abcdefghijklmnopqrstuvwxyz234567") == LEFTOVER_RANDOM;
}

/* A lease is granted only while no other process has the file open. */
static void remove_one(int at, const char *folder, const char *name) {
    const int fd = openat(at, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const bool unused = fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
    const bool removed = unused && unlinkat(at, name, 0) == 0;
    if (removed)
        say("%s%s%s: left by a process that was killed while it wrote; removed", folder, *folder ? "/" : "", name);
    else
        say("%s%s%s: a process that writes, or was killed while it wrote, made it; delete it if none runs", folder,
            *folder ? "/" : "", name);
    if (fd >= 0) close(fd);
}

struct scan {
    struct needs *needs;
    struct contexts *contexts;
    unsigned left;
};

static void scan_folder(struct scan *s, int at, const char *path, unsigned depth);

static void scan_entry(struct scan *s, int at, const char *path, const struct dirent *e, unsigned depth) {
    struct stat st;
    const bool may_matter = e->d_type == DT_REG || e->d_type == DT_DIR || e->d_type == DT_UNKNOWN;
    if (!may_matter || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) return;
    if (is_temporary(e->d_name)) {
        remove_one(at, path, e->d_name);
        return;
    }
    const int fd = openat(at, e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char *name = path_below(path, e->d_name);
    const bool known = fd >= 0 && name && fstat(fd, &st) == 0;
    const bool folder = known && S_ISDIR(st.st_mode) && depth < MOST_DEEP;
    if (known && S_ISREG(st.st_mode)) needs_look(s->needs, fd, name, s->contexts);
    if (folder) scan_folder(s, fd, name, depth + 1);
    if (fd >= 0 && !folder) close(fd);
    free(name);
}

/* Closes `at`. */
static void scan_folder(struct scan *s, int at, const char *path, unsigned depth) {
    const struct dirent *e;
    DIR *dir = fdopendir(at);
    if (!dir) {
        close(at);
        return;
    }
    for (; s->left && (e = readdir(dir)) != NULL; s->left--) scan_entry(s, dirfd(dir), path, e, depth);
    closedir(dir);
}

void tree_scan(const struct source_tree *tree, struct needs *needs, struct contexts *contexts) {
    struct scan s = {needs, contexts, MOST_NAMES};
    const int at = source_tree_at(tree, "", O_RDONLY | O_DIRECTORY);
    if (at >= 0) scan_folder(&s, at, "", 0);
}
