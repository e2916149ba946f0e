#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands/chain_base.h"
#include "commands/chain_steps.h"
#include "commands/chain_view.h"
#include "commands/commands.h"
#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/json_writer.h"
#include "shared/needed.h"
#include "shared/output.h"
#include "shared/read_back.h"
#include "shared/run_report.h"
#include "shared/text.h"

/* ---- contexts that know a lineage */

static zipnn_status make_context(struct run *run, const struct lineage *l, zipnn_ctx **ctx, zipnn_error *err) {
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
    if (st == ZIPNN_OK) st = make_context(run, &o->lineage, &o->ctx, err);
    return st == ZIPNN_OK ? zipnn_archive_open(o->ctx, &o->lineage.sources[0], &o->archive, err) : st;
}

static void close_original(struct original *o) {
    zipnn_archive_close(o->archive);
    zipnn_destroy(o->ctx);
    lineage_close(&o->lineage);
    pthread_mutex_destroy(&o->lock);
}

/* ---- writing steps: a new file is complete, on the device and read back before it gets its name */

/* The original of a new step: `source`, which reads `file`. The step gets the permissions and times of `file`. */
struct intake {
    const char *path;
    const zipnn_file *file;
    zipnn_source source;
    const uint8_t *expected; /* digest that it must have; NULL for any */
};

/* Decodes what was written, with a newly opened base, and compares the result with its source, or with the digest that
 * is already known. */
