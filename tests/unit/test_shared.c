/* One opened archive in many hands: eight threads read it at once, each by a context of its own, whatever it is: an
 * archive, one with repeats or with bases, an old record, a file as it is; damaged, failing and cancelled reads among
 * them. And bytes that the caller fetches in place of the library. */
#include <pthread.h>
#include <stdio.h>

#include "base/bytes.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"

enum { TENSOR = 1400000, N_TENSORS = 3, MAX_FILE = 6 << 20, N_THREADS = 8, ROUNDS = 25, MAX_PIECES = 4096 };

/* ---- what is read ------------------------------------------------------------------------------------------------ */

/* Bytes with a length. */
struct file {
    uint8_t *data;
    size_t len;
};

static struct file new_file(void) {
    const struct file f = {malloc(MAX_FILE), 0};
    assert_non_null(f.data);
    return f;
}

/* A safetensors file of bf16. The last tensor repeats the first if asked for; some words differ by `nudged`. */
static struct file new_model(uint64_t seed, bool repeats, unsigned nudged) {
    struct file f = new_file();
    size_t n = 8;
    for (size_t i = 0; i < N_TENSORS; i++)
        n += (size_t)sprintf((char *)f.data + n,
                             "%s\"t%zu\":{\"dtype\":\"BF16\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]}", i ? "," : "{",
                             i, TENSOR / 2, i * TENSOR, (i + 1) * TENSOR);
    f.data[n++] = '}';
    if (n % 2) f.data[n++] = ' '; /* old records hold whole elements */
    zn_put_u64(f.data, n - 8);
    for (size_t i = 0; i < N_TENSORS; i++) {
        const uint64_t which = repeats && i == N_TENSORS - 1 ? 0 : i;
        zt_sample(ZT_BF16, seed + which, f.data + n + i * TENSOR, TENSOR);
    }
    f.len = n + N_TENSORS * TENSOR;
    for (size_t i = n; nudged && i + 2 <= f.len; i += 2 * nudged) f.data[i]++;
    return f;
}

static zipnn_source source_of(struct zt_input *in, const struct file *f) {
    *in = (struct zt_input){.data = f->data, .len = f->len};
    return zt_file(in);
}

static zipnn_ctx *new_ctx(zipnn_options options) {
    zipnn_ctx *ctx;
    options.size = sizeof options;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    return ctx;
}

static struct file pack(const struct file *f, zipnn_options options) {
    struct file packed = new_file();
    zipnn_error err;
    zipnn_ctx *ctx = new_ctx(options);
    if (zipnn_compress(ctx, f->data, f->len, packed.data, MAX_FILE, &packed.len, &err) != ZIPNN_OK)
        fail_msg("%s", err.message);
    zipnn_destroy(ctx);
    return packed;
}

static struct file pack_old(const struct file *f) {
    struct file packed = new_file();
    struct zt_input in;
    struct zt_output out = {.data = packed.data, .cap = MAX_FILE};
    const zipnn_source source = source_of(&in, f);
    const zipnn_sink sink = zt_pipe_sink(&out);
    zipnn_ctx *ctx = new_ctx((zipnn_options){.threads = 1});
    assert_int_equal(zipnn_pack_old(ctx, ZIPNN_OLD_RECORD, &source, &sink, NULL, NULL), ZIPNN_OK);
    zipnn_destroy(ctx);
    packed.len = out.len;
    return packed;
}

enum what { USUAL, REPEATS, CHAINED, OLD, PLAIN, N_WHAT };

/* Everything there is, opened by one context. */
struct world {
    struct file original[N_WHAT], stored[N_WHAT], base, base_stored, middle, middle_stored;
    struct zt_input in[N_WHAT], base_in[2];
    zipnn_source bases[2];
    zipnn_ctx *opener;
    zipnn_archive *archive[N_WHAT];
};

/* CHAINED is made against `middle`, which is made against `base`; both are archives. */
static void make_chain(struct world *w) {
    w->base = new_model(10, false, 0);
    w->middle = new_model(10, false, 50);
    w->original[CHAINED] = new_model(10, false, 20);
    w->base_stored = pack(&w->base, (zipnn_options){.level = 1});
    w->bases[0] = source_of(&w->base_in[0], &w->base_stored);
    w->middle_stored = pack(&w->middle, (zipnn_options){.level = 1, .bases = w->bases, .n_bases = 1});
    w->bases[1] = source_of(&w->base_in[1], &w->middle_stored);
    const zipnn_source both[] = {w->bases[1], w->bases[0]};
    w->stored[CHAINED] =
        pack(&w->original[CHAINED], (zipnn_options){.level = 1, .bases = both, .n_bases = 2, .n_direct = 1});
}

