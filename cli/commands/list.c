#include "commands/list.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/coding_text.h"
#include "shared/open_archive.h"
#include "shared/text.h"

static void put_shape(const zipnn_tensor_info *t, const char *between) {
    putchar('[');
    for (uint32_t i = 0; i < t->rank; i++) printf("%s%" PRIu64, i ? between : "", t->shape[i]);
    putchar(']');
}

/* What is to be known of the bytes besides type and shape. */
static const struct {
    unsigned flag;
    const char *text;
} layouts[] = {{ZIPNN_TENSOR_BIG_ENDIAN, "big-endian"}, {ZIPNN_TENSOR_COLUMN_MAJOR, "in columns"},
               {ZIPNN_TENSOR_CONJUGATE, "conjugate"},   {ZIPNN_TENSOR_NEGATIVE, "negative"},
               {ZIPNN_TENSOR_STRIDED, "strided"},       {ZIPNN_TENSOR_IN_PIECES, "in pieces"},
               {ZIPNN_TENSOR_FILTERED, "filtered"},     {ZIPNN_TENSOR_SHARED, "shared"}};
enum { N_LAYOUTS = sizeof layouts / sizeof layouts[0] };

static void put_json_layout(const zipnn_tensor_layout *layout) {
    const char *between = ",\"layout\":[";
    if (layout->flags == 0) return;
    for (size_t i = 0; i < N_LAYOUTS; i++) {
        if (!(layout->flags & layouts[i].flag)) continue;
        printf("%s\"%s\"", between, layouts[i].text);
        between = ",";
    }
    putchar(']');
}

static void put_layout(const zipnn_tensor_layout *layout) {
    for (size_t i = 0; i < N_LAYOUTS; i++)
        if (layout->flags & layouts[i].flag) printf(", %s", layouts[i].text);
}

static void put_json_tensor(const zipnn_tensor_info *t, const zipnn_tensor_layout *layout,
                            const struct coding_text *coding) {
    putchar('{');
    text_put_json_name("name", t->name);
    printf(",\"dtype\":\"%s\",\"shape\":", zipnn_dtype_name(t->dtype));
    put_shape(t, ",");
    printf(",\"offset\":%" PRIu64 ",\"original\":%" PRIu64 ",\"stored\":%" PRIu64, t->offset, t->length, t->stored);
    put_json_layout(layout);
    if (coding->n)
        printf(",\"coding\":\"%s\",\"first_chunk\":%" PRIu64 ",\"n_chunks\":%" PRIu64, coding->text, coding->first,
               coding->n);
    if (coding->shared) fputs(",\"shares_chunks\":true", stdout);
    putchar('}');
}

static void put_tensor(const zipnn_tensor_info *t, const zipnn_tensor_layout *layout,
                       const struct coding_text *coding) {
    printf("%10s %10s%c%6.2f%%  %-10s ", text_size(t->length).text, text_size(t->stored).text,
           coding->shared ? '~' : ' ', text_percent(t->stored, t->length), zipnn_dtype_name(t->dtype));
    text_put(stdout, t->name);
    putchar(' ');
    put_shape(t, ", ");
    put_layout(layout);
    if (coding->n) printf("  %s", coding->text);
    putchar('\n');
}

static zipnn_status put_tensors(const struct run *run, const zipnn_archive *archive, uint64_t n, zipnn_error *err) {
    bool any_shared = false;
    for (uint64_t i = 0; i < n; i++) {
        zipnn_tensor_info t;
        zipnn_tensor_layout layout = {.size = sizeof layout};
        struct coding_text coding = {.n = 0};
        zipnn_status st = zipnn_archive_tensor(archive, i, &t, err);
        if (st == ZIPNN_OK) st = zipnn_archive_tensor_layout(archive, i, &layout, err);
        if (st == ZIPNN_OK && !(layout.flags & (ZIPNN_TENSOR_SHARED | ZIPNN_TENSOR_IN_PIECES)))
            st = coding_of(archive, t.offset, t.length, &coding, err);
        if (st != ZIPNN_OK) return st;
        if (run->args->json) {
            if (i) putchar(',');
            put_json_tensor(&t, &layout, &coding);
        } else {
            put_tensor(&t, &layout, &coding);
        }
        any_shared |= coding.shared;
    }
    if (any_shared && !run->args->json) puts("  ~ its share, by length, of chunks that it has in common with others");
    return ZIPNN_OK;
}

