/* Restores an archive with many reads in flight: the program fetches the bytes itself, and zipnn decodes them as they
 * come. Here the reads are POSIX AIO; requests to a server, io_uring or a queue of a GPU take their place.
 *
 *   cc many_reads.c $(pkg-config --cflags --libs zipnn) -o many_reads
 *   ./many_reads model.safetensors.znn model.safetensors
 */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zipnn/zipnn.h>

enum { N_JOBS = 16, MAX_PIECES = 64 };

/* One chunk on its way: what was fetched for it, and the reads that are under way. */
struct job {
    uint64_t off, len; /* of the chunk in the original; len 0: the job is idle */
    zipnn_piece piece[MAX_PIECES];
    size_t n_pieces, n_under_way; /* the last n_under_way pieces are still being read */
    struct aiocb aio[MAX_PIECES];
};

/* What the program works with. */
struct fetcher {
    int in;
    FILE *out;
    zipnn_ctx *ctx;
    zipnn_archive *archive;
    uint64_t next, n_chunks;
    unsigned char *chunk; /* the one that was decoded last */
    zipnn_error err;
};

static int by_offset(const void *a, const void *b) {
    const zipnn_range *x = &((const zipnn_piece *)a)->range, *y = &((const zipnn_piece *)b)->range;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static int fail(struct fetcher *f, const char *message) {
    snprintf(f->err.message, sizeof f->err.message, "%s", message);
    return 0;
}

/* Starts a read for each range. An archive without bases has one source, its own file. */
static int submit(struct fetcher *f, struct job *job, const zipnn_range *range, size_t n) {
    if (n > MAX_PIECES - job->n_pieces) return fail(f, "a chunk refers to too many others for this example");
    for (size_t i = 0; i < n; i++) {
        void *bytes = malloc((size_t)range[i].length + 1);
        if (!bytes) return fail(f, "out of memory");
        job->aio[i] = (struct aiocb){.aio_fildes = f->in,
                                     .aio_buf = bytes,
                                     .aio_nbytes = (size_t)range[i].length,
                                     .aio_offset = (off_t)range[i].offset};
        job->piece[job->n_pieces++] = (zipnn_piece){range[i], bytes};
        if (aio_read(&job->aio[i]) != 0) return fail(f, "a read cannot be started");
        job->n_under_way++;
    }
    return 1;
}

/* Begins the next chunk. */
static int begin(struct fetcher *f, struct job *job) {
    zipnn_range range[MAX_PIECES];
    zipnn_chunk_info chunk;
    size_t n;
    if (f->next == f->n_chunks) return 1;
    if (zipnn_archive_chunk(f->archive, f->next++, &chunk, &f->err) != ZIPNN_OK) return 0;
    job->off = chunk.offset;
    job->len = chunk.length;
    if (zipnn_archive_ranges(f->archive, job->off, job->len, range, MAX_PIECES, &n, &f->err) != ZIPNN_OK) return 0;
    return submit(f, job, range, n);
}

static int put(struct fetcher *f, struct job *job) {
    for (size_t i = 0; i < job->n_pieces; i++) free((void *)(uintptr_t)job->piece[i].bytes);
    const int done = fseeko(f->out, (off_t)job->off, SEEK_SET) == 0 &&
                     fwrite(f->chunk, 1, (size_t)job->len, f->out) == (size_t)job->len;
    *job = (struct job){.len = 0};
    return done ? begin(f, job) : fail(f, "the output cannot be written");
}

/* All reads of a job have come in: its chunk is decoded, or more is fetched if it refers to others. */
static int decode(struct fetcher *f, struct job *job) {
    zipnn_range missing[MAX_PIECES];
    qsort(job->piece, job->n_pieces, sizeof job->piece[0], by_offset);
    zipnn_fetched fetched = {
        .size = sizeof fetched, .pieces = job->piece, .n_pieces = job->n_pieces, .missing = missing, .cap = MAX_PIECES};
    if (zipnn_archive_decode(f->ctx, f->archive, job->off, job->len, f->chunk, &fetched, &f->err) != ZIPNN_OK) return 0;
    return fetched.n_missing ? submit(f, job, missing, fetched.n_missing) : put(f, job);
}

/* A read of the job that is under way, NULL when all have come in. */
static const struct aiocb *under_way(const struct job *job) {
    for (size_t i = 0; i < job->n_under_way; i++)
        if (aio_error(&job->aio[i]) == EINPROGRESS) return &job->aio[i];
    return NULL;
}

/* Takes a job one step further if its reads are done; 0 after a failure. */
static int advance(struct fetcher *f, struct job *job) {
    if (under_way(job)) return 1;
    for (size_t i = 0; i < job->n_under_way; i++)
        if (aio_return(&job->aio[i]) != (ssize_t)job->aio[i].aio_nbytes) return fail(f, "a read failed");
    job->n_under_way = 0;
    return decode(f, job);
}

static int run(struct fetcher *f, struct job *jobs) {
    for (int i = 0; i < N_JOBS; i++)
        if (!begin(f, &jobs[i])) return 0;
    for (;;) {
        const struct aiocb *waiting[N_JOBS];
        int n = 0;
        for (int i = 0; i < N_JOBS; i++)
            if (jobs[i].len && !advance(f, &jobs[i])) return 0;
        int busy = 0;
        for (int i = 0; i < N_JOBS; i++) {
            const struct aiocb *read = under_way(&jobs[i]);
            busy |= jobs[i].len != 0;
            if (read) waiting[n++] = read;
        }
        if (!busy) return 1;
        if (n > 0) aio_suspend(waiting, n, NULL);
    }
}

int main(int argc, char **argv) {
    static struct job jobs[N_JOBS];
    struct fetcher f = {.err = {.message = "a file cannot be opened"}};
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive_info info;
    if (argc != 3) {
        fprintf(stderr, "usage: many_reads ARCHIVE OUTPUT\n");
        return 2;
    }
    f.in = open(argv[1], O_RDONLY);
    f.out = fopen(argv[2], "wb");
    f.chunk = malloc(4 << 20); /* no chunk is larger */
    int ok = f.in >= 0 && f.out && f.chunk && zipnn_create(NULL, &f.ctx, &f.err) == ZIPNN_OK &&
             zipnn_file_open(argv[1], &file, &f.err) == ZIPNN_OK;
    if (ok) zipnn_file_source(file, &source);
    ok = ok && zipnn_archive_open(f.ctx, &source, &f.archive, &f.err) == ZIPNN_OK;
    if (ok) zipnn_archive_get_info(f.archive, &info);
    if (ok && info.unverified) ok = fail(&f, "records of zipnn 0.x have no index");
    if (ok && info.n_bases) ok = fail(&f, "this example reads archives without bases");
    if (ok) f.n_chunks = info.n_chunks;
    ok = ok && run(&f, jobs);
    if (f.out && fclose(f.out) != 0) ok = 0;
    if (!ok) fprintf(stderr, "many_reads: %s\n", f.err.message);
    zipnn_archive_close(f.archive);
    zipnn_file_close(file);
    zipnn_destroy(f.ctx);
    free(f.chunk);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE; /* memory of reads under way goes with the process */
}