static void open_world(struct world *w) {
    zipnn_error err;
    memset(w, 0, sizeof *w);
    w->original[USUAL] = new_model(1, false, 0);
    w->original[REPEATS] = new_model(2, true, 0);
    w->original[OLD] = new_model(3, false, 0);
    w->original[PLAIN] = new_model(4, false, 0);
    w->stored[USUAL] = pack(&w->original[USUAL], (zipnn_options){.level = 1});
    w->stored[REPEATS] = pack(&w->original[REPEATS], (zipnn_options){.level = 1});
    w->stored[OLD] = pack_old(&w->original[OLD]);
    w->stored[PLAIN] = w->original[PLAIN];
    make_chain(w);
    w->opener = new_ctx((zipnn_options){.threads = 2, .bases = w->bases, .n_bases = 2});
    for (unsigned i = 0; i < N_WHAT; i++) {
        const zipnn_source source = source_of(&w->in[i], &w->stored[i]);
        const zipnn_status status =
            (i == PLAIN ? zipnn_model_open : zipnn_archive_open)(w->opener, &source, &w->archive[i], &err);
        if (status != ZIPNN_OK) fail_msg("%u: %s", i, err.message);
    }
}

static void close_world(struct world *w) {
    for (unsigned i = 0; i < N_WHAT; i++) {
        zipnn_archive_close(w->archive[i]);
        free(w->original[i].data);
        if (i != PLAIN) free(w->stored[i].data);
    }
    zipnn_destroy(w->opener);
    free(w->base.data);
    free(w->base_stored.data);
    free(w->middle.data);
    free(w->middle_stored.data);
}

/* A range of the original, short ones often. */
static void choose(uint64_t *random, size_t original, uint64_t *off, uint64_t *len) {
    const uint64_t most = zt_random(random) % 3 ? 3000 : original;
    *off = zt_random(random) % original;
    *len = 1 + zt_random(random) % ZN_MIN(most, original - *off);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* What one thread does, and whether all went as it should. */
struct reader {
    const struct world *w;
    unsigned number;
    bool wrong;
    pthread_t thread;
};

static void read_all(struct reader *r, zipnn_ctx *ctx, uint8_t *dst) {
    uint64_t random = r->number, off, len;
    for (unsigned i = 0; i < ROUNDS; i++) {
        const unsigned what = (unsigned)(zt_random(&random) % N_WHAT);
        const struct file *original = &r->w->original[what];
        choose(&random, original->len, &off, &len);
        memset(dst, 0xEE, (size_t)len);
        const zipnn_status status = zipnn_archive_read_in(ctx, r->w->archive[what], off, len, dst, NULL);
        r->wrong |= status != ZIPNN_OK || memcmp(dst, original->data + off, (size_t)len) != 0;
    }
}

static void read_tensors(struct reader *r, zipnn_ctx *ctx, uint8_t *dst) {
    for (unsigned what = 0; what < N_WHAT; what++) {
        zipnn_tensor_info t;
        const zipnn_archive *a = r->w->archive[what];
        r->wrong |= zipnn_archive_tensor(a, 0, &t, NULL) != ZIPNN_OK;
        const uint8_t *original = r->w->original[what].data + t.offset;
        r->wrong |= zipnn_archive_read_rows_in(ctx, a, 0, 100, 1000, dst, 2000, NULL) != ZIPNN_OK ||
                    memcmp(dst, original + 200, 2000) != 0;
        r->wrong |= zipnn_archive_read_tensor_in(ctx, a, 0, dst, MAX_FILE, NULL) != ZIPNN_OK ||
                    memcmp(dst, original, (size_t)t.length) != 0;
    }
}

static void *run_reader(void *arg) {
    struct reader *r = arg;
    uint8_t *dst = malloc(MAX_FILE);
    zipnn_ctx *ctx = new_ctx((zipnn_options){.threads = 1 + r->number % 2});
    read_all(r, ctx, dst);
    if (r->number < 2) read_tensors(r, ctx, dst);
    zipnn_destroy(ctx);
    free(dst);
    return NULL;
}

static void start(struct reader *readers, const struct world *w, void *(*run)(void *)) {
    for (unsigned i = 0; i < N_THREADS; i++) {
        readers[i] = (struct reader){.w = w, .number = i};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, run, &readers[i]), 0);
    }
}