/* Chunks with their checks: what identifies stored bytes without decoding them. */
static zipnn_status put_chunks(const struct run *run, const zipnn_archive *archive, uint64_t n, zipnn_error *err) {
    if (run->args->json) fputs(",\"chunks\":[", stdout);
    for (uint64_t i = 0; i < n; i++) {
        zipnn_chunk_info c;
        struct coding_text coding;
        zipnn_status st = zipnn_archive_chunk(archive, i, &c, err);
        if (st == ZIPNN_OK) st = coding_of(archive, c.offset, c.length, &coding, err);
        if (st != ZIPNN_OK) return st;
        if (run->args->json)
            printf("%s{\"offset\":%" PRIu64 ",\"original\":%" PRIu64 ",\"at\":%" PRIu64 ",\"stored\":%" PRIu64
                   ",\"xxh3\":\"%016" PRIx64 "\",\"coding\":\"%s\"}",
                   i ? "," : "", c.offset, c.length, c.archive_offset, c.stored, c.check, coding.text);
        else
            printf("  chunk %" PRIu64 ": bytes %" PRIu64 " + %" PRIu64 ", stored at %" PRIu64 " + %" PRIu64
                   ", XXH3-64 %016" PRIx64 ", %s\n",
                   i, c.offset, c.length, c.archive_offset, c.stored, c.check, coding.text);
    }
    if (run->args->json) putchar(']');
    return ZIPNN_OK;
}

static void put_archive(struct run *run, const char *path, const zipnn_archive_info *info, uint64_t n_left_out) {
    run_put_head(run, "  original     stored   ratio  tensors  container    name");
    printf("%10s %10s %6.2f%% %8" PRIu64 "  %-12s ", text_size(info->original).text, text_size(info->archive).text,
           text_percent(info->archive, info->original), info->n_tensors, info->container);
    text_put(stdout, run_shown_name(path));
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

static void put_json_archive(const char *path, const zipnn_archive_info *info, uint64_t n_left_out) {
    putchar('{');
    text_put_json_name("file", run_shown_name(path));
    printf(",\"original\":%" PRIu64 ",\"stored\":%" PRIu64 ",\"n_tensors\":%" PRIu64 ",\"n_left_out\":%" PRIu64
           ",\"n_chunks\":%" PRIu64 ",\"container\":\"%s\",\"level\":%d",
           info->original, info->archive, info->n_tensors, n_left_out, info->n_chunks, info->container, info->level);
    if (info->unverified)
        fputs(",\"unverified\":true", stdout);
    else
        run_put_digests(info->xxh3, info->sha256, info->has_sha256);
}

static void put_base(const zipnn_base_info *base) {
    fputs("  made against ", stdout);
    text_put(stdout, base->name[0] ? base->name : "a file");
    printf(" of %" PRIu64 " bytes, XXH3-128 ", base->original);
    text_put_hex(stdout, base->xxh3, sizeof base->xxh3);
    puts(base->at_hand ? ", which is at hand" : "");
}

static void put_json_base(const zipnn_base_info *base) {
    fputs("{\"name\":", stdout);
    text_put_json(stdout, base->name);
    printf(",\"original\":%" PRIu64 ",\"at_hand\":%s", base->original, base->at_hand ? "true" : "false");
    run_put_digests(base->xxh3, NULL, 0);
    putchar('}');
}

/* What the archive was made against. */
static void put_bases(const struct run *run, const zipnn_archive *archive, unsigned n) {
    const bool json = run->args->json;
    if (n == 0 || (!json && run->args->verbosity <= 0)) return;
    if (json) fputs(",\"bases\":[", stdout);
    for (unsigned i = 0; i < n; i++) {
        zipnn_base_info base;
        if (zipnn_archive_base(archive, i, &base, NULL) != ZIPNN_OK) continue;
        if (json && i) putchar(',');
        if (json)
            put_json_base(&base);
        else
            put_base(&base);
    }
    if (json) putchar(']');
}

static zipnn_status put_listing(struct run *run, const char *path, const zipnn_archive *archive, zipnn_error *err) {
    bool all = run->args->verbosity > 0, json = run->args->json;
    zipnn_status st = ZIPNN_OK;
    zipnn_archive_info info;
    const uint64_t n_left_out = zipnn_archive_n_left_out(archive);
    zipnn_archive_get_info(archive, &info);
    if (json)
        put_json_archive(path, &info, n_left_out);
    else
        put_archive(run, path, &info, n_left_out);
    put_bases(run, archive, info.n_bases);
    if (json && all) fputs(",\"tensors\":[", stdout);
    if (all) st = put_tensors(run, archive, info.n_tensors, err);
    if (json && all) putchar(']');
    if (run->args->verbosity > 1 && st == ZIPNN_OK) st = put_chunks(run, archive, info.n_chunks, err);
    if (json) puts("}");
    return st;
}

void list_file(struct run *run, const char *path) {
    struct opened o;
    zipnn_error err;
    zipnn_status st = opened_open(run, path, OPENED_ARCHIVE, &o, &err);
    if (st == ZIPNN_OK) st = put_listing(run, path, o.archive, &err);
    if (st != ZIPNN_OK) run_report_failure(run, path, &err);
    opened_close(&o);
}
