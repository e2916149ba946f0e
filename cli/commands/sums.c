/* zipnn sums: the SHA-256 of originals, as sha256sum prints and checks them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/commands.h"
#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/input.h"
#include "shared/json_writer.h"
#include "shared/manifest.h"
#include "shared/open_archive.h"
#include "shared/run_context.h"
#include "shared/run_report.h"
#include "shared/text.h"
#include "zipnn/digests.h"

enum { WINDOW = 32 << 20 }; /* original bytes that are decoded at a time: enough work for all threads */

/* ---- digests ----------------------------------------------------------------------------------------------------- */

/* An original as a sequence of bytes. */
struct stream {
    zipnn_archive *archive;
    uint64_t at, length;
    unsigned char *window;
    size_t held, given; /* bytes of the window, and of them handed on */
};

static zipnn_status read_stream(void *user, void *buf, size_t cap, size_t *got, zipnn_error *err) {
    struct stream *s = user;
    if (s->given == s->held) {
        const uint64_t left = s->length - s->at;
        s->held = left < WINDOW ? (size_t)left : WINDOW;
        s->given = 0;
        const zipnn_status st = s->held ? zipnn_archive_read(s->archive, s->at, s->held, s->window, err) : ZIPNN_OK;
        if (st != ZIPNN_OK) return st;
        s->at += s->held;
    }
    *got = cap < s->held - s->given ? cap : s->held - s->given;
    memcpy(buf, s->window + s->given, *got);
    s->given += *got;
    return ZIPNN_OK;
}

/* Decodes all of an archive. */
static zipnn_status digest_original(struct run *run, const struct opened *o, zipnn_stats *stats, zipnn_error *err) {
    zipnn_archive_info info;
    zipnn_archive_get_info(o->archive, &info);
    zipnn_status st = run_lacks_base(o->archive, err);
    if (st == ZIPNN_OK) st = run_check_limit(run, info.original, err);
    if (st != ZIPNN_OK) return st;
    struct stream stream = {.archive = o->archive, .length = info.original};
    stream.window = malloc(info.original < WINDOW ? (size_t)info.original + 1 : WINDOW);
    if (!stream.window) return cli_fail(err, ZIPNN_E_MEMORY, "no memory for %d bytes of an original", WINDOW);
    const zipnn_source source = {.read = read_stream, .length = UINT64_MAX, .user = &stream};
    opened_expect_all(o);
    progress_start(&run->progress);
    st = zipnn_digests(run->ctx, &source, stats, err);
    progress_end(&run->progress);
    free(stream.window);
    return st;
}

/* The digest of the original of an archive, or of the bytes of any other file. `trusts`: that which the archive stores, if
 * it does, is enough; else all is decoded. */
static zipnn_status digest_file(struct run *run, const char *path, bool trusts, zipnn_stats *stats, zipnn_error *err) {
    struct opened o;
    zipnn_archive_info info;
    zipnn_status st = opened_open(run, path, OPENED_PLAIN, &o, err);
    if (st == ZIPNN_E_FORMAT && o.source.read_at && o.source.length == 0)
        st = run_need_context(run, err); /* an empty file, which is no archive */
    if (st == ZIPNN_OK && o.archive && !o.plain) {
        zipnn_archive_get_info(o.archive, &info);
        *stats = (zipnn_stats){.original = info.original, .has_sha256 = info.has_sha256};
        memcpy(stats->sha256, info.sha256, sizeof info.sha256);
        if (!trusts || !info.has_sha256) st = digest_original(run, &o, stats, err);
    } else if (st == ZIPNN_OK) {
        st = zipnn_digests(run->ctx, &o.source, stats, err);
    }
    opened_close(&o);
    return st;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void put_sum(struct run *run, const char *path) {
    zipnn_stats stats;
    zipnn_error err;
    if (digest_file(run, path, true, &stats, &err) != ZIPNN_OK) {
        run_report_failure(run, path, &err);
        return;
    }
    const bool restores = filename_is_archive(path) && bases_is_archive(path);
    char *name = restores ? filename_restored(path) : text_join(run_shown_name(path), "", "");
    if (run->args->json) {
        struct json j = {stdout, false};
        json_object(&j, NULL);
        json_name(&j, "file", run_shown_name(path));
        json_name(&j, "name", name);
        json_number(&j, "original", stats.original);
        json_hex(&j, "sha256", stats.sha256, sizeof stats.sha256);
        json_line_end(&j);
    } else {
        manifest_put(stdout, stats.sha256, name);
    }
    free(name);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* Finds the file that holds what the manifest calls `name`: that file, which may have been compressed in place, or else
 * its archive. The bytes of a file that is called X.znn are compared as they are. */
static char *find_named(const char *name, bool *as_it_is) {
    struct stat st;
    char *archive = text_join(name, ARCHIVE_SUFFIX, "");
    const bool there = stat(name, &st) == 0;
    const bool packed = !there && stat(archive, &st) == 0;
    *as_it_is = there && filename_is_archive(name);
    if (packed) return archive;
    free(archive);
    return text_join(name, "", "");
}

static zipnn_status digest_bytes(struct run *run, const char *path, zipnn_stats *stats, zipnn_error *err) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_status st = zipnn_file_open(path, &file, err);
    if (st == ZIPNN_OK) st = run_need_context(run, err);
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK) st = zipnn_digests(run->ctx, &source, stats, err);
    zipnn_file_close(file);
    return st;
}

