#include "run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exits.h"
#include "text.h"

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
    bases_close(&run->bases);
}

/* Of the bases found in a folder, all after the first `named`, compressing takes the nearest alone: what is restored
 * later needs few files. The others stay for what that one is made against. */
static zipnn_status choose_direct(zipnn_options *options, const char *input, size_t named, struct bases *bases,
                                  zipnn_error *err) {
    zipnn_file *file = NULL;
    zipnn_ctx *ctx = NULL;
    zipnn_source source;
    size_t nearest;
    zipnn_status st = zipnn_file_open(input, &file, err);
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK) st = zipnn_create(options, &ctx, err);
    if (st == ZIPNN_OK) st = zipnn_nearest_base(ctx, &source, &nearest, err);
    if (st == ZIPNN_OK && nearest >= named) {
        bases_swap(bases, named, nearest);
        options->n_direct = named + 1;
    } else if (st == ZIPNN_OK || st == ZIPNN_E_NOT_FOUND) {
        options->n_direct = named;
        if (named == 0) options->n_bases = 0;
        st = ZIPNN_OK;
    }
    zipnn_destroy(ctx);
    zipnn_file_close(file);
    return st;
}

zipnn_options run_options(struct run *run) {
    const struct args *args = run->args;
    return (zipnn_options){.size = sizeof(zipnn_options),
                           .level = args->level,
                           .threads = run_threads(args),
                           .cpu = args->cpu,
                           .verify = args->verify ? ZIPNN_VERIFY_DEFAULT : ZIPNN_VERIFY_OFF,
                           .sha256 = args->sha256,
                           .dtype = args->dtype,
                           .max_original = args->max_output,
                           .repeats = args->dedup ? ZIPNN_REPEATS_DEFAULT : ZIPNN_REPEATS_OFF,
                           .progress = run->progress.wanted ? progress_tick : NULL,
                           .progress_user = &run->progress};
}

zipnn_status run_need_context(struct run *run, zipnn_error *err) {
    return run_context_for(run, NULL, err);
}

zipnn_status run_context_for(struct run *run, const char *input, zipnn_error *err) {
    const struct args *args = run->args;
    const bool against = args->operation == OP_COMPRESS && (args->n_bases || args->base_dir);
    if (run->ctx && against) drop_context(run);
    if (run->ctx) return ZIPNN_OK;
    zipnn_status st = bases_open(args, against ? input : NULL, &run->bases, err);
    if (st != ZIPNN_OK) return st;
    const struct bases *bases = &run->bases;
    zipnn_options options = run_options(run);
    options.base = args->n_bases == 1 ? bases->sources : NULL;
    options.bases = bases->sources;
    options.n_bases = bases->n;
    options.base_names = (const char *const *)bases->names;
    if (against && args->base_dir) st = choose_direct(&options, input, args->n_bases, &run->bases, err);
    run->n_direct = options.n_direct ? options.n_direct : options.n_bases;
    return st == ZIPNN_OK ? zipnn_create(&options, &run->ctx, err) : st;
}

void run_end(struct run *run) {
    drop_context(run);
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
        default: /* ZIPNN_E_BASE among them: the archive may be sound */
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
    fputs("{\"file\":", stdout);
    text_put_json(stdout, run_shown_name(path));
    printf(",\"error\":\"%s\",\"message\":", zipnn_status_name(err->status));
    text_put_json(stdout, err->message);
    if (err->offset != UINT64_MAX) printf(",\"offset\":%" PRIu64, err->offset);
    puts("}");
}

void run_report_fault(struct run *run, const char *path, const zipnn_error *err) {
    int code = exit_code_of(run->args, err->status);
    if (run->exit_code < code) run->exit_code = code;
    run->n_failed++;
    put_failure(path, err);
}

void run_report_failure(struct run *run, const char *path, const zipnn_error *err) {
    run_report_fault(run, path, err);
    if (run->args->json) put_json_failure(path, err);
}

void run_put_digests(const uint8_t xxh3[16], const uint8_t sha256[32], int has_sha256) {
    fputs(",\"xxh3\":\"", stdout);
    text_put_hex(stdout, xxh3, 16);
    if (has_sha256) {
        fputs("\",\"sha256\":\"", stdout);
        text_put_hex(stdout, sha256, 32);
    }
    putchar('"');
}

static void put_json_done(const char *path, const char *output, const zipnn_stats *stats) {
    fputs("{\"file\":", stdout);
    text_put_json(stdout, run_shown_name(path));
    if (output) {
        fputs(",\"output\":", stdout);
        text_put_json(stdout, output);
    }
    printf(",\"original\":%" PRIu64 ",\"stored\":%" PRIu64 ",\"n_chunks\":%" PRIu64, stats->original, stats->archive,
           stats->n_chunks);
    if (stats->n_unchecked) printf(",\"n_unchecked\":%" PRIu64, stats->n_unchecked);
    if (stats->unverified)
        fputs(",\"unverified\":true", stdout);
    else
        run_put_digests(stats->xxh3, stats->sha256, stats->has_sha256);
    puts("}");
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
    if (stats->n_unchecked)
        fprintf(stderr, ", all checksums are right; %" PRIu64 " chunks need a base to be decoded", stats->n_unchecked);
    else
        fputs(output ? ", wrote " : tested, stderr);
    if (output) text_put(stderr, output);
    putc('\n', stderr);
}

static void put_json_skip(const char *path, const char *why) {
    fputs("{\"file\":", stdout);
    text_put_json(stdout, run_shown_name(path));
    fputs(",\"skipped\":", stdout);
    text_put_json(stdout, why);
    puts("}");
}

void run_report_skip(struct run *run, const char *path, const char *why) {
    run->n_skipped++;
    if (run->args->json) put_json_skip(path, why);
    if (run->args->verbosity <= 0) return;
    text_put(stderr, path);
    fprintf(stderr, ": skipped, %s\n", why);
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
