#include "shared/run_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "line/exits.h"
#include "line/url.h"
#include "shared/concatenated.h"
#include "shared/input.h"
#include "shared/json_writer.h"
#include "shared/text.h"

const char *run_shown_name(const char *path) {
    if (url_is_web(path)) return url_shown(path);
    return strcmp(path, "-") == 0 ? "stdin" : path;
}

/* ZIPNN_E_BASE means a wrong base when archives are made, and a missing one otherwise. */
static bool makes_archives(const struct args *args) {
    return uses[args->operation].gives == GIVES_ARCHIVES || args->operation == OP_ESTIMATE;
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

/* Messages of ZIPNN_E_IO begin with the name of the file concerned, which may be the output. Others get the name here.
 * */
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
    const char *advice = of_old ? ": give that file with --base FILE; --base-dir cannot find the base of an old delta"
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

void outcome_take(struct outcome *outcome, const struct restored *restored) {
    outcome->stats = restored->stats;
    outcome->n_archives = restored->n;
}

void outcome_learn(const struct run *run, zipnn_ctx *ctx, const char *path, struct outcome *outcome) {
    struct stat there;
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive *archive = NULL;
    zipnn_archive_info info;
    if (!run->args->json || !path || input_is_stdin(path)) return;
    if (stat(path, &there) != 0 || !S_ISREG(there.st_mode)) return;
    zipnn_status st = zipnn_file_open(path, &file, NULL);
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK) st = zipnn_archive_open(ctx, &source, &archive, NULL);
    if (st == ZIPNN_OK) {
        zipnn_archive_get_info(archive, &info);
        outcome->container = info.container;
        outcome->level = info.level;
    }
    zipnn_archive_close(archive);
    zipnn_file_close(file);
}

static void put_json_done(const char *path, const char *output, const struct outcome *outcome) {
    const zipnn_stats *stats = &outcome->stats;
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(path));
    if (output) json_name(&j, "output", output);
    json_number(&j, "original", stats->original);
    json_number(&j, "stored", stats->archive);
    json_number(&j, "n_chunks", stats->n_chunks);
    if (outcome->container) {
        json_text(&j, "container", outcome->container);
        json_number(&j, "level", (unsigned)outcome->level);
    }
    if (outcome->n_archives > 1) json_number(&j, "n_archives", outcome->n_archives);
    if (stats->unverified)
        json_truth(&j, "unverified", true);
    else if (outcome->n_archives <= 1)
        json_digests(&j, stats->xxh3, stats->has_sha256 ? stats->sha256 : NULL);
    json_line_end(&j);
}

void run_report_done(struct run *run, const char *path, const char *output, const struct outcome *outcome) {
    const zipnn_stats *stats = &outcome->stats;
    run->n_done++;
    run->original += stats->original;
    run->stored += stats->archive;
    if (run->args->json) put_json_done(path, output, outcome);
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

void run_report_skip_aloud(struct run *run, const char *path, enum skip why) {
    if (run->args->verbosity == 0) run_warn(run, path, "skipped, ", run_skip_text(why));
    run_report_skip(run, path, why);
}

void run_put_total(const struct run *run) {
    if (run->args->json || run->n_done < 2) return;
    printf("%10s %10s %6.2f%% %22s %" PRIu64 " archives in all\n", text_size(run->original).text,
           text_size(run->stored).text, text_percent(run->stored, run->original), "", run->n_done);
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
