#include "umount.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "say.h"

/* Undoes the escapes of /proc/self/mountinfo: "\040" is a blank. */
static void unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (from[0] == '\\' && from[1] && from[2] && from[3]) {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

/* Returns whether a view of ours is the topmost thing mounted there. */
static bool is_view(const char *point) {
    FILE *table = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t cap = 0;
    bool ours = false;
    while (table && getline(&line, &cap, table) > 0) {
        const char *type = strstr(line, " - ");
        char *at = line;
        for (int i = 0; i < 4 && at; i++) at = (at = strchr(at, ' ')) ? at + 1 : NULL;
        if (!type || !at) continue;
        const bool zipnn = strncmp(type + 3, "fuse.zipnn ", 11) == 0;
        at[strcspn(at, " ")] = '\0';
        unescape(at);
        if (strcmp(at, point) == 0) ours = zipnn;
    }
    free(line);
    if (table) fclose(table);
    return ours;
}

/* Makes the path absolute without asking the mount point itself, whose process may be gone. */
static char *absolute(const char *path) {
    char *for_dir = strdup(path), *for_base = strdup(path), *result = NULL;
    char *folder = for_dir && for_base ? realpath(dirname(for_dir), NULL) : NULL;
    const char *name = for_base ? basename(for_base) : "";
    const bool plain = strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
    if (folder && !plain) result = realpath(path, NULL);
    if (folder && plain && asprintf(&result, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name) < 0) result = NULL;
    free(folder);
    free(for_dir);
    free(for_base);
    return result;
}

static int by_helper(const char *point) {
    execlp("fusermount3", "fusermount3", "-u", "--", point, (char *)NULL);
    say("%s: only root can unmount it without the program fusermount3 (Debian: apt-get install fuse3)", point);
    return EXIT_FAILURE;
}

/* Waits until a view that is written to has stored what was closed: after the unmount nobody could wait for it. */
static void settle(const char *point) {
    const int fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

int unmount_view(const char *point) {
    char *path = absolute(point);
    if (path && !is_view(path)) { /* a link to a mount point */
        char *real = realpath(point, NULL);
        if (real) {
            free(path);
            path = real;
        }
    }
    if (!path || !is_view(path)) {
        say("%s: no view of zipnn is mounted there", point);
        free(path);
        return EXIT_FAILURE;
    }
    int status = EXIT_SUCCESS;
    settle(path);
    if (umount2(path, UMOUNT_NOFOLLOW) != 0) {
        const int fault = errno;
        status = EXIT_FAILURE;
        if (fault == EBUSY)
            say("%s: a program still uses the view (fuser -vm shows which); nothing was changed", point);
        else if (fault == EPERM)
            status = by_helper(path);
        else
            say("%s: cannot be unmounted: %s", point, strerror(fault));
    }
    free(path);
    return status;
}
