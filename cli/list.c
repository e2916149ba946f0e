#include "list.h"

#include <inttypes.h>
#include <stdio.h>

#include "convert.h"
#include "text.h"

void list_head(const struct run *run) {
    if (!run->args->json) puts("  original     stored   ratio  tensors  container    name");
}

static void put_shape(const zipnn_tensor_info *t, const char *between) {
    putchar('[');
    for (uint32_t i = 0; i < t->rank; i++) printf("%s%" PRIu64, i ? between : "", t->shape[i]);
    putchar(']');
}

static void put_json_tensor(const zipnn_tensor_info *t) {
    fputs("{\"name\":", stdout);
    text_put_json(stdout, t->name);
    printf(",\"dtype\":\"%s\",\"shape\":", zipnn_dtype_name(t->dtype));
    put_shape(t, ",");
    printf(",\"offset\":%" PRIu64 ",\"original\":%" PRIu64 ",\"stored\":%" PRIu64 "}", t->offset, t->length, t->stored);
}

static void put_tensor(const zipnn_tensor_info *t) {
    printf("%10s %10s %6.2f%%  %-10s ", text_size(t->length).text, text_size(t->stored).text,
           text_percent(t->stored, t->length), zipnn_dtype_name(t->dtype));
    text_put(stdout, t->name);
    putchar(' ');
    put_shape(t, ", ");
    putchar('\n');
}

static zipnn_status put_tensors(const struct run *run, const zipnn_archive *archive, uint64_t n, zipnn_error *err) {
    for (uint64_t i = 0; i < n; i++) {
        zipnn_tensor_info t;
        zipnn_status st = zipnn_archive_tensor(archive, i, &t, err);
        if (st != ZIPNN_OK) return st;
        if (run->args->json) {
            if (i) putchar(',');
            put_json_tensor(&t);
        } else {
            put_tensor(&t);
        }
    }
    return ZIPNN_OK;
}

static void put_archive(const struct run *run, const char *path, const zipnn_archive_info *info) {
    printf("%10s %10s %6.2f%% %8" PRIu64 "  %-12s ", text_size(info->original).text, text_size(info->archive).text,
           text_percent(info->archive, info->original), info->n_tensors, info->container);
    text_put(stdout, run_shown_name(path));
    putchar('\n');
    if (run->args->verbosity <= 0) return;
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

static void put_json_archive(const char *path, const zipnn_archive_info *info) {
    fputs("{\"file\":", stdout);
    text_put_json(stdout, run_shown_name(path));
    printf(",\"original\":%" PRIu64 ",\"stored\":%" PRIu64 ",\"n_tensors\":%" PRIu64 ",\"n_chunks\":%" PRIu64
           ",\"container\":\"%s\",\"level\":%d",
           info->original, info->archive, info->n_tensors, info->n_chunks, info->container, info->level);
    if (info->unverified)
        fputs(",\"unverified\":true", stdout);
    else
        run_put_digests(info->xxh3, info->sha256, info->has_sha256);
}

static zipnn_status put_listing(const struct run *run, const char *path, const zipnn_archive *archive,
                                zipnn_error *err) {
    bool all = run->args->verbosity > 0, json = run->args->json;
    zipnn_status st = ZIPNN_OK;
    zipnn_archive_info info;
    zipnn_archive_get_info(archive, &info);
    if (json)
        put_json_archive(path, &info);
    else
        put_archive(run, path, &info);
    if (json && all) fputs(",\"tensors\":[", stdout);
    if (all) st = put_tensors(run, archive, info.n_tensors, err);
    if (json) puts(all ? "]}" : "}");
    return st;
}

static zipnn_status list_input(struct run *run, const char *path, zipnn_file *in, zipnn_error *err) {
    zipnn_archive *archive;
    zipnn_source source;
    zipnn_file_source(in, &source);
    if (!source.read_at) return run_fail(err, ZIPNN_E_ARGUMENT, "only a regular file can be listed");
    zipnn_status st = run_need_context(run, err);
    if (st == ZIPNN_OK) st = zipnn_archive_open(run->ctx, &source, &archive, err);
    if (st != ZIPNN_OK) return st;
    st = put_listing(run, path, archive, err);
    zipnn_archive_close(archive);
    return st;
}

void list_file(struct run *run, const char *path) {
    zipnn_file *in = NULL;
    zipnn_error err;
    zipnn_status st = convert_open_input(path, &in, &err);
    if (st == ZIPNN_OK) st = list_input(run, path, in, &err);
    if (st != ZIPNN_OK) run_report_failure(run, path, &err);
    zipnn_file_close(in);
}