static void finish(struct reader *readers) {
    for (unsigned i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        if (readers[i].wrong) fail_msg("thread %u read something wrong", i);
    }
}

static void eight_threads_read_one_archive_at_once(void **unused) {
    struct reader readers[N_THREADS];
    struct world w;
    (void)unused;
    open_world(&w);
    start(readers, &w, run_reader);
    /* Meanwhile the context that opened them opens others, and reads. */
    for (unsigned i = 0; i < 4; i++) {
        zipnn_archive *again = NULL;
        uint8_t some[5000];
        struct zt_input in;
        const zipnn_source source = source_of(&in, &w.stored[CHAINED]);
        assert_int_equal(zipnn_archive_open(w.opener, &source, &again, NULL), ZIPNN_OK);
        assert_int_equal(zipnn_archive_read(again, 70000, sizeof some, some, NULL), ZIPNN_OK);
        assert_memory_equal(some, w.original[CHAINED].data + 70000, sizeof some);
        zipnn_archive_close(again);
    }
    finish(readers);
    close_world(&w);
}

/* ---- threads, and what goes wrong -------------------------------------------------------------------------------- */

static int cancel_at_third(void *user, uint64_t done, uint64_t total) {
    unsigned *calls = user;
    (void)done, (void)total;
    return ++*calls == 3;
}

/* Each read gives the right bytes or an error that is due: of a source that fails, of the caller who cancels, of the
 * chunk that is damaged. */
static void *run_troubled(void *arg) {
    struct reader *r = arg;
    uint8_t *dst = malloc(MAX_FILE);
    unsigned calls = 0;
    uint64_t random = r->number, off, len;
    const struct file *original = &r->w->original[USUAL];
    zipnn_ctx *ctx = new_ctx((zipnn_options){
        .threads = 1 + r->number % 3, .progress = r->number % 2 ? cancel_at_third : NULL, .progress_user = &calls});
    for (unsigned i = 0; i < ROUNDS; i++) {
        zipnn_error err = {ZIPNN_OK, 0, ""};
        calls = 0;
        choose(&random, original->len, &off, &len);
        const zipnn_status status = zipnn_archive_read_in(ctx, r->w->archive[USUAL], off, len, dst, &err);
        const bool due =
            status == ZIPNN_E_IO || status == ZIPNN_E_CORRUPT || (status == ZIPNN_E_CANCELLED && r->number % 2);
        if (status == ZIPNN_OK)
            r->wrong |= memcmp(dst, original->data + off, (size_t)len) != 0;
        else
            r->wrong |= !due || err.status != status;
    }
    zipnn_destroy(ctx);
    free(dst);
    return NULL;
}

static void trouble_of_one_thread_is_its_own(void **unused) {
    struct reader readers[N_THREADS];
    struct world w;
    zipnn_chunk_info chunk;
    (void)unused;
    open_world(&w);
    assert_int_equal(zipnn_archive_chunk(w.archive[USUAL], 3, &chunk, NULL), ZIPNN_OK);
    w.stored[USUAL].data[chunk.archive_offset + chunk.stored / 2] ^= 1;
    w.in[USUAL].failing_call = w.in[USUAL].calls + 40;
    start(readers, &w, run_troubled);
    finish(readers);
    close_world(&w);
}