static zipnn_status check_step(struct run *run, const struct steps *steps, size_t base, const struct intake *in,
                               const zipnn_file *written, const char *path, const zipnn_stats *stats,
                               zipnn_error *err) {
    const struct made_from from = {in->expected ? NULL : &in->source, in->path, stats};
    struct lineage l = {.n = 0};
    zipnn_ctx *ctx = NULL;
    zipnn_status st = base == NO_STEP ? ZIPNN_OK : lineage_open(steps, base, &l, err);
    if (st == ZIPNN_OK) st = make_context(run, &l, &ctx, err);
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

/* Stores `in` at `path` against the step `base`, NO_STEP for one that stands alone. */
static zipnn_status write_step(struct run *run, const struct steps *steps, size_t base, const struct intake *in,
                               const char *path, unsigned flags, struct outcome *outcome, zipnn_error *err) {
    struct lineage l = {.n = 0};
    zipnn_ctx *ctx = NULL;
    zipnn_file *out = NULL;
    zipnn_status st = base == NO_STEP ? ZIPNN_OK : lineage_open(steps, base, &l, err);
    if (st == ZIPNN_OK) st = make_context(run, &l, &ctx, err);
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
    return st;
}

/* Does the same, and tries the base of the base if one cannot be used: a step that holds the same original, or was made
 * from it, is no base. */
static zipnn_status write_step_near(struct run *run, const struct steps *steps, size_t base, const struct intake *in,
                                    const char *path, unsigned flags, struct outcome *outcome, zipnn_error *err) {
    zipnn_status st = write_step(run, steps, base, in, path, flags, outcome, err);
    while (st == ZIPNN_E_BASE && base != NO_STEP) {
        const size_t parent = step_parent(&steps->step[base]);
        base = parent < base ? parent : NO_STEP;
        st = write_step(run, steps, base, in, path, flags, outcome, err);
    }
    return st;
}

typedef zipnn_status write_fn(struct run *run, const struct steps *steps, size_t base, const struct intake *in,
                              const char *path, unsigned flags, struct outcome *outcome, zipnn_error *err);

/* Replaces the file of a step by one that is made against another step. */
static zipnn_status rewrite_step(struct run *run, const struct steps *steps, size_t index, size_t base, write_fn *write,
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

/* ---- verbs */

static zipnn_status add(struct run *run, struct steps *steps, const char *folder, const char *path, zipnn_error *err) {
    zipnn_file *file = NULL;
    struct outcome outcome = {.container = NULL};
    char number[32];
    const char *slash = strrchr(path, '/');
    const uint64_t last = steps->n ? steps->step[steps->n - 1].number : 0;
    if (filename_is_archive(path) && !run->args->force)
        return cli_fail(err, ZIPNN_E_ARGUMENT,
                        "is named " ARCHIVE_SUFFIX ": restore it first, or let -f store the archive itself as a step");
    if (last == UINT64_MAX) return cli_fail(err, ZIPNN_E_ARGUMENT, "the last step has the highest possible number");
    zipnn_status st = zipnn_file_open(path, &file, err);
    if (st != ZIPNN_OK) return st;
    const size_t base = chain_base(steps, slash ? slash + 1 : path, run->args->every);
    snprintf(number, sizeof number, "/%08" PRIu64 ".", last + 1);
    char *stem = text_join(folder, number, slash ? slash + 1 : path);
    char *to = text_join(stem, ARCHIVE_SUFFIX, "");
    struct intake in = {.path = path, .file = file};
    zipnn_file_source(file, &in.source);
    st = in.source.read_at ? write_step_near(run, steps, base, &in, to, 0, &outcome, err)
                           : cli_fail(err, ZIPNN_E_ARGUMENT, "only a regular file can be a step");
    if (st == ZIPNN_OK) run_report_done(run, path, to, &outcome);
    free(to);
    free(stem);
    zipnn_file_close(file);
    return st;
}

/* Refuses to restore a step to the file of a step. */
static zipnn_status refuse_step(const struct steps *steps, const char *path, zipnn_error *err) {
    for (size_t i = 0; i < steps->n; i++) {
        struct stat st;
        if (stat(steps->step[i].path, &st) == 0 && touched_leads_to(path, (struct node){st.st_dev, st.st_ino}))
            return cli_fail(err, ZIPNN_E_ARGUMENT, "%.150s is a step of the chain", path);
    }
    return ZIPNN_OK;
}

static zipnn_status restore(struct run *run, const struct steps *steps, size_t index, zipnn_error *err) {
    const struct args *args = run->args;
    const struct step *s = &steps->step[index];
    struct lineage l;
    zipnn_ctx *ctx = NULL;
    struct outcome outcome = {.container = NULL};
    char *name = filename_restored(s->name);
    const char *path = args->to_stdout ? NULL : args->output ? args->output : name;
    struct output out = {.file = NULL};
    zipnn_status st = lineage_open(steps, index, &l, err);
    if (st == ZIPNN_OK && path) st = refuse_step(steps, path, err);
    if (st == ZIPNN_OK) st = make_context(run, &l, &ctx, err);
    if (st == ZIPNN_OK) st = output_open(run, path, NULL, l.files[0], &out, err);
    if (st == ZIPNN_OK) {
        progress_start(&run->progress);
        st = zipnn_unpack(ctx, &l.sources[0], &out.sink, &outcome.stats, err);
        progress_end(&run->progress);
        if (st == ZIPNN_OK) outcome_learn(run, ctx, s->path, &outcome);
        st = output_end(&out, st, err);
    }
    if (st == ZIPNN_OK) run_report_done(run, s->name, path ? path : "stdout", &outcome);
    free(name);
    zipnn_destroy(ctx);
    lineage_close(&l);
    return st;
}

/* What a step is made from is unknown as long as it cannot be read. If it becomes readable later, it may need the step
 * that is to be dropped. So that step stays. */
static zipnn_status refuse_blind_drop(const struct steps *steps, size_t index, zipnn_error *err) {
    for (size_t i = 0; i < steps->n; i++) {
        const struct step *s = &steps->step[i];
        const bool orphan = step_missing(s);
        if (i == index) continue;
        if (s->damaged || (orphan && steps->step[index].damaged))
            return cli_fail(err, ZIPNN_E_ARGUMENT, "not dropped: step %" PRIu64 " %s, and may be made from it",
                            s->number, s->damaged ? "cannot be read" : "lacks its base");
    }
    return ZIPNN_OK;
}

/* Stores a step again that is made from one that goes: against that one's own base. If it has none, the first such step
 * stands alone from now on, and is the base of the others: *heir. */
static zipnn_status store_again(struct run *run, struct steps *steps, size_t index, const struct step *gone,
                                size_t *heir, zipnn_error *err) {
    const size_t parent = step_parent(gone);
    const size_t base = parent != NO_STEP ? parent : *heir;
    const zipnn_status st = rewrite_step(run, steps, index, base, write_step_near, err);
    if (st != ZIPNN_OK || base != NO_STEP) return st;
    *heir = index;
    step_forget_bases(&steps->step[index]);
    return ZIPNN_OK;
}

/* Steps that are made from this one are first stored again, against its own base, so that each can be restored at any
 * moment. If the step cannot be restored, they cannot either, and -f drops it all the same. Archives of the folder that
 * are no steps stay as they are; a step that one of them needs is not dropped. */
static zipnn_status drop(struct run *run, struct steps *steps, size_t index, zipnn_error *err) {
    const struct step *s = &steps->step[index];
    const bool whole = steps_whole(steps, index);
    size_t heir = NO_STEP;
    zipnn_file *file = NULL;
    zipnn_status st = refuse_blind_drop(steps, index, err);
    for (size_t i = 0; i < steps->n && st == ZIPNN_OK; i++) {
        if (!step_needs(&steps->step[i], index) || (!whole && run->args->force)) continue;
        if (whole)
            st = store_again(run, steps, i, s, &heir, err);
        else
            st = cli_fail(err, ZIPNN_E_ARGUMENT,
                          "not dropped: a base of it is missing, and step %" PRIu64
                          " is made from it; -f drops it all the same, and that step cannot be restored then",
                          steps->step[i].number);
    }
    if (st == ZIPNN_OK) st = needed_refuse_removal(run, s->path, err);
    if (st == ZIPNN_OK) st = zipnn_file_open(s->path, &file, err);
    if (st == ZIPNN_OK) st = zipnn_file_remove(file, err);
    zipnn_file_close(file);
    return st;
}

static zipnn_status rebase(struct run *run, struct steps *steps, size_t index, const char *onto, zipnn_error *err) {
    size_t base = NO_STEP;
    zipnn_status st = onto ? steps_find(steps, onto, &base, err) : ZIPNN_OK;
    if (st == ZIPNN_OK && onto && base >= index)
        st = cli_fail(err, ZIPNN_E_ARGUMENT, "a step can be made against an earlier one only");
    return st == ZIPNN_OK ? rewrite_step(run, steps, index, base, write_step, err) : st;
}

/* Decodes every step, with all that it is made from. What is wrong with one is told, and the others are tried. */
static zipnn_status verify(struct run *run, const struct steps *steps) {
    for (size_t i = 0; i < steps->n; i++) {
        const struct step *s = &steps->step[i];
        struct lineage l = {.n = 0};
        struct outcome outcome = {.container = NULL};
        zipnn_ctx *ctx = NULL;
        zipnn_error err = s->why;
        zipnn_status st = s->damaged ? s->why.status : lineage_open(steps, i, &l, &err);
        if (st == ZIPNN_OK) st = make_context(run, &l, &ctx, &err);
        if (st == ZIPNN_OK) st = zipnn_test(ctx, &l.sources[0], &outcome.stats, &err);
        if (st == ZIPNN_OK)
            run_report_done(run, s->path, NULL, &outcome);
        else
            run_report_failure(run, s->path, &err);
        zipnn_destroy(ctx);
        lineage_close(&l);
    }
    return ZIPNN_OK;
}

static const enum steps_use opened_for[N_VERBS] = {
#define VERB(id, name, operands, least, most, use, options, help) [VERB_##id] = use,
#include "line/verbs.def"
#undef VERB
};

/* Carries out the verb, after the folder was read. */
static zipnn_status act(struct run *run, enum verb verb, struct steps *steps, char **operands, size_t n,
                        zipnn_error *err) {
    size_t index = 0;
    const bool names_step = verb == VERB_RESTORE || verb == VERB_DROP || verb == VERB_REBASE;
    zipnn_status st = names_step ? steps_find(steps, operands[0], &index, err) : ZIPNN_OK;
    if (st != ZIPNN_OK) return st;
    switch (verb) {
        case VERB_ADD:
            return add(run, steps, run->args->files[0], operands[0], err);
        case VERB_RESTORE:
            return restore(run, steps, index, err);
        case VERB_DROP:
            return drop(run, steps, index, err);
        case VERB_REBASE:
            return rebase(run, steps, index, n > 1 ? operands[1] : NULL, err);
        case VERB_VERIFY:
            return verify(run, steps);
        case VERB_INSPECT:
            st = run->args->html ? refuse_step(steps, run->args->html, err) : ZIPNN_OK;
            return st == ZIPNN_OK ? chain_inspect(run, steps, err) : st;
        default:
            chain_list(run, steps);
            return ZIPNN_OK;
    }
}

/* Reads the chain, and carries out the verb on the first of n operands, or all of them. */
static zipnn_status act_once(struct run *run, enum verb verb, char **operands, size_t n) {
    struct steps steps;
    zipnn_error err;
    zipnn_status st = steps_open(run, run->args->files[0], opened_for[verb], &steps, &err);
    if (st == ZIPNN_OK) st = act(run, verb, &steps, operands, n, &err);
    if (st != ZIPNN_OK) run_report_failure(run, n ? operands[0] : run->args->files[0], &err);
    steps_close(&steps);
    return st;
}

/* "3-9": drops those of these steps that are there. */
static zipnn_status drop_range(struct run *run, const char *text, uint64_t first, uint64_t last) {
    struct steps steps;
    zipnn_error err;
    char number[32], *operand = number;
    zipnn_status st = steps_open(run, run->args->files[0], STEPS_LOOK, &steps, &err);
    size_t n = 0;
    for (size_t i = 0; i < steps.n; i++) n += steps.step[i].number >= first && steps.step[i].number <= last;
    if (st == ZIPNN_OK && n == 0)
        st = cli_fail(&err, ZIPNN_E_NOT_FOUND, "there is no step from %" PRIu64 " to %" PRIu64, first, last);
    if (st != ZIPNN_OK) run_report_failure(run, text, &err);
    for (size_t i = 0; st == ZIPNN_OK && i < steps.n; i++) {
        if (steps.step[i].number < first || steps.step[i].number > last) continue;
        snprintf(number, sizeof number, "%" PRIu64, steps.step[i].number);
        st = act_once(run, VERB_DROP, &operand, 1);
    }
    steps_close(&steps);
    return st;
}

/* The chain is read again for each operand of add and drop, since the one before has changed it. */
static void act_on_each(struct run *run, enum verb verb, char **operands, size_t n) {
    const bool one_by_one = verb == VERB_ADD || verb == VERB_DROP;
    for (size_t i = 0; i == 0 || (one_by_one && i < n); i++) {
        uint64_t first, last;
        const bool range = verb == VERB_DROP && steps_parse_range(operands[i], &first, &last);
        const zipnn_status st =
            range ? drop_range(run, operands[i], first, last) : act_once(run, verb, operands + i, n - i);
        if (st != ZIPNN_OK) return;
    }
}

void chain_run(struct run *run) {
    act_on_each(run, run->args->verb, run->args->files + 2, run->args->n_files - 2);
}
