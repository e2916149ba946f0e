/* zipnn batch: many files into a folder of archives, with a manifest. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/batch_plan.h"
#include "commands/commands.h"
#include "line/exits.h"
#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/json_writer.h"
#include "shared/results.h"
#include "shared/run_context.h"
#include "shared/run_report.h"
#include "shared/text.h"
#include "zipnn/digests.h"

/* Finds items by a number that is spread well. */
struct table {
    struct slot {
        uint64_t key;
        struct item *item; /* NULL: free */
    } * slot;
    size_t cap; /* a power of two, twice the number of items at least */
};

struct batch {
    struct run *run;
    struct plan plan;
    struct ledger before; /* what the manifest said when the run began */
    int fd;               /* of the manifest */
    uint64_t *sizes;      /* of all items, sorted */
    struct table digests, families;
    zipnn_ctx *ctx; /* without a base */
    uint64_t n_copies;
    bool later, broken; /* something failed that may pass later; the manifest cannot be written */
};

/* What came of a file. */
struct made {
    const struct item *base; /* it was made against; NULL: none */
    const struct item *copy_of;
    zipnn_stats stats;
    int level;
    double seconds;
};

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void table_make(struct table *t, size_t n) {
    t->cap = 16;
    while (t->cap / 2 < n) t->cap *= 2;
    t->slot = text_realloc(NULL, t->cap * sizeof *t->slot);
    memset(t->slot, 0, t->cap * sizeof *t->slot);
}

static struct slot *table_at(const struct table *t, uint64_t key) {
    size_t at = (size_t)(key ^ key >> 29) & (t->cap - 1);
    while (t->slot[at].item && t->slot[at].key != key) at = (at + 1) & (t->cap - 1);
    return &t->slot[at];
}

/* The first item of a key stays. */
static void table_add(struct table *t, uint64_t key, struct item *item) {
    struct slot *s = table_at(t, key);
    if (!s->item) *s = (struct slot){key, item};
}

static uint64_t key_of(const uint8_t digest[16]) {
    uint64_t key = 0;
    for (unsigned i = 0; i < 8; i++) key = key << 8 | digest[i];
    return key;
}

/* ---- the manifest ------------------------------------------------------------------------------------------------ */

static void put_made(struct json *j, const struct item *item, const struct made *made) {
    const zipnn_stats *stats = &made->stats;
    json_name(j, "output", item->output);
    json_number(j, "original", stats->original);
    json_number(j, "stored", stats->archive);
    json_digests(j, stats->xxh3, stats->has_sha256 ? stats->sha256 : NULL);
    if (made->copy_of) return;
    json_number(j, "level", (unsigned)made->level);
    if (!made->base) return;
    json_name(j, "base", made->base->rel);
    json_hex(j, "base_xxh3", made->base->xxh3, sizeof made->base->xxh3);
}

static void put_failed(struct json *j, const char *class, const char *message, bool retry) {
    json_text(j, "error", class);
    json_text(j, "message", message);
    json_truth(j, "retry", retry);
}

static void end_line(struct batch *b, struct json *j, FILE *to, char **text, size_t *len) {
    zipnn_error err;
    const struct args *args = b->run->args;
    json_text(j, "version", zipnn_version());
    json_line_end(j);
    if (fclose(to) != 0) *len = 0;
    if (*len && args->json) fwrite(*text, 1, *len, stdout);
    zipnn_status st = *len ? ledger_append(b->fd, args->manifest, *text, *len, args->sync, &err)
                           : cli_fail(&err, ZIPNN_E_MEMORY, "no memory for a line");
    free(*text);
    if (st == ZIPNN_OK) return;
    run_report_failure(b->run, args->manifest, &err);
    b->broken = b->later = true;
}

/* Writes the line of an item: `made`, or else why not. */
static void put_line(struct batch *b, const struct item *item, const struct made *made, const char *class,
                     const char *message, bool retry) {
    char *text = NULL, family[17];
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    struct json j = {to, false};
    if (!to) {
        b->broken = b->later = true;
        return;
    }
    json_object(&j, NULL);
    json_name(&j, "path", item->rel);
    json_text(&j, "status", !made ? "failed" : made->copy_of ? "copy" : "done");
    if (made)
        put_made(&j, item, made);
    else
        put_failed(&j, class, message, retry);
    if (item->mtime[0]) json_text(&j, "mtime", item->mtime);
    snprintf(family, sizeof family, "%016" PRIx64, item->family);
    if (item->family) json_text(&j, "family", family);
    if (made) json_real(&j, "seconds", made->seconds, 3);
    end_line(b, &j, to, &text, &len);
}

