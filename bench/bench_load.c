/* bench_load hot|cold MODEL ARCHIVE [ROUNDS]: a model from its file into memory, one thread. JSON lines, see rounds.h.
 *
 * ARCHIVE is MODEL compressed. hot: both files in the page cache. cold: neither, so that storage is read. "fresh"
 * memory is mapped for each load, as a loader does that returns new tensors; "reused" memory has been written before.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rounds.h"

enum { LARGE_PAGE = 2 << 20, PIECE = 512 << 10, COLD_PIECE = 8 << 20 };

struct load {
    zipnn_ctx *ctx;
    const char *model, *archive;
    size_t len;
    uint8_t *reused;
    uint8_t *fresh; /* memory of the round, unmapped after it; the mapping is one large page longer than the model */
    size_t piece;
    int direct; /* O_DIRECT or 0 */
};

/* ---- loaders ----------------------------------------------------------------------------------------------------- */

static uint8_t *map_fresh(struct load *l, int advice) {
    void *p = mmap(NULL, l->len + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) die("no memory");
    l->fresh = p;
    uintptr_t from = (uintptr_t)p, skip = -from & (LARGE_PAGE - 1);
    (void)madvise(l->fresh + skip, l->len, advice);
    return l->fresh + skip;
}

static void unmap_fresh(void *arg) {
    struct load *l = arg;
    if (l->fresh) munmap(l->fresh, l->len + LARGE_PAGE);
    l->fresh = NULL;
}

/* Frees pages for a moment, so that they are used again at once. In a virtual machine, pages that were free for longer
 * may have gone back to the host, and then cost ten times as much. */
static void warm_pages(struct load *l, int advice) {
    memset(map_fresh(l, advice), 1, l->len);
    unmap_fresh(l);
}

static void warm_huge(void *arg) {
    warm_pages(arg, MADV_HUGEPAGE);
}
static void warm_small(void *arg) {
    warm_pages(arg, MADV_NOHUGEPAGE);
}

static void read_archive(struct load *l, uint8_t *to) {
    zipnn_file *file;
    zipnn_source source;
    zipnn_archive *archive;
    zipnn_error err;
    must(zipnn_file_open(l->archive, &file, &err), &err);
    must(zipnn_file_is_cached(file) ? zipnn_file_map(file, &err) : zipnn_file_read_ahead(file, &err), &err);
    zipnn_file_source(file, &source);
    must(zipnn_archive_open(l->ctx, &source, &archive, &err), &err);
    must(zipnn_archive_read(archive, 0, l->len, to, &err), &err);
    zipnn_archive_close(archive);
    zipnn_file_close(file);
}

static int open_model(const struct load *l) {
    int fd = open(l->model, O_RDONLY | l->direct);
    if (fd < 0) die("cannot open the model");
    return fd;
}

/* Loads as the safetensors library does for tensors that own their memory. */
static void copy_mapped(struct load *l, uint8_t *to) {
    int fd = open_model(l);
    void *from = mmap(NULL, l->len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (from == MAP_FAILED) die("cannot map the model");
    memcpy(to, from, l->len);
    munmap(from, l->len);
    close(fd);
}

static void run_archive_huge(void *arg) {
    read_archive(arg, map_fresh(arg, MADV_HUGEPAGE));
}
static void run_archive_small(void *arg) {
    read_archive(arg, map_fresh(arg, MADV_NOHUGEPAGE));
}
static void run_archive_reused(void *arg) {
    struct load *l = arg;
    read_archive(l, l->reused);
}
static void run_mapped_huge(void *arg) {
    copy_mapped(arg, map_fresh(arg, MADV_HUGEPAGE));
}
static void run_mapped_small(void *arg) {
    copy_mapped(arg, map_fresh(arg, MADV_NOHUGEPAGE));
}
static void run_read_reused(void *arg) {
    struct load *l = arg;
    int fd = open_model(l);
    for (size_t at = 0; at < l->len;) {
        ssize_t n = read(fd, l->reused + at, l->piece);
        if (n <= 0) die("cannot read the model");
        at += (size_t)n;
    }
    close(fd);
}

/* ---- the page cache ---------------------------------------------------------------------------------------------- */

static void drop(const char *path) {
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fsync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) die("cannot drop cached pages");
    close(fd);
}

