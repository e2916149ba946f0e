#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/commands.h"
#include "shared/cli_fail.h"
#include "shared/json_writer.h"
#include "shared/open_archive.h"
#include "shared/output.h"
#include "shared/run_context.h"
#include "shared/run_report.h"
#include "shared/text.h"

enum { SHOWN_TENSORS = 8, COMPARED = 1 << 15 };

/* An archive under examination. */
struct audit {
    struct run *run;
    const char *path;
    struct opened opened;
    zipnn_verified found;
    struct json json; /* the line of --json */
};

/* ---- findings ---------------------------------------------------------------------------------------------------- */

/* Finds the next tensor from *i on, among those of the damage, that has bytes there. Returns false after the last. A
 * tensor in pieces counts always, since the places of its pieces are not known here. */
static bool next_tensor(const struct audit *a, const zipnn_damage *d, uint64_t *i, zipnn_tensor_info *t) {
    for (; *i < d->n_tensors; ++*i) {
        zipnn_tensor_layout layout = {.size = sizeof layout};
        const uint64_t index = d->first_tensor + *i;
        if (zipnn_archive_tensor(a->opened.archive, index, t, NULL) != ZIPNN_OK ||
            zipnn_archive_tensor_layout(a->opened.archive, index, &layout, NULL) != ZIPNN_OK)
            return false;
        if ((layout.flags & ZIPNN_TENSOR_IN_PIECES) || t->offset + t->length > d->offset) {
            ++*i;
            return true;
        }
    }
    return false;
}

static void put_tensor_names(const struct audit *a, const zipnn_damage *d) {
    zipnn_tensor_info t;
    uint64_t i = 0, n = 0;
    while (next_tensor(a, d, &i, &t)) {
        if (n++ >= SHOWN_TENSORS) continue;
        fputs(n > 1 ? ", " : "; tensors ", stderr);
        text_put(stderr, t.name);
    }
    if (n > SHOWN_TENSORS) fprintf(stderr, " and %" PRIu64 " more", n - SHOWN_TENSORS);
}

static void say_damage(const struct audit *a, const zipnn_damage *d) {
    fputs("zipnn: ", stderr);
    text_put(stderr, run_shown_name(a->path));
    if (d->length)
        fprintf(stderr, ": bytes %" PRIu64 " to %" PRIu64 " of the original: ", d->offset, d->offset + d->length);
    else
        fputs(": a frame without original bytes: ", stderr);
    text_put(stderr, d->error->message);
    if (d->error->offset != UINT64_MAX) fprintf(stderr, " (at %" PRIu64 " of the archive)", d->error->offset);
    put_tensor_names(a, d);
    putc('\n', stderr);
}

static void put_json_damage(struct audit *a, const zipnn_damage *d) {
    struct json *j = &a->json;
    json_object(j, NULL);
    json_number(j, "offset", d->offset);
    json_number(j, "length", d->length);
    json_text(j, "message", d->error->message);
    if (d->error->offset != UINT64_MAX) json_number(j, "archive_offset", d->error->offset);
    json_list(j, "tensors");
    zipnn_tensor_info t;
    for (uint64_t i = 0; next_tensor(a, d, &i, &t);) json_text(j, NULL, t.name);
    json_list_end(j);
    json_object_end(j);
}

/* A zipnn_damage_fn. */
static int note(void *user, const zipnn_damage *damage) {
    struct audit *a = user;
    if (a->run->args->json) put_json_damage(a, damage);
    say_damage(a, damage);
    return 0;
}

static void begin_json(struct audit *a) {
    a->json = (struct json){stdout, false};
    if (!a->run->args->json) return;
    json_object(&a->json, NULL);
    json_name(&a->json, "file", run_shown_name(a->path));
    json_list(&a->json, "damage");
}

static void end_json(struct audit *a, zipnn_status st, zipnn_error *err) {
    const zipnn_verified *v = &a->found;
    struct json *j = &a->json;
    if (st != ZIPNN_OK) run_advise(a->run, err);
    if (!a->run->args->json) return;
    json_list_end(j);
    json_number(j, "original", v->original);
    json_number(j, "intact", v->intact);
    json_number(j, "unplaced", v->unplaced);
    json_truth(j, "length_unknown", v->length_unknown);
    json_digests(j, v->xxh3, NULL);
    if (st != ZIPNN_OK) {
        json_text(j, "error", zipnn_status_name(st));
        json_text(j, "message", err->message);
    }
    json_line_end(j);
}

static bool is_damage(zipnn_status st) {
    return st == ZIPNN_E_CORRUPT || st == ZIPNN_E_TRUNCATED || st == ZIPNN_E_FORMAT;
}

/* Explains the numbers to people. Bytes that were not examined are not reported as damaged. */
static void explain(const struct audit *a, zipnn_status st) {
    const zipnn_verified *v = &a->found;
    const zipnn_error *fault = zipnn_archive_fault(a->opened.archive);
    if (fault) {
        fputs("zipnn: ", stderr);
        text_put(stderr, run_shown_name(a->path));
        fputs(": ", stderr);
        text_put(stderr, fault->message);
        fputs("; its frames were found by a search\n", stderr);
    }
    if (v->unplaced)
        fprintf(stderr, "zipnn: %" PRIu64 " intact bytes are left out: their place in the original is unknown\n",
                v->unplaced);
    if (v->length_unknown)
        fputs("zipnn: the original was longer; what follows the first gap may belong further on\n", stderr);
    const bool stopped = st != ZIPNN_OK && !is_damage(st);
    if (stopped || (!a->run->talks && st == ZIPNN_OK)) return;
    text_put(stderr, run_shown_name(a->path));
    fprintf(stderr, ": %" PRIu64 " of %" PRIu64 " bytes are intact\n", v->intact, v->original);
}