/* ---- one file ---------------------------------------------------------------------------------------------------- */

static char *archive_of(const struct batch *b, const char *output) {
    return text_join(b->run->args->output_dir, "/", output);
}

/* A zipnn_progress_fn: stops when a signal asked for it. */
static int tick(void *user, uint64_t done, uint64_t total) {
    struct run *run = user;
    progress_tick(&run->progress, done, total);
    return interrupt_asked(&run->interrupt);
}

/* A context that knows the archive of `base`, or none. */
struct context {
    zipnn_ctx *ctx;
    zipnn_file *file;
    zipnn_source source;
    char *name;
    const char *names[1];
};

static zipnn_status open_context(struct batch *b, const struct item *item, const struct item *base, struct context *c,
                                 zipnn_error *err) {
    zipnn_options options = run_options(b->run);
    options.progress = tick;
    options.progress_user = b->run;
    *c = (struct context){.ctx = b->ctx};
    if (!base && b->ctx) return ZIPNN_OK;
    if (!base) {
        const zipnn_status st = zipnn_create(&options, &b->ctx, err);
        c->ctx = b->ctx;
        return st;
    }
    char *path = archive_of(b, base->output);
    zipnn_status st = zipnn_file_open(path, &c->file, err);
    free(path);
    if (st != ZIPNN_OK) return st;
    zipnn_file_source(c->file, &c->source);
    c->names[0] = c->name = filename_way(item->rel, base->rel);
    options.bases = &c->source;
    options.base_names = c->names;
    options.n_bases = 1;
    return zipnn_create(&options, &c->ctx, err);
}

static void close_context(const struct batch *b, struct context *c) {
    if (c->ctx != b->ctx) zipnn_destroy(c->ctx);
    zipnn_file_close(c->file);
    free(c->name);
}

/* Learns from the archive whether it needs the base, and its level. */
static zipnn_status learn(zipnn_ctx *ctx, const char *path, struct made *made, zipnn_error *err) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive *archive = NULL;
    zipnn_archive_info info = {.level = 0};
    zipnn_status st = zipnn_file_open(path, &file, err);
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK) st = zipnn_archive_open(ctx, &source, &archive, err);
    zipnn_archive_get_info(archive, &info);
    if (info.n_bases == 0) made->base = NULL;
    made->level = info.level;
    zipnn_archive_close(archive);
    zipnn_file_close(file);
    return st;
}

/* What is in the way is replaced only if it is an archive that may come from an earlier run of this batch. */
static zipnn_status refuse_taken(const struct batch *b, const char *path, unsigned *flags, zipnn_error *err) {
    const struct args *args = b->run->args;
    struct stat st;
    *flags = args->sync ? ZIPNN_FILE_SYNC : 0;
    if (lstat(path, &st) != 0) return ZIPNN_OK;
    if (S_ISREG(st.st_mode) && args->resume && bases_is_archive(path)) {
        *flags |= ZIPNN_FILE_REPLACE;
        return ZIPNN_OK;
    }
    return cli_fail(err, ZIPNN_E_ARGUMENT, "%.150s is in the way: --resume replaces archives of an earlier run", path);
}