/* What was decoded of one archive is not taken for another's that lies at its place. */
static void what_is_kept_belongs_to_its_archive(void **unused) {
    struct file original[2] = {new_model(20, false, 0), new_model(30, false, 0)}, stored[2];
    zipnn_ctx *opener = NULL, *reader = new_ctx((zipnn_options){.threads = 1});
    uint8_t some[100];
    (void)unused;
    for (unsigned i = 0; i < 2; i++) stored[i] = i ? pack_old(&original[i]) : pack(&original[i], (zipnn_options){0});
    for (unsigned i = 0; i < 40; i++) {
        struct zt_input in;
        zipnn_archive *a = NULL;
        const unsigned which = i / 2 % 2, old = i % 2;
        struct file *shown = &original[which];
        const struct file made = old ? pack_old(shown) : stored[0];
        const zipnn_source source = source_of(&in, old ? &made : which ? &made : &stored[0]);
        if (i % 3 == 0) {
            zipnn_destroy(opener);
            opener = new_ctx((zipnn_options){.threads = 1});
        }
        if (!old) shown = &original[0];
        assert_int_equal(zipnn_archive_open(opener, &source, &a, NULL), ZIPNN_OK);
        for (unsigned k = 0; k < 3; k++) {
            const uint64_t off = 300000 + k * 1000;
            assert_int_equal(zipnn_archive_read_in(reader, a, off, sizeof some, some, NULL), ZIPNN_OK);
            assert_memory_equal(some, shown->data + off, sizeof some);
        }
        zipnn_archive_close(a);
        if (old) free(made.data);
    }
    zipnn_destroy(reader);
    zipnn_destroy(opener);
    for (unsigned i = 0; i < 2; i++) {
        free(original[i].data);
        free(stored[i].data);
    }
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static size_t reads_of_opening(const struct file *stored) {
    struct zt_input in;
    zipnn_archive *a = NULL;
    zipnn_ctx *ctx = new_ctx((zipnn_options){.threads = 1});
    const zipnn_source source = source_of(&in, stored);
    assert_int_equal(zipnn_archive_open(ctx, &source, &a, NULL), ZIPNN_OK);
    zipnn_archive_close(a);
    zipnn_destroy(ctx);
    return in.calls;
}

/* The first and the last bytes; the header of the model file is a chunk among the first. */
static void opening_takes_two_reads(void **unused) {
    struct world w;
    struct file text = new_file();
    (void)unused;
    open_world(&w);
    assert_int_equal(reads_of_opening(&w.stored[USUAL]), 2);
    assert_int_equal(reads_of_opening(&w.stored[REPEATS]), 2);
    assert_int_equal(reads_of_opening(&w.stored[CHAINED]), 1); /* it is shorter than what is read at once */
    text.len = 100000;
    zt_sample(ZT_TEXT, 1, text.data, text.len);
    struct file small = pack(&text, (zipnn_options){0});
    assert_int_equal(reads_of_opening(&small), 1);
    free(small.data);
    free(text.data);
    close_world(&w);
}

/* A byte that cannot be read costs the chunk that holds it, also where it lies near an end of the archive, of which more
 * is read at once than opening needs. */
static void a_bad_sector_costs_one_chunk(void **unused) {
    struct file original = new_model(40, false, 0), stored = pack(&original, (zipnn_options){.level = 1});
    struct zt_input in;
    const zipnn_source source = source_of(&in, &stored);
    zipnn_ctx *ctx = new_ctx((zipnn_options){.threads = 1});
    zipnn_archive *a = NULL;
    zipnn_archive_info info;
    zipnn_chunk_info last;
    zipnn_verified found;
    zipnn_error err;
    uint8_t *dst = malloc(MAX_FILE);
    (void)unused;
    assert_int_equal(zipnn_archive_open(ctx, &source, &a, NULL), ZIPNN_OK);
    zipnn_archive_get_info(a, &info);
    assert_int_equal(zipnn_archive_chunk(a, info.n_chunks - 1, &last, NULL), ZIPNN_OK);
    zipnn_archive_close(a);
    in.bad_sector = (size_t)(last.archive_offset + last.stored - 1000);
    if (zipnn_archive_open(ctx, &source, &a, &err) != ZIPNN_OK) fail_msg("%s", err.message);
    assert_int_equal(zipnn_archive_read(a, 0, last.offset, dst, &err), ZIPNN_OK);
    assert_memory_equal(dst, original.data, (size_t)last.offset);
    assert_int_equal(zipnn_archive_read(a, last.offset, 1, dst, &err), ZIPNN_E_IO);
    assert_int_equal(zipnn_archive_verify(a, NULL, NULL, &found, &err), ZIPNN_E_CORRUPT);
    assert_true(found.n_damaged == 1 && found.intact == last.offset);
    zipnn_archive_close(a);
    in.bad_sector = (size_t)(last.archive_offset + last.stored + 30); /* of the index: that one is needed */
    assert_int_equal(zipnn_archive_open(ctx, &source, &a, &err), ZIPNN_E_IO);
    assert_string_equal(err.message, "the device is on fire");
    zipnn_destroy(ctx);
    free(dst);
    free(stored.data);
    free(original.data);
}

/* ---- bytes that the caller fetches ------------------------------------------------------------------------------- */

/* Pieces in the order in which they are to be, and what they were cut from. */
struct pile {
    zipnn_piece piece[MAX_PIECES];
    size_t n;
    const struct file *source[3];
};

static int by_place(const void *a, const void *b) {
    const zipnn_range *x = &((const zipnn_piece *)a)->range, *y = &((const zipnn_piece *)b)->range;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static void fetch(struct pile *pile, const zipnn_range *ranges, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct file *f = pile->source[ranges[i].source];
        assert_true(ranges[i].offset + ranges[i].length <= f->len && pile->n < MAX_PIECES);
        pile->piece[pile->n++] = (zipnn_piece){ranges[i], f->data + ranges[i].offset};
    }
    qsort(pile->piece, pile->n, sizeof pile->piece[0], by_place);
}

/* Decodes with as many rounds of fetching as it takes; their number in *rounds. */
static zipnn_status decode(zipnn_ctx *ctx, const zipnn_archive *a, struct pile *pile, uint64_t off, uint64_t len,
                           uint8_t *dst, size_t room, unsigned *rounds) {
    zipnn_range missing[MAX_PIECES];
    zipnn_fetched f = {.size = sizeof f, .missing = missing, .cap = room};
    zipnn_error err;
    for (*rounds = 0; *rounds < 400; ++*rounds) {
        f.pieces = pile->piece;
        f.n_pieces = pile->n;
        const zipnn_status status = zipnn_archive_decode(ctx, a, off, len, dst, &f, &err);
        if (status != ZIPNN_OK || f.n_missing == 0) return status;
        assert_true(f.n_missing <= room);
        fetch(pile, missing, f.n_missing);
    }
    fail_msg("more and more is missing");
    return ZIPNN_E_LIMIT;
}

static void fetched_bytes_decode_without_reading(void **unused) {
    struct world w;
    uint8_t *dst = malloc(MAX_FILE);
    struct pile *pile = malloc(sizeof *pile);
    zipnn_ctx *ctx = new_ctx((zipnn_options){.threads = 3});
    uint64_t random = 5, off, len;
    static const unsigned most_rounds[] = {[USUAL] = 1, [REPEATS] = 2, [CHAINED] = 4, [PLAIN] = 1};
    (void)unused;
    open_world(&w);
    for (unsigned i = 0; i < 60; i++) {
        static const enum what kinds[] = {USUAL, REPEATS, CHAINED, PLAIN};
        const enum what what = kinds[i % 4];
        unsigned rounds;
        choose(&random, w.original[what].len, &off, &len);
        *pile = (struct pile){.source = {&w.stored[what], &w.base_stored, &w.middle_stored}};
        const size_t calls = w.in[what].calls + w.base_in[0].calls + w.base_in[1].calls;
        assert_int_equal(decode(ctx, w.archive[what], pile, off, len, dst, i % 3 ? MAX_PIECES : 3, &rounds), ZIPNN_OK);
        assert_memory_equal(dst, w.original[what].data + off, (size_t)len);
        assert_int_equal(w.in[what].calls + w.base_in[0].calls + w.base_in[1].calls, calls);
        if (i % 3 && rounds > most_rounds[what]) fail_msg("kind %d took %u rounds", (int)what, rounds);
    }
    zipnn_destroy(ctx);
    close_world(&w);
    free(pile);
    free(dst);
}

static void ranges_are_what_a_read_takes(void **unused) {
    struct world w;
    zipnn_range ranges[MAX_PIECES];
    zipnn_error err;
    size_t n = 0, counted = 0;
    (void)unused;
    open_world(&w);
    const zipnn_archive *a = w.archive[USUAL];
    assert_int_equal(zipnn_archive_ranges(a, 0, w.original[USUAL].len, ranges, MAX_PIECES, &n, &err), ZIPNN_OK);
    assert_int_equal(zipnn_archive_ranges(a, 0, w.original[USUAL].len, NULL, 0, &counted, &err), ZIPNN_OK);
    zipnn_archive_info info;
    zipnn_archive_get_info(a, &info);
    assert_int_equal(n, info.n_chunks);
    assert_int_equal(n, counted);
    for (size_t i = 0; i < n; i++) {
        zipnn_chunk_info chunk;
        assert_int_equal(zipnn_archive_chunk(a, i, &chunk, NULL), ZIPNN_OK);
        assert_true(ranges[i].source == 0 && ranges[i].offset == chunk.archive_offset &&
                    ranges[i].length == chunk.stored);
    }
    assert_int_equal(zipnn_archive_ranges(a, 5, 0, ranges, 1, &n, &err), ZIPNN_OK);
    assert_int_equal(n, 0);
    assert_int_equal(zipnn_archive_ranges(w.archive[PLAIN], 7, 9, ranges, 1, &n, &err), ZIPNN_OK);
    assert_true(n == 1 && ranges[0].offset == 7 && ranges[0].length == 9);
    assert_int_equal(zipnn_archive_ranges(w.archive[OLD], 7, 9, ranges, 1, &n, &err), ZIPNN_E_UNSUPPORTED);
    assert_int_equal(zipnn_archive_ranges(a, w.original[USUAL].len, 1, ranges, 1, &n, &err), ZIPNN_E_NOT_FOUND);
    close_world(&w);
}

/* Damage is told as by a read; pieces that break the rules are refused. */
static void fetched_bytes_are_not_trusted(void **unused) {
    struct world w;
    zipnn_range ranges[MAX_PIECES], missing[4];
    struct pile *pile = calloc(1, sizeof *pile);
    uint8_t *dst = malloc(MAX_FILE);
    zipnn_error err, told;
    size_t n = 0;
    (void)unused;
    open_world(&w);
    zipnn_ctx *ctx = new_ctx((zipnn_options){.threads = 1});
    const zipnn_archive *a = w.archive[USUAL];
    const size_t len = w.original[USUAL].len;
    pile->source[0] = &w.stored[USUAL];
    assert_int_equal(zipnn_archive_ranges(a, 0, len, ranges, MAX_PIECES, &n, &err), ZIPNN_OK);
    fetch(pile, ranges, n);
    zipnn_fetched f = {.size = sizeof f, .pieces = pile->piece, .n_pieces = n, .missing = missing, .cap = 4};
    for (size_t i = 0; i < n; i += 2) {
        uint8_t *at = w.stored[USUAL].data + ranges[i].offset + ranges[i].length / 2;
        *at ^= 4;
        assert_int_equal(zipnn_archive_decode(ctx, a, 0, len, dst, &f, &err), ZIPNN_E_CORRUPT);
        assert_int_equal(zipnn_archive_read_in(ctx, a, 0, len, dst, &told), ZIPNN_E_CORRUPT);
        assert_true(err.offset == told.offset && strcmp(err.message, told.message) == 0);
        *at ^= 4;
    }
    zipnn_piece kept = pile->piece[1];
    pile->piece[1].range.offset = 0;
    assert_int_equal(zipnn_archive_decode(ctx, a, 0, len, dst, &f, &err), ZIPNN_E_ARGUMENT);
    pile->piece[1] = kept;
    pile->piece[1].bytes = NULL;
    assert_int_equal(zipnn_archive_decode(ctx, a, 0, len, dst, &f, &err), ZIPNN_E_ARGUMENT);
    pile->piece[1] = kept;
    pile->piece[1].range.length -= 1;
    assert_int_equal(zipnn_archive_decode(ctx, a, 0, len, dst, &f, &err), ZIPNN_OK);
    assert_true(f.n_missing == 1 && missing[0].offset == ranges[1].offset && missing[0].length == ranges[1].length);
    pile->piece[1] = kept;
    f.cap = 0;
    assert_int_equal(zipnn_archive_decode(ctx, a, 0, len, dst, &f, &err), ZIPNN_E_ARGUMENT);
    f.size = 8;
    assert_int_equal(zipnn_archive_decode(ctx, a, 0, len, dst, &f, &err), ZIPNN_E_ARGUMENT);
    zipnn_destroy(ctx);
    close_world(&w);
    free(pile);
    free(dst);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_threads_read_one_archive_at_once), cmocka_unit_test(trouble_of_one_thread_is_its_own),
        cmocka_unit_test(what_is_kept_belongs_to_its_archive),    cmocka_unit_test(opening_takes_two_reads),
        cmocka_unit_test(a_bad_sector_costs_one_chunk),           cmocka_unit_test(ranges_are_what_a_read_takes),
        cmocka_unit_test(fetched_bytes_decode_without_reading),   cmocka_unit_test(fetched_bytes_are_not_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
