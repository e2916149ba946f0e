/* Reads ahead of a reader that goes from front to back. Threads fill a window of blocks, past the page cache where the
 * system allows it. So the device is always busy, also while the reader computes, and no page is allocated for bytes
 * that are used once. */
#define _GNU_SOURCE /* O_DIRECT */
#define _FILE_OFFSET_BITS 64

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/files_priv.h"

#if !defined(O_DIRECT)
#define O_DIRECT 0
#endif

/* With this depth and size, four requests of 1 MiB, a device gave its full speed. A block is kept until the reader is
 * two blocks further, because threads that read in turn overtake each other. */
enum { BLOCK = 1 << 20, N_BLOCKS = 12, N_THREADS = 4, BEHIND = 2, ALIGNMENT = 4096, HUGE_PAGE = 2 << 20 };

struct slot {
    uint64_t block; /* number of the block in the file */
    size_t len;     /* bytes that it holds once it is `ready` */
    bool ready;
};

struct zn_ahead_reader {
    pthread_mutex_t lock;
    pthread_cond_t filled, wanted;
    pthread_t thread[N_THREADS];
    unsigned n_threads;
    int fd;
    uint64_t first, next, end; /* numbers of blocks: first of the window, next to be read, end of the file */
    bool closing;
    uint8_t *memory;
    struct slot slots[N_BLOCKS];
};

static uint8_t *slot_bytes(const struct zn_ahead_reader *a, uint64_t block) {
    return a->memory + (size_t)(block % N_BLOCKS) * BLOCK;
}

/* Reads a block as far as possible. On an error the reader reads those bytes itself, and reports the error. */
static size_t read_block(const struct zn_ahead_reader *a, uint64_t block) {
    size_t len = 0;
    while (len < BLOCK) {
        ssize_t n = pread(a->fd, slot_bytes(a, block) + len, BLOCK - len, (off_t)(block * BLOCK + len));
        if (n <= 0) break;
        len += (size_t)n;
        if (n % ALIGNMENT) break; /* the end of the file */
    }
    return len;
}

static void *fill(void *arg) {
    struct zn_ahead_reader *a = arg;
    pthread_mutex_lock(&a->lock);
    while (!a->closing) {
        if (a->next == a->end || a->next >= a->first + N_BLOCKS) {
            pthread_cond_wait(&a->wanted, &a->lock);
            continue;
        }
        const uint64_t block = a->next++;
        struct slot *slot = &a->slots[block % N_BLOCKS];
        *slot = (struct slot){.block = block};
        pthread_mutex_unlock(&a->lock);
        const size_t len = read_block(a, block);
        pthread_mutex_lock(&a->lock);
        slot->len = len;
        slot->ready = true;
        pthread_cond_broadcast(&a->filled);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static bool is_in_window(const struct zn_ahead_reader *a, uint64_t block) {
    return block >= a->first && block < a->first + N_BLOCKS && block < a->end;
}

/* Moves the window until `block` is at most BEHIND its start, but never past a block that a thread is filling. */
static void advance(struct zn_ahead_reader *a, uint64_t block) {
    const uint64_t before = a->first;
    while (a->first + BEHIND < block && a->first < a->next && a->slots[a->first % N_BLOCKS].ready) a->first++;
    if (a->first != before) pthread_cond_broadcast(&a->wanted);
}

/* Copies the part of [off, off + len) that the window holds. Returns its length. */
static size_t copy_window(struct zn_ahead_reader *a, uint64_t off, uint8_t *to, size_t len) {
    size_t done = 0;
    while (done < len) {
        const uint64_t block = (off + done) / BLOCK;
        const size_t from = (size_t)((off + done) % BLOCK);
        if (!is_in_window(a, block)) break;
        advance(a, block);
        const struct slot *slot = &a->slots[block % N_BLOCKS];
        while (block >= a->next || (slot->block == block && !slot->ready)) pthread_cond_wait(&a->filled, &a->lock);
        if (slot->block != block || slot->len <= from) break;
        const size_t n = ZN_MIN(len - done, slot->len - from);
        memcpy(to + done, slot_bytes(a, block) + from, n);
        done += n;
    }
    return done;
}

size_t zn_ahead_copy(const zipnn_file *f, uint64_t off, void *buf, size_t len) {
    if (!f->ahead) return 0;
    pthread_mutex_lock(&f->ahead->lock);
    const size_t n = copy_window(f->ahead, off, buf, len);
    pthread_mutex_unlock(&f->ahead->lock);
    return n;
}

/* Opens the file once more, to read past the page cache. Returns the existing descriptor if that is impossible. */
static int open_direct(const zipnn_file *f) {
    struct stat st;
    int fd = O_DIRECT ? open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_DIRECT) : -1;
    if (fd < 0) return f->fd;
    if (fstat(fd, &st) == 0 && st.st_dev == f->opened.st_dev && st.st_ino == f->opened.st_ino) return fd;
    close(fd);
    return f->fd;
}

/* Asks for huge pages. A device splits a request into small pages when they are too many for it; with huge pages,
 * reading was twice as fast. */
static void use_huge_pages(void *memory) {
#if defined(MADV_HUGEPAGE)
    (void)madvise(memory, (size_t)N_BLOCKS * BLOCK, MADV_HUGEPAGE);
#else
    (void)memory;
#endif
}

zipnn_status zn_file_read_ahead(zipnn_file *f, zipnn_error *err) {
    if (f->ahead) return ZIPNN_OK;
    if (!f->seekable || f->target.is_new) return zn_fail_path(f->path, "is no file that can be read ahead", err);
    struct zn_ahead_reader *a = calloc(1, sizeof *a);
    void *memory = NULL;
    if (!a || posix_memalign(&memory, HUGE_PAGE, (size_t)N_BLOCKS * BLOCK) != 0) {
        free(a);
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "no memory to read %s ahead", f->path);
    }
    a->memory = memory;
    use_huge_pages(memory);
    a->first = a->next = f->start / BLOCK;
    a->end = (f->start + f->length + BLOCK - 1) / BLOCK;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->filled, NULL);
    pthread_cond_init(&a->wanted, NULL);
    a->fd = open_direct(f);
    f->ahead = a;
    while (a->n_threads < N_THREADS && pthread_create(&a->thread[a->n_threads], NULL, fill, a) == 0) a->n_threads++;
    if (a->n_threads == 0) zn_ahead_end(f); /* reads then go without it */
    return ZIPNN_OK;
}

void zn_ahead_end(zipnn_file *f) {
    struct zn_ahead_reader *a = f->ahead;
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    a->closing = true;
    pthread_cond_broadcast(&a->wanted);
    pthread_mutex_unlock(&a->lock);
    for (unsigned i = 0; i < a->n_threads; i++) pthread_join(a->thread[i], NULL);
    if (a->fd != f->fd) close(a->fd);
    pthread_cond_destroy(&a->wanted);
    pthread_cond_destroy(&a->filled);
    pthread_mutex_destroy(&a->lock);
    free(a->memory);
    free(a);
    f->ahead = NULL;
}