static zipnn_status write_archive(struct batch *b, const char *path, zipnn_file *in, zipnn_ctx *ctx, unsigned flags,
                                  struct made *made, zipnn_error *err) {
    struct run *run = b->run;
    zipnn_file *out = NULL;
    zipnn_source source;
    zipnn_sink sink;
    zipnn_file_source(in, &source);
    zipnn_status st = make_folders_to(path, err);
    if (st == ZIPNN_OK) st = zipnn_file_create(path, in, flags, &out, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_sink(out, &sink);
    interrupt_watch(&run->interrupt, out);
    progress_start(&run->progress);
    st = zipnn_pack(ctx, &source, &sink, &made->stats, err);
    progress_end(&run->progress);
    if (st == ZIPNN_OK) st = zipnn_file_unchanged(in, err);
    if (st == ZIPNN_OK) st = zipnn_file_commit(out, err);
    if (st != ZIPNN_OK) zipnn_file_discard(out);
    interrupt_watch(&run->interrupt, NULL);
    zipnn_file_close(out);
    return st;
}

static zipnn_status compress(struct batch *b, const struct item *item, zipnn_file *in, const struct item *base,
                             struct made *made, zipnn_error *err) {
    struct context c;
    unsigned flags;
    char *output = text_join(item->rel, ARCHIVE_SUFFIX, ""), *path = archive_of(b, output);
    made->base = base;
    zipnn_status st = refuse_taken(b, path, &flags, err);
    if (st == ZIPNN_OK) {
        st = open_context(b, item, base, &c, err);
        if (st == ZIPNN_OK) st = write_archive(b, path, in, c.ctx, flags, made, err);
        if (st == ZIPNN_OK) st = learn(c.ctx, path, made, err);
        close_context(b, &c);
    }
    free(path);
    free(output);
    return st;
}

static int by_number(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Returns whether another file has the same size. */
static bool has_twin(const struct batch *b, uint64_t size) {
    const uint64_t *at = bsearch(&size, b->sizes, b->plan.n, sizeof size, by_number);
    return at && ((at > b->sizes && at[-1] == size) || (at + 1 < b->sizes + b->plan.n && at[1] == size));
}

/* Finds the file of this batch that holds the same bytes and has an archive. */
static zipnn_status find_original(struct batch *b, struct item *item, zipnn_file *in, struct made *made,
                                  zipnn_error *err) {
    struct context c;
    zipnn_source source;
    zipnn_file_source(in, &source);
    if (item->alone || !has_twin(b, item->size)) return ZIPNN_OK;
    zipnn_status st = open_context(b, item, NULL, &c, err);
    if (st == ZIPNN_OK) st = zipnn_digests(c.ctx, &source, &made->stats, err);
    if (st == ZIPNN_OK) st = zipnn_file_unchanged(in, err);
    if (st != ZIPNN_OK) return st;
    const struct item *of = table_at(&b->digests, key_of(made->stats.xxh3))->item;
    if (!of || memcmp(of->xxh3, made->stats.xxh3, sizeof of->xxh3) != 0 || of->size != item->size) return ZIPNN_OK;
    made->copy_of = of;
    made->stats.archive = of->stored;
    made->stats.has_sha256 = made->stats.has_sha256 && b->run->args->sha256;
    return ZIPNN_OK;
}

static zipnn_status make(struct batch *b, struct item *item, struct made *made, zipnn_error *err) {
    zipnn_file *in = NULL;
    zipnn_source source;
    const struct item *root = item->family && !item->alone ? table_at(&b->families, item->family)->item : NULL;
    zipnn_status st = zipnn_file_open(item->path, &in, err);
    if (st == ZIPNN_OK) {
        zipnn_file_source(in, &source);
        if (!source.read_at) st = cli_fail(err, ZIPNN_E_ARGUMENT, "is not a regular file");
    }
    if (st == ZIPNN_OK) st = find_original(b, item, in, made, err);
    if (st == ZIPNN_OK && !made->copy_of) {
        st = compress(b, item, in, root, made, err);
        if (st == ZIPNN_E_BASE && root) st = compress(b, item, in, NULL, made, err);
    }
    zipnn_file_close(in);
    return st;
}

/* Notes an archive, so that copies and members of the family find it. */
static void note(struct batch *b, struct item *item) {
    table_add(&b->digests, key_of(item->xxh3), item);
    if (item->family && !item->base[0]) table_add(&b->families, item->family, item);
}

static void take(struct batch *b, struct item *item, const struct made *made) {
    item->done = item->has_digest = true;
    item->stored = made->stats.archive;
    memcpy(item->xxh3, made->stats.xxh3, sizeof item->xxh3);
    item->base = made->base ? made->base->rel : "";
    b->run->n_done++;
    b->run->original += made->stats.original;
    b->n_copies += made->copy_of != NULL;
    if (!made->copy_of) b->run->stored += made->stats.archive;
    if (!made->copy_of) note(b, item);
}

static void refuse(struct batch *b, struct item *item, const char *class, zipnn_error *err, bool retry) {
    b->later |= retry;
    put_line(b, item, NULL, class, err->message, retry);
    run_report_fault(b->run, item->path, err);
}

static void work(struct batch *b, struct item *item) {
    struct made made = {.base = NULL};
    zipnn_error err;
    const double start = progress_now();
    if (item->why_not) {
        cli_fail(&err, ZIPNN_E_ARGUMENT, "%s", item->why_not);
        refuse(b, item, item->missing ? "missing" : "argument", &err, false);
        return;
    }
    progress_file(&b->run->progress, item->path, item->size);
    const zipnn_status st = make(b, item, &made, &err);
    if (interrupt_asked(&b->run->interrupt) && st != ZIPNN_OK) return;
    if (st != ZIPNN_OK) {
        refuse(b, item, zipnn_status_name(st), &err, st == ZIPNN_E_IO || st == ZIPNN_E_MEMORY);
        return;
    }
    made.seconds = progress_now() - start;
    free(item->output);
    item->output = made.copy_of ? text_join(made.copy_of->output, "", "") : text_join(item->rel, ARCHIVE_SUFFIX, "");
    take(b, item, &made);
    put_line(b, item, &made, NULL, NULL, false);
    if (b->run->args->verbosity <= 0) return;
    text_put(stderr, item->path);
    fprintf(stderr, made.copy_of ? ": a copy of " : ": wrote ");
    text_put(stderr, made.copy_of ? made.copy_of->rel : item->output);
    putc('\n', stderr);
}

/* ---- going on ---------------------------------------------------------------------------------------------------- */

/* The path of the file whose archive a copy is held by. */
static char *origin_of(const struct entry *e) {
    return filename_restored(e->output);
}

/* Returns whether the line holds still: file and archive are as they were. */
static bool is_as_it_was(const struct batch *b, const struct item *item, const struct entry *e) {
    struct stat st;
    if (e->status == ENTRY_FAILED || !ledger_is_below(e->output)) return false;
    if (e->original != item->size || strcmp(e->mtime, item->mtime) != 0) return false;
    char *path = archive_of(b, e->output);
    const bool there = stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == e->stored;
    free(path);
    return there;
}

/* Returns whether the archive of `path` holds what it held when the entry was written: that of a base or of an original. */
static bool still_holds(const struct batch *b, const char *path, const uint8_t digest[16]) {
    const long long i = plan_find(&b->plan, path);
    const struct entry *e = ledger_find(&b->before, path);
    if (i != NO_ITEM && !b->plan.item[i].done) return false;
    return e && e->status == ENTRY_DONE && memcmp(e->xxh3, digest, 16) == 0;
}

static bool needs_are_met(const struct batch *b, const struct entry *e) {
    if (e->status == ENTRY_DONE) return !e->base[0] || still_holds(b, e->base, e->base_xxh3);
    char *origin = origin_of(e);
    const bool met = still_holds(b, origin, e->xxh3);
    free(origin);
    return met;
}

/* An archive that is going to be replaced may be needed by others. What can be made again stands alone from now on, and is
 * made first; if that cannot be, the archive stays. */
static void protect(struct batch *b, const struct entry *e) {
    char *needed = e->status == ENTRY_COPY ? origin_of(e) : text_join(e->base, "", "");
    const long long of = plan_find(&b->plan, needed), i = plan_find(&b->plan, e->path);
    free(needed);
    if (e->status == ENTRY_FAILED || of == NO_ITEM || of == i || b->plan.item[of].done) return;
    struct item *base = &b->plan.item[of], *item = i == NO_ITEM ? NULL : &b->plan.item[i];
    const struct entry *was = ledger_find(&b->before, base->rel);
    if (base->why_not || !was) return;                                               /* it is not replaced */
    if (was->original == base->size && strcmp(was->mtime, base->mtime) == 0) return; /* or by the same bytes */
    if (!item || item->why_not) {
        base->why_not = "has changed, and its archive is needed by that of a file that is gone or was not listed";
        return;
    }
    item->done = false;
    item->alone = true;
}

static void go_on(struct batch *b) {
    struct plan *plan = &b->plan;
    for (size_t i = 0; i < plan->n; i++) {
        struct item *item = &plan->item[i];
        const struct entry *e = ledger_find(&b->before, item->rel);
        if (item->why_not || !e || !is_as_it_was(b, item, e)) continue;
        item->done = item->has_digest = true;
        memcpy(item->xxh3, e->xxh3, sizeof item->xxh3);
        item->stored = e->stored;
        item->output = text_join(e->output, "", "");
        item->base = e->base;
    }
    for (size_t i = 0; i < plan->n; i++)
        if (plan->item[i].done && !needs_are_met(b, ledger_find(&b->before, plan->item[i].rel)))
            plan->item[i].done = false;
    for (size_t i = 0; i < b->before.n; i++) protect(b, &b->before.entry[i]);
    for (size_t i = 0; i < plan->n; i++)
        if (plan->item[i].done && ledger_find(&b->before, plan->item[i].rel)->status == ENTRY_DONE)
            note(b, &plan->item[i]);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void prepare(struct batch *b) {
    const size_t n = b->plan.n;
    b->sizes = text_realloc(NULL, (n + 1) * sizeof *b->sizes);
    for (size_t i = 0; i < n; i++) b->sizes[i] = b->plan.item[i].why_not ? UINT64_MAX : b->plan.item[i].size;
    if (n) qsort(b->sizes, n, sizeof *b->sizes, by_number);
    table_make(&b->digests, n);
    table_make(&b->families, n);
}

static void work_on_all(struct batch *b) {
    uint64_t bytes = 0;
    size_t n = 0;
    for (size_t i = 0; i < b->plan.n; i++) {
        if (b->plan.item[i].done) continue;
        n++;
        bytes += b->plan.item[i].size;
    }
    progress_files(&b->run->progress, n, bytes);
    b->run->n_skipped = b->plan.n - n;
    for (int alone = 1; alone >= 0; alone--)
        for (size_t i = 0; i < b->plan.n && !b->broken && !interrupt_asked(&b->run->interrupt); i++)
            if (!b->plan.item[i].done && b->plan.item[i].alone == (bool)alone) work(b, &b->plan.item[i]);
    progress_files(&b->run->progress, 0, 0);
}

static void sum_up(struct batch *b) {
    struct run *run = b->run;
    const bool asked = interrupt_asked(&run->interrupt);
    if (asked) b->later = true;
    if (b->later && run->exit_code < EXIT_LATER) run->exit_code = EXIT_LATER;
    if (run->args->verbosity < 0 || (!run->talks && !run->n_failed && !asked)) return;
    fprintf(stderr,
            "zipnn: %" PRIu64 " files done, %" PRIu64 " of them copies, %" PRIu64 " were done before, %" PRIu64
            " failed%s",
            run->n_done, b->n_copies, run->n_skipped, run->n_failed, asked ? "; stopped by a signal" : "");
    if (run->n_done)
        fprintf(stderr, "; %s is %.2f %% of %s", text_size(run->stored).text, text_percent(run->stored, run->original),
                text_size(run->original).text);
    if (b->later) fputs("; run it again with --resume", stderr);
    putc('\n', stderr);
}

static void free_batch(struct batch *b) {
    zipnn_destroy(b->ctx);
    plan_free(&b->plan);
    ledger_free(&b->before);
    free(b->sizes);
    free(b->digests.slot);
    free(b->families.slot);
    if (b->fd >= 0) close(b->fd);
}

void batch_run(struct run *run) {
    const struct args *args = run->args;
    struct batch b = {.run = run, .fd = -1};
    zipnn_error err;
    zipnn_status st = ledger_open(args->manifest, !args->resume, &b.fd, &err);
    if (st == ZIPNN_OK) b.later = (st = ledger_mend(b.fd, args->manifest, &err)) != ZIPNN_OK;
    if (st == ZIPNN_OK && args->resume) st = ledger_read(&b.before, args->manifest, &err);
    if (st == ZIPNN_OK) {
        ledger_settle(&b.before);
        plan_make(run, &b.plan);
        prepare(&b);
        go_on(&b);
        interrupt_gently(&run->interrupt);
        work_on_all(&b);
        sum_up(&b);
    } else {
        run_report_failure(run, args->manifest, &err);
        if (b.later) run->exit_code = EXIT_LATER;
    }
    free_batch(&b);
}
