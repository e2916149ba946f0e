#include "shared/run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line/exits.h"
#include "shared/filenames.h"
#include "shared/json.h"
#include "shared/text.h"

void run_init(struct run *run, const struct args *args) {
    *run = (struct run){.args = args};
    progress_init(&run->progress, args->verbosity < 0);
    run->talks = args->verbosity > 0 || (args->verbosity == 0 && isatty(STDERR_FILENO));
}

unsigned run_threads(const struct args *args) {
    return args->threads ? args->threads : zipnn_available_cpus();
}

static void drop_context(struct run *run) {
    zipnn_destroy(run->ctx);
    run->ctx = NULL;
    free(run->ctx_for);
    run->ctx_for = NULL;
    bases_close(&run->bases);
}

zipnn_options run_options(struct run *run) {
    const struct args *args = run->args;
    return (zipnn_options){.size = sizeof(zipnn_options),
                           .level = args->level,
                           .threads = run_threads(args),
                           .cpu = args->cpu,
                           .readers = args->readers,
                           .verify = args->verify ? ZIPNN_VERIFY_DEFAULT : ZIPNN_VERIFY_OFF,
                           .sha256 = args->sha256,
                           .dtype = args->dtype,
                           .max_original = args->max_output,
                           .repeats = args->dedup ? ZIPNN_REPEATS_DEFAULT : ZIPNN_REPEATS_OFF,
                           .progress = run->progress.wanted ? progress_tick : NULL,
                           .progress_user = &run->progress};
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

/* Of the bases found in a folder, compressing takes the nearest alone: what is restored later needs few files. The
 * others stay for what that one is made against. */
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

/* What an archive may be made against is the first n_direct of all bases; none at all when there is none. */
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

zipnn_status run_context_for(struct run *run, const char *input, const char *output, zipnn_error *err) {
    const struct bases_wanted wanted = {
        .args = run->args, .touched = &run->touched, .input = input, .output = output, .compressing = true};
    if (!has_bases(run->args)) return run_need_context(run, err);
    if (run->ctx && run->ctx_for && strcmp(run->ctx_for, input) == 0) return ZIPNN_OK;
    drop_context(run);
    if (output && run->args->operation == OP_COMPRESS) folders_lock(run, LOCKED_ALONE, input, output);
    zipnn_status st = bases_open(&wanted, &run->bases, err);
    if (st != ZIPNN_OK) return st;
    zipnn_options options = options_with(run, &run->bases);
    st = choose_direct(run, &options, input, err);
    if (st == ZIPNN_OK) st = zipnn_create(&options, &run->ctx, err);
    if (st == ZIPNN_OK) run->ctx_for = text_join(input, "", "");
    return st;
}

zipnn_status run_lacks_base(const zipnn_archive *archive, zipnn_error *err) {
    zipnn_archive_info info;
    zipnn_base_info base;
    zipnn_archive_get_info(archive, &info);
    for (unsigned i = 0; i < info.n_bases; i++) {
        if (zipnn_archive_base(archive, i, &base, NULL) != ZIPNN_OK || base.at_hand) continue;
        return run_fail(err, ZIPNN_E_BASE, "made against \"%.80s\" of %" PRIu64 " bytes, which was not given",
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

/* Whether the archive at `path` lacks a base. */
static bool lacks_base(struct run *run, const char *path) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_error err;
    if (zipnn_file_open(path, &file, &err) != ZIPNN_OK) return false;
    zipnn_file_source(file, &source);
    const bool lacks = run_source_lacks_base(run->ctx, &source, &err) == ZIPNN_E_BASE;
    zipnn_file_close(file);
    return lacks;
}

/* Makes the context anew, with bases found for one archive. */
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
    zipnn_status st = output && has_bases(run->args) ? make_context(run, &wanted, err) : run_need_context(run, err);
    if (st != ZIPNN_OK || !run->args->recursive || !lacks_base(run, archive)) return st;
    char *folder = filename_folder(archive);
    wanted.beside = folder;
    st = make_context(run, &wanted, err);
    free(folder);
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
    const struct bases_wanted wanted = {.args = run->args,
                                        .touched = compressing ? &run->touched : NULL,
                                        .input = input,
                                        .output = output,
                                        .beside = folder};
    zipnn_status st = run_check_open(run, &wanted, check, err);
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
    paths_free(&run->independent);
    if (fflush(stdout) == 0 && !ferror(stdout)) return;
    fputs("zipnn: cannot write to standard output\n", stderr);
    if (run->exit_code < EXIT_FAILED) run->exit_code = EXIT_FAILED;
}

zipnn_status run_fail(zipnn_error *err, zipnn_status status, const char *format, ...) {
    err->status = status;
    err->offset = UINT64_MAX;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

const char *run_shown_name(const char *path) {
    return strcmp(path, "-") == 0 ? "stdin" : path;
}

/* There a base is wrong, and elsewhere it is missing. */
static bool makes_archives(const struct args *args) {
    return args->operation == OP_COMPRESS || args->operation == OP_ESTIMATE || args->operation == OP_RECOMPRESS;
}

static int exit_code_of(const struct args *args, zipnn_status status) {
    switch (status) {
        case ZIPNN_OK:
            return EXIT_DONE;
        case ZIPNN_E_MEMORY:
            return EXIT_MEMORY;
        case ZIPNN_E_FORMAT:
        case ZIPNN_E_TRUNCATED:
        case ZIPNN_E_CORRUPT:
            return EXIT_DAMAGED;
        case ZIPNN_E_UNSUPPORTED:
        case ZIPNN_E_LIMIT:
            return args->operation == OP_COMPRESS || args->max_output ? EXIT_FAILED : EXIT_DAMAGED;
        case ZIPNN_E_BASE: /* the archive may be sound */
            return makes_archives(args) ? EXIT_FAILED : EXIT_BASE;
        default:
            return EXIT_FAILED;
    }
}

zipnn_status run_check_limit(const struct run *run, uint64_t n, zipnn_error *err) {
    const uint64_t most = run->args->max_output;
    if (!most || n <= most) return ZIPNN_OK;
    return run_fail(err, ZIPNN_E_LIMIT, "%" PRIu64 " bytes are asked for; --max-output allows %" PRIu64, n, most);
}

/* Sentences about files, and only they, begin with the name of the file concerned, which may be the output. */
static void put_failure(const char *path, const zipnn_error *err) {
    fputs("zipnn: ", stderr);
    if (err->status != ZIPNN_E_IO) {
        text_put(stderr, run_shown_name(path));
        fputs(": ", stderr);
        if (err->offset != UINT64_MAX) fprintf(stderr, "offset %" PRIu64 ": ", err->offset);
    }
    text_put(stderr, err->message);
    putc('\n', stderr);
}

static void put_json_failure(const char *path, const zipnn_error *err) {
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(path));
    json_text(&j, "error", zipnn_status_name(err->status));
    json_text(&j, "message", err->message);
    if (err->offset != UINT64_MAX) json_number(&j, "offset", err->offset);
    json_line_end(&j);
}

void run_advise(const struct run *run, zipnn_error *err) {
    const bool of_old = strstr(err->message, "an old record that is a delta") != NULL;
    const char *advice = of_old ? ": give that one file with --base FILE; --base-dir does not find what old deltas need"
                                : ": give it with --base FILE, or its folder with --base-dir DIR";
    const size_t n = strlen(err->message);
    const bool missing = err->status == ZIPNN_E_BASE && !makes_archives(run->args) && run->args->operation != OP_CHAIN;
    if (missing && !strstr(err->message, advice)) snprintf(err->message + n, sizeof err->message - n, "%s", advice);
    const unsigned threads = run_threads(run->args);
    if (err->status == ZIPNN_E_MEMORY && threads > 1 && !strstr(err->message, "; fewer threads"))
        snprintf(err->message + n, sizeof err->message - n, "; fewer threads need less: -T %u",
                 threads > 4 ? threads / 4 : 1);
}

void run_report_fault(struct run *run, const char *path, const zipnn_error *err) {
    zipnn_error advised = *err;
    run_advise(run, &advised);
    int code = exit_code_of(run->args, err->status);
    if (run->exit_code < code) run->exit_code = code;
    run->n_failed++;
    put_failure(path, &advised);
}

void run_report_failure(struct run *run, const char *path, const zipnn_error *err) {
    zipnn_error advised = *err;
    run_advise(run, &advised);
    run_report_fault(run, path, &advised);
    if (run->args->json) put_json_failure(path, &advised);
}

static void put_json_done(const char *path, const char *output, const zipnn_stats *stats) {
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(path));
    if (output) json_name(&j, "output", output);
    json_number(&j, "original", stats->original);
    json_number(&j, "stored", stats->archive);
    json_number(&j, "n_chunks", stats->n_chunks);
    if (stats->unverified)
        json_truth(&j, "unverified", true);
    else
        json_digests(&j, stats->xxh3, stats->has_sha256 ? stats->sha256 : NULL);
    json_line_end(&j);
}

void run_report_done(struct run *run, const char *path, const char *output, const zipnn_stats *stats) {
    run->n_done++;
    run->original += stats->original;
    run->stored += stats->archive;
    if (run->args->json) put_json_done(path, output, stats);
    if (!run->talks) return;
    text_put(stderr, run_shown_name(path));
    fprintf(stderr, ": %s is %.2f %% of %s", text_size(stats->archive).text,
            text_percent(stats->archive, stats->original), text_size(stats->original).text);
    const char *tested = stats->unverified ? ", well-formed; old records hold no digest" : ", all digests are right";
    fputs(output ? ", wrote " : tested, stderr);
    if (output) text_put(stderr, output);
    putc('\n', stderr);
}

static const struct {
    const char *code, *text;
} skips[] = {
    {"", ""},
#define SKIP(id, code, text) {code, text},
#include "shared/skips.def"
#undef SKIP
};

const char *run_skip_text(enum skip why) {
    return skips[why].text;
}

static void put_json_skip(const char *path, enum skip why) {
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(path));
    json_text(&j, "skipped", skips[why].text);
    json_text(&j, "reason", skips[why].code);
    json_line_end(&j);
}

void run_report_skip(struct run *run, const char *path, enum skip why) {
    run->n_skipped++;
    if (run->args->json) put_json_skip(path, why);
    if (run->args->verbosity <= 0) return;
    text_put(stderr, path);
    fprintf(stderr, ": skipped, %s\n", skips[why].text);
}

void run_warn(const struct run *run, const char *path, const char *what, const char *why) {
    if (run->args->verbosity < 0) return;
    fputs("zipnn: ", stderr);
    text_put(stderr, path);
    fprintf(stderr, ": %s%s\n", what, why);
}

void run_report_sum(const struct run *run) {
    if (!run->talks && (run->n_failed == 0 || run->args->verbosity < 0)) return;
    fprintf(stderr, "zipnn: %" PRIu64 " files done, %" PRIu64 " skipped, %" PRIu64 " failed", run->n_done,
            run->n_skipped, run->n_failed);
    if (run->n_done) {
        fprintf(stderr, "; %s is %.2f %% of", text_size(run->stored).text, text_percent(run->stored, run->original));
        fprintf(stderr, " %s", text_size(run->original).text);
    }
    putc('\n', stderr);
}

void run_put_head(struct run *run, const char *text) {
    if (!run->args->json && !run->headed) puts(text);
    run->headed = true;
}
