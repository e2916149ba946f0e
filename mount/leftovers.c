#include "leftovers.h"

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

static void search(int at, const char *path, unsigned depth, unsigned *left) {
    const struct dirent *e;
    DIR *dir = fdopendir(at);
    if (!dir) {
        close(at);
        return;
    }
    while (*left && (e = readdir(dir)) != NULL) {
        --*left;
        if (is_temporary(e->d_name)) remove_one(dirfd(dir), path, e->d_name);
        if (e->d_type != DT_DIR || depth == MOST_DEEP || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        const int below = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        char *name = path_below(path, e->d_name);
        if (below >= 0 && name)
            search(below, name, depth + 1, left);
        else if (below >= 0)
            close(below);
        free(name);
    }
    closedir(dir);
}

void remove_leftovers(const struct source_tree *tree) {
    unsigned left = MOST_NAMES;
    const int at = source_tree_at(tree, "", O_RDONLY | O_DIRECTORY);
    if (at >= 0) search(at, "", 0, &left);
}