static void drop_both(void *arg) {
    struct load *l = arg;
    drop(l->model);
    drop(l->archive);
    warm_huge(l);
}

/* Returns the share of a file's pages that the page cache holds. */
static double cached_share(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0) die("cannot open a file");
    size_t n = ((size_t)st.st_size + 4095) / 4096, in = 0;
    unsigned char *flags = calloc(n + 1, 1);
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (!flags || p == MAP_FAILED || mincore(p, (size_t)st.st_size, flags) != 0) die("cannot look at the page cache");
    for (size_t i = 0; i < n; i++) in += flags[i] & 1;
    munmap(p, (size_t)st.st_size);
    free(flags);
    close(fd);
    return (double)in / (double)n;
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

static void bench_hot(struct load *l, unsigned n_rounds) {
    const struct contender contenders[] = {
        {"archive, fresh huge pages", run_archive_huge, l, warm_huge, unmap_fresh},
        {"archive, fresh pages", run_archive_small, l, warm_small, unmap_fresh},
        {"archive, reused", run_archive_reused, l, NULL, NULL},
        {"mmap + memcpy, fresh huge pages", run_mapped_huge, l, warm_huge, unmap_fresh},
        {"mmap + memcpy, fresh pages", run_mapped_small, l, warm_small, unmap_fresh},
        {"read, reused", run_read_reused, l, NULL, NULL},
    };
    rounds_run("load hot", l->len, n_rounds, 1, contenders, sizeof contenders / sizeof *contenders);
}

static void bench_cold(struct load *l, unsigned n_rounds) {
    struct load buffered = *l, direct = *l;
    buffered.piece = direct.piece = COLD_PIECE;
    direct.direct = O_DIRECT;
    drop_both(l);
    if (cached_share(l->model) > 0.01 || cached_share(l->archive) > 0.01) {
        puts("{\"skip\":\"load cold\",\"why\":\"this file system keeps its files in memory\"}");
        return;
    }
    const struct contender contenders[] = {
        {"archive, fresh huge pages", run_archive_huge, l, drop_both, unmap_fresh},
        {"archive, reused", run_archive_reused, l, drop_both, NULL},
        {"mmap + memcpy, fresh huge pages", run_mapped_huge, l, drop_both, unmap_fresh},
        {"read, reused", run_read_reused, &buffered, drop_both, NULL},
        {"read O_DIRECT, reused", run_read_reused, &direct, drop_both, NULL},
    };
    rounds_run("load cold", l->len, n_rounds, 1, contenders, sizeof contenders / sizeof *contenders);
}

int main(int argc, char **argv) {
    if (argc < 4 || (strcmp(argv[1], "hot") != 0 && strcmp(argv[1], "cold") != 0)) {
        fprintf(stderr, "usage: bench_load hot|cold MODEL ARCHIVE [ROUNDS]\n");
        return 2;
    }
    unsigned n_rounds = argc > 4 ? (unsigned)atoi(argv[4]) : 9;
    struct load l = {.model = argv[2], .archive = argv[3], .piece = PIECE};
    l.ctx = context_of(ZIPNN_LEVEL_DEFAULT, 1, ZIPNN_VERIFY_DEFAULT, ZIPNN_DTYPE_UNKNOWN, ZIPNN_CPU_BEST);
    uint8_t *original = file_read(l.model, &l.len);
    l.reused = room_alloc(l.len + COLD_PIECE);
    read_archive(&l, l.reused);
    if (memcmp(original, l.reused, l.len) != 0) die("the archive is of another file");
    free(original);
    strcmp(argv[1], "hot") == 0 ? bench_hot(&l, n_rounds) : bench_cold(&l, n_rounds);
    free(l.reused);
    zipnn_destroy(l.ctx);
    return 0;
}
