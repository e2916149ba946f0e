#include "shared/run_context.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line/exits.h"
#include "shared/cli_fail.h"
#include "shared/dedup.h"
#include "shared/filenames.h"
#include "shared/text.h"

static void drop_context(struct run *run) {
    zipnn_destroy(run->ctx);
    run->ctx = NULL;
    free(run->ctx_for);
    run->ctx_for = NULL;
    bases_close(&run->bases);
}

static zipnn_options options_with(struct run *run, const struct bases *bases) {
    zipnn_options options = run_options(run);
    options.base = run->args->n_bases == 1 && bases->n_named ? bases->sources : NULL;
    options.bases = bases->sources;
    options.n_bases = bases->n_usable;
    options.known = bases->sources ? bases->sources + bases->n_usable : NULL;
    options.n_known = bases->n - bases->n_usable;
    options.base_names = (const char *const *)bases->names;
    return options;
}

/* Of the bases found in a folder, compressing uses only the nearest, so that few files are needed to restore. The
 * others stay, because the nearest one may have been made against them. */
static zipnn_status find_nearest(zipnn_options *options, const char *input, struct bases *bases, zipnn_error *err) {
    zipnn_file *file = NULL;
    zipnn_ctx *ctx = NULL;
    zipnn_source source;
    size_t nearest = 0;
    options->n_direct = bases->n_usable;
    zipnn_status st = zipnn_file_open(input, &file, err);
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK) st = zipnn_create(options, &ctx, err);
    if (st == ZIPNN_OK) st = zipnn_nearest_base(ctx, &source, &nearest, err);
    const bool found = st == ZIPNN_OK && nearest >= bases->n_named;
    if (st == ZIPNN_E_NOT_FOUND) st = ZIPNN_OK;
    zipnn_destroy(ctx);
    zipnn_file_close(file);
    if (found) st = bases_prefer(bases, bases->n_named, nearest, err);
    options->n_direct = bases->n_named + found;
    return st;
}

/* An archive may be made against the first n_direct of all bases. If that is none, the context gets no bases at all. */
static zipnn_status choose_direct(struct run *run, zipnn_options *options, const char *input, zipnn_error *err) {
    struct bases *bases = &run->bases;
    options->n_direct = bases->n_named;
    zipnn_status st = bases->n_usable > bases->n_named ? find_nearest(options, input, bases, err) : ZIPNN_OK;
    if (options->n_direct == 0) options->n_bases = options->n_known = 0;
    run->n_direct = options->n_direct;
    return st;
}

zipnn_status run_need_context(struct run *run, zipnn_error *err) {
    const struct args *args = run->args;
    const bool compressing = args->operation == OP_COMPRESS || args->operation == OP_ESTIMATE;
    const struct bases_wanted wanted = {.args = args};
    if (run->ctx && run->ctx_for) drop_context(run);
    if (run->ctx) return ZIPNN_OK;
    zipnn_status st = compressing ? ZIPNN_OK : bases_open(&wanted, &run->bases, err);
    if (st != ZIPNN_OK) return st;
    const zipnn_options options = options_with(run, &run->bases);
    return zipnn_create(&options, &run->ctx, err);
}

static bool has_bases(const struct args *args) {
    return args->n_bases || args->base_dir;
}

static zipnn_status make_context_for(struct run *run, const struct bases_wanted *wanted, zipnn_error *err) {
    drop_context(run);
    if (wanted->output && run->args->operation == OP_COMPRESS)
        folders_lock(run, LOCKED_ALONE, wanted->input, wanted->output);
    zipnn_status st = bases_open(wanted, &run->bases, err);
    if (st != ZIPNN_OK) return st;
    zipnn_options options = options_with(run, &run->bases);
    st = choose_direct(run, &options, wanted->input, err);
    if (st == ZIPNN_OK) st = zipnn_create(&options, &run->ctx, err);
    if (st == ZIPNN_OK) run->ctx_for = text_join(wanted->input, "", "");
    return st;
}

zipnn_status run_context_for(struct run *run, const char *input, const char *output, zipnn_error *err) {
    struct bases_wanted wanted = {
        .args = run->args, .touched = &run->touched, .input = input, .output = output, .compressing = true};
    struct paths near;
    if (!has_bases(run->args) && !run->roots) return run_need_context(run, err);
    if (run->ctx && run->ctx_for && strcmp(run->ctx_for, input) == 0) return ZIPNN_OK;
    dedup_near(run, input, &near);
    wanted.also = &near;
    const bool any = has_bases(run->args) || near.n;
    const zipnn_status st = any ? make_context_for(run, &wanted, err) : run_need_context(run, err);
    paths_free(&near);
    return st;
}

zipnn_status run_lacks_base(const zipnn_archive *archive, zipnn_error *err) {
    zipnn_archive_info info;
    zipnn_base_info base;
    zipnn_archive_get_info(archive, &info);
    for (unsigned i = 0; i < info.n_bases; i++) {
        if (zipnn_archive_base(archive, i, &base, NULL) != ZIPNN_OK || base.at_hand) continue;
        return cli_fail(err, ZIPNN_E_BASE, "made against \"%.80s\" of %" PRIu64 " bytes, which was not given",
                        base.name, base.original);
    }
    return ZIPNN_OK;
}

