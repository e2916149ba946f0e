#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands/chain_base.h"
#include "commands/chain_folder.h"
#include "commands/chain_steps.h"
#include "commands/chain_view.h"
#include "commands/chain_write.h"
#include "commands/commands.h"
#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/json_writer.h"
#include "shared/needed.h"
#include "shared/output.h"
#include "shared/run_report.h"
#include "shared/text.h"

/* ---- verbs */

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static zipnn_status add(struct run *run, struct steps *steps, const char *folder, const char *path, zipnn_error *err) {
    struct outcome outcome = {.container = NULL};
    char number[32];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const uint64_t last = steps->n ? steps->step[steps->n - 1].number : 0;
    if (last == UINT64_MAX) return cli_fail(err, ZIPNN_E_ARGUMENT, "the last step has the highest possible number");
    if (is_folder(path)) return chain_add_folder(run, steps, folder, last + 1, path, err);
    snprintf(number, sizeof number, "/%08" PRIu64 ".", last + 1);
    char *stem = text_join(folder, number, name);
    char *to = text_join(stem, ARCHIVE_SUFFIX, "");
    zipnn_status st = chain_add_file(run, steps, path, name, to, &outcome, err);
    if (st == ZIPNN_OK) run_report_done(run, path, to, &outcome);
    free(to);
    free(stem);
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
    if (s->in_folder) return chain_restore_folder(run, steps, index, err);
    char *name = filename_restored(s->name);
    const char *path = args->to_stdout ? NULL : args->output ? args->output : name;
    zipnn_status st = path ? refuse_step(steps, path, err) : ZIPNN_OK;
    if (st == ZIPNN_OK) st = chain_restore_file(run, steps, index, path, path, err);
    free(name);
    return st;
}

/* What a step is made from is unknown as long as it cannot be read. If it becomes readable later, it may need the step
 * that is to be dropped. So that step stays. */
static zipnn_status refuse_blind_drop(const struct steps *steps, size_t index, zipnn_error *err) {
    for (size_t i = 0; i < steps->n; i++) {
        const struct step *s = &steps->step[i];
        const bool orphan = step_missing(s);
        if (s->number == steps->step[index].number) continue;
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
 * moment. If the step cannot be restored, they cannot either, and -f drops it all the same. */
static zipnn_status do_without(struct run *run, struct steps *steps, size_t index, zipnn_error *err) {
    const struct step *s = &steps->step[index];
    const bool whole = steps_whole(steps, index);
    size_t heir = NO_STEP;
    zipnn_status st = refuse_blind_drop(steps, index, err);
    for (size_t i = 0; i < steps->n && st == ZIPNN_OK; i++) {
        if (!step_needs(&steps->step[i], index) || (!whole && run->args->force)) continue;
        if (steps->step[i].number == s->number) continue; /* of the folder that goes as a whole */
        if (whole)
            st = store_again(run, steps, i, s, &heir, err);
        else
            st = cli_fail(err, ZIPNN_E_ARGUMENT,
                          "not dropped: a base of it is missing, and step %" PRIu64
                          " is made from it; -f drops it all the same, and that step cannot be restored then",
                          steps->step[i].number);
    }
    return st == ZIPNN_OK ? needed_refuse_removal(run, s->path, err) : st;
}

/* Archives of the folder that are no steps stay as they are; a step that one of them needs is not dropped. The files of a
 * folder go together, by one rename. */
static zipnn_status drop(struct run *run, struct steps *steps, size_t index, zipnn_error *err) {
    const struct step *s = &steps->step[index];
    zipnn_file *file = NULL;
    zipnn_status st = ZIPNN_OK;
    for (size_t i = 0; i < steps->n && st == ZIPNN_OK; i++)
        if (steps->step[i].number == s->number) st = do_without(run, steps, i, err);
    if (st == ZIPNN_OK && s->in_folder) return chain_remove_folder(steps, index, err);
    if (st == ZIPNN_OK) st = zipnn_file_open(s->path, &file, err);
    if (st == ZIPNN_OK) st = zipnn_file_remove(file, err);
    zipnn_file_close(file);
    return st;
}

static zipnn_status rebase(struct run *run, struct steps *steps, size_t index, const char *onto, zipnn_error *err) {
    size_t base = NO_STEP;
    if (steps->step[index].in_folder)
        return cli_fail(err, ZIPNN_E_ARGUMENT, "step %" PRIu64 " is a folder: its files keep the bases that they have",
                        steps->step[index].number);
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
        if (st == ZIPNN_OK) st = chain_context(run, &l, &ctx, &err);
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
        if (i && steps.step[i].number == steps.step[i - 1].number) continue; /* another file of the same folder */
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
