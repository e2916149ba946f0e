#include <inttypes.h>
#include <stdio.h>

#include "commands/commands.h"
#include "shared/coding_text.h"
#include "shared/concatenated.h"
#include "shared/json_writer.h"
#include "shared/open_archive.h"
#include "shared/run_report.h"
#include "shared/text.h"

/* Properties of the bytes besides type and shape. */
static const struct {
    unsigned flag;
    const char *text;
} layouts[] = {{ZIPNN_TENSOR_BIG_ENDIAN, "big-endian"}, {ZIPNN_TENSOR_COLUMN_MAJOR, "in columns"},
               {ZIPNN_TENSOR_CONJUGATE, "conjugate"},   {ZIPNN_TENSOR_NEGATIVE, "negative"},
               {ZIPNN_TENSOR_STRIDED, "strided"},       {ZIPNN_TENSOR_IN_PIECES, "in pieces"},
               {ZIPNN_TENSOR_FILTERED, "filtered"},     {ZIPNN_TENSOR_SHARED, "shared"}};
enum { N_LAYOUTS = sizeof layouts / sizeof layouts[0] };

static void put_json_layout(struct json *j, const zipnn_tensor_layout *layout) {
    if (layout->flags == 0) return;
    json_list(j, "layout");
    for (size_t i = 0; i < N_LAYOUTS; i++)
        if (layout->flags & layouts[i].flag) json_text(j, NULL, layouts[i].text);
    json_list_end(j);
}

static void put_layout(const zipnn_tensor_layout *layout) {
    for (size_t i = 0; i < N_LAYOUTS; i++)
        if (layout->flags & layouts[i].flag) printf(", %s", layouts[i].text);
}

static void put_json_tensor(struct json *j, const zipnn_tensor_info *t, const zipnn_tensor_layout *layout,
                            const struct coding_text *coding) {
    json_object(j, NULL);
    json_name(j, "name", t->name);
    json_text(j, "dtype", zipnn_dtype_name(t->dtype));
    json_list(j, "shape");
    for (uint32_t i = 0; i < t->rank; i++) json_number(j, NULL, t->shape[i]);
    json_list_end(j);
    json_number(j, "offset", t->offset);
    json_number(j, "original", t->length);
    json_number(j, "stored", t->stored);
    put_json_layout(j, layout);
    if (coding->n) {
        json_text(j, "coding", coding->text);
        json_number(j, "first_chunk", coding->first);
        json_number(j, "n_chunks", coding->n);
    }
    if (coding->shared) json_truth(j, "shares_chunks", true);
    json_object_end(j);
}

static void put_tensor(const zipnn_tensor_info *t, const zipnn_tensor_layout *layout,
                       const struct coding_text *coding) {
    printf("%10s %10s%c%6.2f%%  %-10s ", text_size(t->length).text, text_size(t->stored).text,
           coding->shared ? '~' : ' ', text_percent(t->stored, t->length), zipnn_dtype_name(t->dtype));
    text_put(stdout, t->name);
    putchar(' ');
    text_put_shape(stdout, t->rank, t->shape);
    put_layout(layout);
    if (coding->n) printf("  %s", coding->text);
    putchar('\n');
}

/* Here and below, `j` is NULL if text is wanted. How chunks are coded stands in each of them: of what is far away that
 * is not shown, since it would take a request for each. */
static zipnn_status put_tensors(struct json *j, const struct opened *o, uint64_t n, zipnn_error *err) {
    const zipnn_archive *archive = o->archive;
    bool any_shared = false;
    for (uint64_t i = 0; i < n; i++) {
        zipnn_tensor_info t;
        zipnn_tensor_layout layout = {.size = sizeof layout};
        struct coding_text coding = {.n = 0};
        zipnn_status st = zipnn_archive_tensor(archive, i, &t, err);
        if (st == ZIPNN_OK) st = zipnn_archive_tensor_layout(archive, i, &layout, err);
        if (st == ZIPNN_OK && !o->remote && !(layout.flags & (ZIPNN_TENSOR_SHARED | ZIPNN_TENSOR_IN_PIECES)))
            st = coding_of(archive, t.offset, t.length, &coding, err);
        if (st != ZIPNN_OK) return st;
        if (j)
            put_json_tensor(j, &t, &layout, &coding);
        else
            put_tensor(&t, &layout, &coding);
        any_shared |= coding.shared;
    }
    if (any_shared && !j) puts("  ~ its share, by length, of chunks that it has in common with others");
    return ZIPNN_OK;
}

