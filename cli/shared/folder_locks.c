#include "shared/folder_locks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/filenames.h"
#include "shared/run.h"
#include "shared/run_report.h"
#include "shared/text.h"

enum { TRIES = 100 };
static const struct timespec between_tries = {.tv_nsec = 10000000};

bool folder_lock(const struct run *run, int fd, enum locking how, const char *folder) {
    const int operation = how == LOCKED_ALONE ? LOCK_EX : LOCK_SH;
    for (int i = 0; i < TRIES; i++) {
        if (flock(fd, operation | LOCK_NB) == 0) return true;
        if (errno != EWOULDBLOCK && errno != EINTR) return false;
        nanosleep(&between_tries, NULL);
    }
    run_warn(run, folder, "", "another zipnn works in this folder; waiting for it");
    while (flock(fd, operation) != 0)
        if (errno != EINTR) return false;
    return true;
}

struct folder {
    struct node node;
    char *path;
};

static int by_node(const void *a, const void *b) {
    const struct folder *x = a, *y = b;
    if (x->node.device != y->node.device) return x->node.device < y->node.device ? -1 : 1;
    return x->node.number < y->node.number ? -1 : x->node.number > y->node.number;
}

/* Takes over `path`. */
static void add(struct folder *folders, size_t *n, char *path) {
    struct stat st;
    if (stat(path, &st) == 0)
        folders[(*n)++] = (struct folder){{st.st_dev, st.st_ino}, path};
    else
        free(path);
}

static struct folder *find_folders(const struct args *args, const char *input, const char *output, size_t *n) {
    struct folder *folders = text_realloc(NULL, (args->n_bases + 3) * sizeof *folders);
    *n = 0;
    if (input) add(folders, n, filename_folder(input));
    if (output) add(folders, n, filename_folder(output));
    if (args->base_dir) add(folders, n, text_join(args->base_dir, "", ""));
    for (size_t i = 0; i < args->n_bases; i++) add(folders, n, filename_folder(args->bases[i]));
    if (*n) qsort(folders, *n, sizeof *folders, by_node);
    return folders;
}

static void lock_one(struct run *run, enum locking how, const char *path) {
    struct folder_locks *locks = &run->locks;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    if (folder_lock(run, fd, how, path))
        locks->fd[locks->n++] = fd;
    else
        close(fd);
}

void folders_lock(struct run *run, enum locking how, const char *input, const char *output) {
    size_t n;
    if (run->locks.held >= how) return;
    folders_unlock(run);
    struct folder *folders = find_folders(run->args, input, output, &n);
    run->locks.fd = text_realloc(NULL, (n + 1) * sizeof *run->locks.fd);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_node(&folders[i], &folders[i - 1]) != 0) lock_one(run, how, folders[i].path);
    run->locks.held = how;
    for (size_t i = 0; i < n; i++) free(folders[i].path);
    free(folders);
}

void folders_unlock(struct run *run) {
    for (size_t i = 0; i < run->locks.n; i++) close(run->locks.fd[i]);
    free(run->locks.fd);
    run->locks = (struct folder_locks){.held = LOCKED_NOT};
}