/* ---- verify ------------------------------------------------------------------------------------------------------ */

/* A sink that compares. */
struct comparison {
    zipnn_source file;
    uint64_t at, n_different, first;
};

static zipnn_status compare(void *user, const void *buf, size_t len, zipnn_error *err) {
    struct comparison *c = user;
    unsigned char other[COMPARED];
    const unsigned char *bytes = buf;
    while (len > 0) {
        const size_t n = len < sizeof other ? len : sizeof other;
        const uint64_t left = c->at < c->file.length ? c->file.length - c->at : 0;
        const size_t there = left < n ? (size_t)left : n;
        zipnn_status st = there ? c->file.read_at(c->file.user, c->at, other, there, err) : ZIPNN_OK;
        if (st != ZIPNN_OK) return st;
        for (size_t i = 0; i < n; i++) {
            if (i < there && bytes[i] == other[i]) continue;
            if (c->n_different++ == 0) c->first = c->at + i;
        }
        c->at += n;
        bytes += n;
        len -= n;
    }
    return ZIPNN_OK;
}

/* Returns the name of the tensor that holds byte `off`, NULL for none. */
static const char *tensor_at(const zipnn_archive *archive, uint64_t off) {
    zipnn_archive_info info;
    zipnn_tensor_info t;
    zipnn_archive_get_info(archive, &info);
    for (uint64_t i = 0; i < info.n_tensors; i++)
        if (zipnn_archive_tensor(archive, i, &t, NULL) == ZIPNN_OK && t.offset <= off && off - t.offset < t.length)
            return t.name;
    return NULL;
}

static zipnn_status verify_against(struct audit *a, const char *path, zipnn_error *err) {
    zipnn_file *file;
    struct comparison c = {.at = 0};
    const zipnn_sink sink = {.write = compare, .user = &c};
    zipnn_status st = zipnn_file_open(path, &file, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_source(file, &c.file);
    if (c.file.read_at)
        st = zipnn_archive_salvage(a->opened.archive, &sink, note, a, &a->found, err);
    else
        st = cli_fail(err, ZIPNN_E_ARGUMENT, "only a regular file can be compared with");
    zipnn_file_close(file);
    if (st != ZIPNN_OK || (c.n_different == 0 && c.at == c.file.length)) return st;
    if (c.n_different == 0)
        return cli_fail(err, ZIPNN_E_CORRUPT, "the archive holds %" PRIu64 " bytes, and %.80s holds %" PRIu64, c.at,
                        path, c.file.length);
    const char *tensor = tensor_at(a->opened.archive, c.first);
    return cli_fail(err, ZIPNN_E_CORRUPT, "%" PRIu64 " bytes differ from %.80s, the first at %" PRIu64 "%s%.80s",
                    c.n_different, path, c.first, tensor ? " in tensor " : "", tensor ? tensor : "");
}

static zipnn_status verify_opened(struct audit *a, zipnn_error *err) {
    struct run *run = a->run;
    opened_expect_all(&a->opened);
    begin_json(a);
    progress_start(&run->progress);
    zipnn_status st = run->args->against ? run_lacks_base(a->opened.archive, err) : ZIPNN_OK;
    if (st == ZIPNN_OK)
        st = run->args->against ? verify_against(a, run->args->against, err)
                                : zipnn_archive_verify(a->opened.archive, note, a, &a->found, err);
    progress_end(&run->progress);
    end_json(a, st, err);
    explain(a, st);
    return st;
}

void verify_file(struct run *run, const char *path) {
    struct audit a = {.run = run, .path = path};
    zipnn_error err;
    zipnn_status st = opened_open(run, path, OPENED_DAMAGED, &a.opened, &err);
    if (st != ZIPNN_OK)
        run_report_failure(run, path, &err);
    else if (verify_opened(&a, &err) != ZIPNN_OK)
        run_report_fault(run, path, &err);
    opened_close(&a.opened);
}

/* ---- salvage ----------------------------------------------------------------------------------------------------- */

/* The output gets its name although there is damage: that is the purpose of salvage. */
static zipnn_status salvage_opened(struct audit *a, zipnn_error *err) {
    struct run *run = a->run;
    opened_expect_all(&a->opened);
    struct output out;
    zipnn_status st = output_open(run, run->args->output, a->path, a->opened.file, &out, err);
    if (st == ZIPNN_OK) {
        progress_start(&run->progress);
        begin_json(a);
        st = zipnn_archive_salvage(a->opened.archive, &out.sink, note, a, &a->found, err);
        progress_end(&run->progress);
        end_json(a, st, err);
        explain(a, st);
    }
    zipnn_error failure;
    const bool worth_it = is_damage(st) && a->found.intact > 0;
    zipnn_status ended = output_end(&out, worth_it ? ZIPNN_OK : st, &failure);
    if (!worth_it || ended == ZIPNN_OK) return st;
    *err = failure;
    return ended;
}

void salvage_file(struct run *run, const char *path) {
    struct audit a = {.run = run, .path = path};
    zipnn_error err;
    zipnn_status st = opened_open(run, path, OPENED_DAMAGED, &a.opened, &err);
    if (st == ZIPNN_OK) st = run_lacks_base(a.opened.archive, &err);
    if (st != ZIPNN_OK)
        run_report_failure(run, path, &err);
    else if (salvage_opened(&a, &err) != ZIPNN_OK)
        run_report_fault(run, path, &err);
    opened_close(&a.opened);
}
