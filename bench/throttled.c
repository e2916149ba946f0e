/* A slow disk for bench/race.py: a folder is shown by FUSE, and what is read of it comes at a rate, whoever reads and with
 * however many requests at once: a token bucket that holds nothing.
 *
 *   throttled FOLDER RATE POINT [OPTIONS OF FUSE]        RATE in bytes a second
 */
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NS = 1000000000 };

struct disk {
    int folder;
    double ns_per_byte;
    pthread_mutex_t lock;
    int64_t free_at; /* when what was read so far has come */
};

static struct disk *disk_of(void) {
    return fuse_get_context()->private_data;
}

/* Paths of FUSE begin with a slash; the folder itself is ".". */
static const char *inside(const char *path) {
    return path[1] ? path + 1 : ".";
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

/* Returns when n bytes have come: after all that was asked for before. */
static void wait_for(struct disk *disk, size_t n) {
    pthread_mutex_lock(&disk->lock);
    const int64_t begin = now();
    disk->free_at = (disk->free_at > begin ? disk->free_at : begin) + (int64_t)((double)n * disk->ns_per_byte);
    const struct timespec until = {disk->free_at / NS, disk->free_at % NS};
    pthread_mutex_unlock(&disk->lock);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static int answer_attributes(const char *path, struct stat *st, struct fuse_file_info *fi) {
    (void)fi;
    return fstatat(disk_of()->folder, inside(path), st, 0) == 0 ? 0 : -errno;
}

static int answer_open(const char *path, struct fuse_file_info *fi) {
    const int fd = openat(disk_of()->folder, inside(path), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    fi->fh = (uint64_t)fd;
    fi->keep_cache = 1;
    return 0;
}

static int answer_read(const char *path, char *to, size_t n, off_t off, struct fuse_file_info *fi) {
    (void)path;
    const ssize_t got = pread((int)fi->fh, to, n, off);
    if (got < 0) return -errno;
    wait_for(disk_of(), (size_t)got);
    return (int)got;
}

static int answer_close(const char *path, struct fuse_file_info *fi) {
    (void)path;
    close((int)fi->fh);
    return 0;
}

static int answer_names(const char *path, void *to, fuse_fill_dir_t fill, off_t off, struct fuse_file_info *fi,
                        enum fuse_readdir_flags flags) {
    (void)off, (void)fi, (void)flags;
    const int fd = openat(disk_of()->folder, inside(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) return -errno;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) fill(to, entry->d_name, NULL, 0, 0);
    closedir(folder);
    return 0;
}

static const struct fuse_operations answers = {
    .getattr = answer_attributes,
    .open = answer_open,
    .read = answer_read,
    .release = answer_close,
    .readdir = answer_names,
};

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "throttled FOLDER RATE POINT [OPTIONS]\n"), 2;
    struct disk disk = {.folder = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC), .free_at = 0};
    const double rate = atof(argv[2]);
    if (disk.folder < 0 || rate < 1) return fprintf(stderr, "throttled: %s at %s\n", argv[1], argv[2]), 2;
    disk.ns_per_byte = NS / rate;
    pthread_mutex_init(&disk.lock, NULL);
    argv[2] = argv[0];
    return fuse_main(argc - 2, argv + 2, &answers, &disk);
}
