#include "commands/chain_write.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/read_back.h"
#include "shared/run_report.h"
#include "shared/text.h"

/* ---- contexts that know a lineage */

zipnn_status chain_context(struct run *run, const struct lineage *l, zipnn_ctx **ctx, zipnn_error *err) {
    zipnn_options options = run_options(run);
    options.bases = l->sources;
    options.base_names = l->names;
    options.n_bases = l->n;
    options.n_direct = 1;
    return zipnn_create(&options, ctx, err);
}

/* A step as a source: its opened archive, which one thread reads at a time. */
struct original {
    struct lineage lineage;
    zipnn_ctx *ctx;
    zipnn_archive *archive;
    pthread_mutex_t lock;
};

static zipnn_status read_original(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    struct original *o = user;
    pthread_mutex_lock(&o->lock);
    zipnn_status st = zipnn_archive_read(o->archive, off, len, buf, err);
    pthread_mutex_unlock(&o->lock);
    return st;
}

static zipnn_status open_original(struct run *run, const struct steps *steps, size_t index, struct original *o,
                                  zipnn_error *err) {
    *o = (struct original){.ctx = NULL};
    pthread_mutex_init(&o->lock, NULL);
    zipnn_status st = lineage_open(steps, index, &o->lineage, err);
    if (st == ZIPNN_OK) st = chain_context(run, &o->lineage, &o->ctx, err);
    return st == ZIPNN_OK ? zipnn_archive_open(o->ctx, &o->lineage.sources[0], &o->archive, err) : st;
}

static void close_original(struct original *o) {
    zipnn_archive_close(o->archive);
    zipnn_destroy(o->ctx);
    lineage_close(&o->lineage);
    pthread_mutex_destroy(&o->lock);
}

/* ---- writing steps: a new file is complete, on the device and read back before it gets its name */

/* Decodes what was written, with a newly opened base, and compares the result with its source, or with the digest that
 * is already known. */
static zipnn_status check_step(struct run *run, const struct steps *steps, size_t base, const struct intake *in,
                               const zipnn_file *written, const char *path, const zipnn_stats *stats,
                               zipnn_error *err) {
    const struct made_from from = {in->expected ? NULL : &in->source, in->path, stats};
    struct lineage l = {.n = 0};
    zipnn_ctx *ctx = NULL;
    zipnn_status st = base == NO_STEP ? ZIPNN_OK : lineage_open(steps, base, &l, err);
    if (st == ZIPNN_OK) st = chain_context(run, &l, &ctx, err);
    if (st == ZIPNN_OK) st = verify_archive(ctx, written, path, &from, err);
    zipnn_destroy(ctx);
    lineage_close(&l);
    return st;
}

/* Packs `in` to the new file `out` with a context that has the step `base`. */
static zipnn_status fill_step(struct run *run, const struct steps *steps, size_t base, const struct intake *in,
                              zipnn_ctx *ctx, zipnn_file *out, const char *path, struct outcome *outcome,
                              zipnn_error *err) {
    zipnn_sink sink;
    zipnn_file_sink(out, &sink);
    progress_start(&run->progress);
    zipnn_stats *stats = &outcome->stats;
    zipnn_status st = zipnn_pack(ctx, &in->source, &sink, stats, err);
    if (st == ZIPNN_OK) st = zipnn_file_unchanged(in->file, err);
    if (st == ZIPNN_OK && in->expected && memcmp(stats->xxh3, in->expected, sizeof stats->xxh3) != 0)
        st = cli_fail(err, ZIPNN_E_CORRUPT, "the step that was read has another digest than before");
    if (st == ZIPNN_OK) st = check_step(run, steps, base, in, out, path, stats, err);
    progress_end(&run->progress);
    return st;
}

/* Archives in folders tell the way to their base, so that other commands find it, too. Returns NULL for files of one folder,
 * which are found by name. */
static char *way_to_base(const char *path, const char *base) {
    char *way = filename_way(path, base);
    if (way && strchr(way + 2, '/')) return way;
    free(way);
    return NULL;
}

zipnn_status write_step(struct run *run, const struct steps *steps, size_t base, const struct intake *in,
                        const char *path, unsigned flags, struct outcome *outcome, zipnn_error *err) {
    struct lineage l = {.n = 0};
    zipnn_ctx *ctx = NULL;
    zipnn_file *out = NULL;
    zipnn_status st = base == NO_STEP ? ZIPNN_OK : lineage_open(steps, base, &l, err);
    char *way = st == ZIPNN_OK && l.n ? way_to_base(path, l.names[0]) : NULL;
    if (way) l.names[0] = way;
    if (st == ZIPNN_OK) st = chain_context(run, &l, &ctx, err);
    if (st == ZIPNN_OK) {
        st = zipnn_file_create(path, in->file, flags | ZIPNN_FILE_SYNC, &out, err);
    }
    if (st == ZIPNN_OK) {
        interrupt_watch(&run->interrupt, out);
        st = fill_step(run, steps, base, in, ctx, out, path, outcome, err);
        if (st == ZIPNN_OK) st = zipnn_file_commit(out, err);
        if (st == ZIPNN_OK)
            outcome_learn(run, ctx, path, outcome);
        else
            zipnn_file_discard(out);
        interrupt_watch(&run->interrupt, NULL);
    }
    zipnn_file_close(out);
    zipnn_destroy(ctx);
    lineage_close(&l);
    free(way);
    return st;
}

zipnn_status write_step_near(struct run *run, const struct steps *steps, size_t base, const struct intake *in,
                             const char *path, unsigned flags, struct outcome *outcome, zipnn_error *err) {
    zipnn_status st = write_step(run, steps, base, in, path, flags, outcome, err);
    while (st == ZIPNN_E_BASE && base != NO_STEP) {
        const size_t parent = step_parent(&steps->step[base]);
        base = parent < base ? parent : NO_STEP;
        st = write_step(run, steps, base, in, path, flags, outcome, err);
    }
    return st;
}

zipnn_status rewrite_step(struct run *run, const struct steps *steps, size_t index, size_t base, write_fn *write,
                          zipnn_error *err) {
    const struct step *s = &steps->step[index];
    struct original o;
    struct outcome outcome = {.container = NULL};
    zipnn_status st = open_original(run, steps, index, &o, err);
    if (st == ZIPNN_OK) {
        const zipnn_source source = {.read_at = read_original, .length = s->original, .user = &o};
        const struct intake in = {s->path, o.lineage.files[0], source, s->xxh3};
        st = write(run, steps, base, &in, s->path, ZIPNN_FILE_REPLACE, &outcome, err);
    }
    if (st == ZIPNN_OK) run_report_done(run, s->name, s->path, &outcome);
    close_original(&o);
    return st;
}
