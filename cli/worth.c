#include "worth.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "filenames.h"
#include "opened.h"
#include "text.h"

enum {
    LEAST_MODEL = 4 << 10, /* bytes: anything smaller that only looks like a model is left alone */
    SAMPLE = 8 << 20,
    LEAST_GAIN = 100 /* one part in so many */
};

bool worth_is_model(struct run *run, const char *path) {
    struct opened o;
    zipnn_archive_info info = {.container = "raw"};
    zipnn_error err;
    if (opened_open(run, path, OPENED_PLAIN, &o, &err) == ZIPNN_OK && o.plain) zipnn_archive_get_info(o.archive, &info);
    const bool large = o.file && o.source.length >= LEAST_MODEL;
    opened_close(&o);
    return large && strcmp(info.container, "raw") != 0;
}

/* An archive gets the times of its original: one with other times, or of another length, is of something else. */
static bool is_compressed_already(struct run *run, const char *path) {
    char *archive = text_join(path, ARCHIVE_SUFFIX, "");
    struct stat original, there;
    struct opened o = {.file = NULL};
    zipnn_archive_info info = {.original = 0};
    zipnn_error err;
    bool same = stat(path, &original) == 0 && stat(archive, &there) == 0 &&
                original.st_mtim.tv_sec == there.st_mtim.tv_sec && original.st_mtim.tv_nsec == there.st_mtim.tv_nsec;
    if (same) same = opened_open(run, archive, OPENED_ARCHIVE, &o, &err) == ZIPNN_OK;
    if (same) zipnn_archive_get_info(o.archive, &info);
    opened_close(&o);
    free(archive);
    return same && info.original == (uint64_t)original.st_size;
}

static bool gains_little(struct run *run, const char *path) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_estimate_info info = {.original = 0};
    zipnn_error err;
    zipnn_status st = zipnn_file_open(path, &file, &err);
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK && source.read_at) st = run_need_context(run, &err);
    if (st == ZIPNN_OK && source.read_at) st = zipnn_estimate(run->ctx, &source, SAMPLE, &info, &err);
    zipnn_file_close(file);
    return st == ZIPNN_OK && source.read_at && info.archive > info.original - info.original / LEAST_GAIN;
}

const char *worth_why_not(struct run *run, const char *path) {
    if (run->args->force || run->args->old_format) return NULL;
    if (is_compressed_already(run, path)) return "it is compressed already";
    return gains_little(run, path) ? "compressing gains less than 1 %" : NULL;
}