static void put_json_chunk(struct json *j, const zipnn_chunk_info *c, const char *coding) {
    char check[17];
    snprintf(check, sizeof check, "%016" PRIx64, c->check);
    json_object(j, NULL);
    json_number(j, "offset", c->offset);
    json_number(j, "original", c->length);
    json_number(j, "at", c->archive_offset);
    json_number(j, "stored", c->stored);
    json_text(j, "xxh3", check);
    json_text(j, "coding", coding);
    json_object_end(j);
}

/* Lists chunks with their checksums, which identify stored bytes without decoding them. */
static zipnn_status put_chunks(struct json *j, const zipnn_archive *archive, uint64_t n, zipnn_error *err) {
    for (uint64_t i = 0; i < n; i++) {
        zipnn_chunk_info c;
        struct coding_text coding;
        zipnn_status st = zipnn_archive_chunk(archive, i, &c, err);
        if (st == ZIPNN_OK) st = coding_of(archive, c.offset, c.length, &coding, err);
        if (st != ZIPNN_OK) return st;
        if (j)
            put_json_chunk(j, &c, coding.text);
        else
            printf("  chunk %" PRIu64 ": bytes %" PRIu64 " + %" PRIu64 ", stored at %" PRIu64 " + %" PRIu64
                   ", XXH3-64 %016" PRIx64 ", %s\n",
                   i, c.offset, c.length, c.archive_offset, c.stored, c.check, coding.text);
    }
    return ZIPNN_OK;
}

/* Says after the name that the archive is nothing without another file. With -v lines of their own tell more. */
static void put_mark(const zipnn_archive *archive, unsigned n_bases) {
    zipnn_base_info base;
    if (n_bases > 1) {
        printf("  (made against %u files)", n_bases);
    } else if (n_bases == 1 && zipnn_archive_base(archive, 0, &base, NULL) == ZIPNN_OK) {
        fputs("  (made against ", stdout);
        text_put(stdout, base.name[0] ? base.name : "a file");
        putchar(')');
    }
}

static void put_archive(struct run *run, const char *path, const zipnn_archive *archive, const zipnn_archive_info *info,
                        uint64_t n_left_out) {
    run_put_head(run, "  original     stored   ratio  tensors  container    name");
    printf("%10s %10s %6.2f%% %8" PRIu64 "  %-12s ", text_size(info->original).text, text_size(info->archive).text,
           text_percent(info->archive, info->original), info->n_tensors, info->container);
    text_put(stdout, run_shown_name(path));
    if (run->args->verbosity <= 0) put_mark(archive, info->n_bases);
    putchar('\n');
    if (run->args->verbosity <= 0) return;
    if (n_left_out) printf("  %s\n", text_left_out(n_left_out).text);
    if (info->unverified) {
        puts("  of the Python package zipnn 0.x, without digests");
        return;
    }
    printf("  level %d, %" PRIu64 " chunks\n  XXH3-128 ", info->level, info->n_chunks);
    text_put_hex(stdout, info->xxh3, sizeof info->xxh3);
    if (info->has_sha256) {
        fputs("\n  SHA-256  ", stdout);
        text_put_hex(stdout, info->sha256, sizeof info->sha256);
    }
    putchar('\n');
}

static void put_json_archive(struct json *j, const char *path, const zipnn_archive_info *info, uint64_t n_left_out) {
    json_name(j, "file", run_shown_name(path));
    json_number(j, "original", info->original);
    json_number(j, "stored", info->archive);
    json_number(j, "n_tensors", info->n_tensors);
    json_number(j, "n_left_out", n_left_out);
    json_number(j, "n_chunks", info->n_chunks);
    json_text(j, "container", info->container);
    json_number(j, "level", (unsigned)info->level);
    if (info->unverified)
        json_truth(j, "unverified", true);
    else
        json_digests(j, info->xxh3, info->has_sha256 ? info->sha256 : NULL);
}