static void put_check(const struct run *run, const char *name, const char *path, zipnn_status st) {
    if (run->args->json) {
        struct json j = {stdout, false};
        json_object(&j, NULL);
        json_name(&j, "file", path);
        json_name(&j, "name", name);
        json_truth(&j, "right", st == ZIPNN_OK);
        json_line_end(&j);
        return;
    }
    if (st == ZIPNN_OK && run->args->verbosity < 0) return;
    text_put(stdout, name);
    puts(st == ZIPNN_OK ? ": OK" : st == ZIPNN_E_IO ? ": FAILED open or read" : ": FAILED");
}

static void check_line(struct run *run, const char *name, const uint8_t expected[32]) {
    bool as_it_is;
    char *path = find_named(name, &as_it_is);
    zipnn_stats stats;
    zipnn_error err;
    zipnn_status st = as_it_is ? digest_bytes(run, path, &stats, &err) : digest_file(run, path, false, &stats, &err);
    if (st == ZIPNN_OK && memcmp(stats.sha256, expected, sizeof stats.sha256) != 0)
        st = cli_fail(&err, ZIPNN_E_CORRUPT, "its SHA-256 is another than the manifest says");
    put_check(run, name, path, st);
    if (st != ZIPNN_OK) run_report_fault(run, path, &err);
    free(path);
}

/* A line that is no sum may be one that was damaged: it fails, and the others are checked. */
static void check_lines(struct run *run, const char *manifest, FILE *file) {
    char *line = NULL;
    size_t cap = 0;
    zipnn_error err;
    uint64_t number = 0, n = 0;
    ssize_t len;
    while ((errno = 0, len = getline(&line, &cap, file)) >= 0) {
        uint8_t expected[32];
        number++;
        if (len && line[len - 1] == '\n') line[--len] = '\0';
        if (len == 0 || line[0] == '#') continue;
        const char *name = manifest_parse(line, (size_t)len, expected);
        n++;
        if (name) {
            check_line(run, name, expected);
            continue;
        }
        cli_fail(&err, ZIPNN_E_FORMAT, "line %" PRIu64 " is no line of sha256sum", number);
        run_report_failure(run, manifest, &err);
    }
    if (ferror(file)) {
        cli_fail(&err, ZIPNN_E_ARGUMENT, "cannot read: %s", strerror(errno));
        run_report_failure(run, manifest, &err);
    } else if (n == 0) {
        cli_fail(&err, ZIPNN_E_FORMAT, "holds no sums");
        run_report_failure(run, manifest, &err);
    }
    free(line);
}

static void check_manifest(struct run *run, const char *path) {
    FILE *file = input_is_stdin(path) ? stdin : fopen(path, "rbe");
    zipnn_error err;
    if (!file) {
        cli_fail(&err, ZIPNN_E_ARGUMENT, "cannot open: %s", strerror(errno));
        run_report_failure(run, path, &err);
        return;
    }
    check_lines(run, path, file);
    if (file != stdin) fclose(file);
}

void sums_file(struct run *run, const char *path) {
    if (run->args->check)
        check_manifest(run, path);
    else
        put_sum(run, path);
}