zipnn_status run_source_lacks_base(zipnn_ctx *ctx, const zipnn_source *source, zipnn_error *err) {
    zipnn_archive *archive;
    if (!source->read_at || zipnn_archive_open(ctx, source, &archive, NULL) != ZIPNN_OK) return ZIPNN_OK;
    zipnn_status st = run_lacks_base(archive, err);
    zipnn_archive_close(archive);
    return st;
}

/* Lists files that may be what an archive was made against: where its name of a base leads to, which is taken for a way only
 * if it begins as one that --dedup writes. The digest tells whether it is the right one. */
static void find_by_name(const zipnn_archive *archive, const char *path, struct paths *found) {
    zipnn_archive_info info;
    zipnn_base_info base;
    zipnn_archive_get_info(archive, &info);
    for (unsigned i = 0; i < info.n_bases; i++) {
        if (zipnn_archive_base(archive, i, &base, NULL) == ZIPNN_OK) filename_follow_all(path, base.name, found);
    }
}

/* Lists where the bases of an archive may be that is a base itself. */
static void find_by_names_of(struct run *run, const char *path, struct paths *found) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive *archive = NULL;
    if (!bases_is_archive(path) || zipnn_file_open(path, &file, NULL) != ZIPNN_OK) return;
    zipnn_file_source(file, &source);
    if (source.read_at && zipnn_archive_open(run->ctx, &source, &archive, NULL) == ZIPNN_OK)
        find_by_name(archive, path, found);
    zipnn_archive_close(archive);
    zipnn_file_close(file);
}

enum { MOST_WAYS = 256 }; /* so that ways which lead in a circle end */

/* Lists where the bases of the archive at `path`, and those of its bases, may be. Returns whether one is missing. */
static bool lacks_base(struct run *run, const char *path, struct paths *found) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive *archive = NULL;
    zipnn_error err;
    bool lacks = false;
    if (zipnn_file_open(path, &file, &err) != ZIPNN_OK) return false;
    zipnn_file_source(file, &source);
    if (source.read_at && zipnn_archive_open(run->ctx, &source, &archive, NULL) == ZIPNN_OK) {
        lacks = run_lacks_base(archive, &err) == ZIPNN_E_BASE;
        find_by_name(archive, path, found);
    }
    zipnn_archive_close(archive);
    zipnn_file_close(file);
    for (size_t i = 0; lacks && i < found->n && found->n < MOST_WAYS; i++) find_by_names_of(run, found->path[i], found);
    return lacks;
}

/* Creates the context again, with the bases found for one archive. */
static zipnn_status make_context(struct run *run, const struct bases_wanted *wanted, zipnn_error *err) {
    drop_context(run);
    zipnn_status st = bases_open(wanted, &run->bases, err);
    if (st != ZIPNN_OK) return st;
    const zipnn_options options = options_with(run, &run->bases);
    st = zipnn_create(&options, &run->ctx, err);
    if (st == ZIPNN_OK) run->ctx_for = text_join(wanted->input, "", "");
    return st;
}

zipnn_status run_context_to_restore(struct run *run, const char *archive, const char *output, zipnn_error *err) {
    struct bases_wanted wanted = {.args = run->args, .input = archive, .output = output};
    struct paths found = {0};
    zipnn_status st = output && has_bases(run->args) ? make_context(run, &wanted, err) : run_need_context(run, err);
    if (st == ZIPNN_OK && lacks_base(run, archive, &found) && (run->args->recursive || found.n)) {
        char *folder = run->args->recursive ? filename_folder(archive) : NULL;
        wanted.beside = folder;
        wanted.also = &found;
        st = make_context(run, &wanted, err);
        free(folder);
    }
    paths_free(&found);
    return st;
}

zipnn_status run_check_open(struct run *run, const struct bases_wanted *wanted, struct run_check *check,
                            zipnn_error *err) {
    *check = (struct run_check){.ctx = NULL};
    zipnn_status st = bases_open(wanted, &check->bases, err);
    if (st != ZIPNN_OK) return st;
    zipnn_options options = options_with(run, &check->bases);
    options.max_original = 0;
    return zipnn_create(&options, &check->ctx, err);
}

zipnn_status run_check_begin(struct run *run, const char *input, const char *output, struct run_check *check,
                             zipnn_error *err) {
    const bool compressing = run->args->operation == OP_COMPRESS;
    char *folder = run->args->recursive ? filename_folder(compressing ? output : input) : NULL;
    struct paths near = {0};
    if (compressing) dedup_near(run, input, &near); /* in place, the archive is not at `output` yet */
    (void)lacks_base(run, compressing ? output : input, &near);
    const struct bases_wanted wanted = {.args = run->args,
                                        .touched = compressing ? &run->touched : NULL,
                                        .input = input,
                                        .output = output,
                                        .beside = folder,
                                        .also = &near};
    zipnn_status st = run_check_open(run, &wanted, check, err);
    paths_free(&near);
    free(folder);
    return st;
}

void run_check_end(struct run_check *check) {
    zipnn_destroy(check->ctx);
    bases_close(&check->bases);
    *check = (struct run_check){.ctx = NULL};
}

void run_end(struct run *run) {
    drop_context(run);
    folders_unlock(run);
    touched_free(&run->touched);
    dedup_free(run);
    paths_free(&run->independent);
    if (fflush(stdout) == 0 && !ferror(stdout)) return;
    fputs("zipnn: cannot write to standard output\n", stderr);
    if (run->exit_code < EXIT_FAILED) run->exit_code = EXIT_FAILED;
}