static void put_base(const zipnn_base_info *base) {
    fputs("  made against ", stdout);
    text_put(stdout, base->name[0] ? base->name : "a file");
    printf(" of %" PRIu64 " bytes, XXH3-128 ", base->original);
    text_put_hex(stdout, base->xxh3, sizeof base->xxh3);
    puts(base->at_hand ? ", which is at hand" : "");
}

static void put_json_base(struct json *j, const zipnn_base_info *base) {
    json_object(j, NULL);
    json_text(j, "name", base->name);
    json_number(j, "original", base->original);
    json_truth(j, "at_hand", base->at_hand);
    json_digests(j, base->xxh3, NULL);
    json_object_end(j);
}

/* Lists the bases that the archive was made against. */
static void put_bases(struct json *j, const struct run *run, const zipnn_archive *archive, unsigned n) {
    if (n == 0 || (!j && run->args->verbosity <= 0)) return;
    if (j) json_list(j, "bases");
    for (unsigned i = 0; i < n; i++) {
        zipnn_base_info base;
        if (zipnn_archive_base(archive, i, &base, NULL) != ZIPNN_OK) continue;
        if (j)
            put_json_base(j, &base);
        else
            put_base(&base);
    }
    if (j) json_list_end(j);
}

static zipnn_status put_listing(struct run *run, const char *path, const struct opened *o, zipnn_error *err) {
    const zipnn_archive *archive = o->archive;
    const bool all = run->args->verbosity > 0;
    struct json line = {stdout, false}, *j = run->args->json ? &line : NULL;
    zipnn_status st = ZIPNN_OK;
    zipnn_archive_info info;
    const uint64_t n_left_out = zipnn_archive_n_left_out(archive);
    zipnn_archive_get_info(archive, &info);
    run->n_done++;
    run->original += info.original;
    run->stored += info.archive;
    if (j) json_object(j, NULL);
    if (j)
        put_json_archive(j, path, &info, n_left_out);
    else
        put_archive(run, path, archive, &info, n_left_out);
    put_bases(j, run, archive, info.n_bases);
    if (j && all) json_list(j, "tensors");
    if (all) st = put_tensors(j, o, info.n_tensors, err);
    if (j && all) json_list_end(j);
    const bool chunks = run->args->verbosity > 1 && st == ZIPNN_OK;
    if (j && chunks) json_list(j, "chunks");
    if (chunks) st = put_chunks(j, archive, info.n_chunks, err);
    if (j && chunks) json_list_end(j); /* also after a failure: the line stays JSON */
    if (j) json_line_end(j);
    return st;
}

/* Lists archives that stand one after the other, each on lines of its own. *err has why they are no single archive. */
static zipnn_status list_joined(struct run *run, const char *path, const struct opened *o, zipnn_error *err) {
    struct joined j;
    if (err->status != ZIPNN_E_CORRUPT || !run->ctx || !joined_begin(&j, &o->source)) return err->status;
    zipnn_status st;
    do {
        struct opened part = {.remote = o->remote, .source = j.part};
        st = zipnn_archive_open(run->ctx, &part.source, &part.archive, err);
        if (st == ZIPNN_OK) st = put_listing(run, path, &part, err);
        zipnn_archive_close(part.archive);
        if (st != ZIPNN_OK && err->offset != UINT64_MAX) err->offset += j.at;
    } while (st == ZIPNN_OK && joined_next(&j));
    const uint64_t end = j.at + j.part.length;
    return st == ZIPNN_OK && end < o->source.length ? joined_refuse(end, err) : st;
}

void list_file(struct run *run, const char *path) {
    struct opened o;
    zipnn_error err;
    zipnn_status st = opened_open(run, path, OPENED_ARCHIVE, &o, &err);
    st = st == ZIPNN_OK ? put_listing(run, path, &o, &err) : list_joined(run, path, &o, &err);
    if (st != ZIPNN_OK) run_report_failure(run, path, &err);
    opened_close(&o);
}
