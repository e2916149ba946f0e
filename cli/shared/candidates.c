#include "shared/candidates.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "shared/filenames.h"
#include "shared/open_archive.h"
#include "shared/results.h"
#include "shared/run_context.h"
#include "shared/text.h"

enum {
    LEAST_MODEL = 4 << 10, /* bytes: a smaller file that only looks like a model is left alone */
    SAMPLE = 8 << 20,
    LEAST_GAIN = 100 /* one part in so many */
};

/* Whether a tensor ends past the end of the file. */
static bool is_cut(const zipnn_archive *model, const zipnn_archive_info *info) {
    zipnn_tensor_info t;
    bool cut = false;
    for (uint64_t i = 0; i < info->n_tensors && !cut; i++)
        cut = zipnn_archive_tensor(model, i, &t, NULL) == ZIPNN_OK &&
              (t.offset > info->original || t.length > info->original - t.offset);
    return cut;
}

/* No reader recognises a header that is cut short. The length at the start of a safetensors file tells, and GGUF's
 * magic. */
static bool has_cut_header(const struct opened *o) {
    enum { SANE = 100000000 }; /* bytes: safetensors allows no longer header */
    unsigned char head[9];
    uint64_t len = 0;
    if (o->source.length < sizeof head) return false;
    if (o->source.read_at(o->source.user, 0, head, sizeof head, NULL) != ZIPNN_OK) return false;
    for (unsigned i = 0; i < 8; i++) len |= (uint64_t)head[i] << 8 * i;
    return memcmp(head, "GGUF", 4) == 0 || (head[8] == '{' && len <= SANE && len > o->source.length - 8);
}

enum looks worth_look(struct run *run, const char *path) {
    struct opened o;
    zipnn_archive_info info = {.container = "raw"};
    zipnn_error err;
    enum looks looks = LOOKS_OTHER;
    if (opened_open(run, path, OPENED_PLAIN, &o, &err) == ZIPNN_OK && o.plain) {
        zipnn_archive_get_info(o.archive, &info);
        const bool model = strcmp(info.container, "raw") != 0;
        if (model ? is_cut(o.archive, &info) : has_cut_header(&o))
            looks = LOOKS_CUT;
        else if (model && o.source.length >= LEAST_MODEL)
            looks = LOOKS_MODEL;
    }
    opened_close(&o);
    return looks;
}

const char *worth_what_instead(const char *path) {
    static const struct {
        const char *begins, *has, *what;
    } others[] = {
        {"version https:", "git-lfs", "is a pointer of Git LFS and no model: git lfs pull fetches that"},
        {"<!doctype html", "", "is an HTML page and no model: the download may have failed"},
        {"<html", "", "is an HTML page and no model: the download may have failed"},
    };
    zipnn_file *file = NULL;
    zipnn_source source;
    char head[64] = "";
    if (!filename_is_model(path) || zipnn_file_open(path, &file, NULL) != ZIPNN_OK) return NULL;
    zipnn_file_source(file, &source);
    const size_t len = source.length < sizeof head - 1 ? (size_t)source.length : sizeof head - 1;
    if (source.read_at && source.read_at(source.user, 0, head, len, NULL) != ZIPNN_OK) head[0] = '\0';
    zipnn_file_close(file);
    const char *text = head + strspn(head, " \t\r\n");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strncasecmp(text, others[i].begins, strlen(others[i].begins)) == 0 && strstr(text, others[i].has))
            return others[i].what;
    return NULL;
}

bool worth_is_done(struct run *run, const char *path) {
    char *archive = result_archive(run, path);
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

bool worth_gains_little(struct run *run, const char *path, const char *output) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_estimate_info info = {.original = 0};
    zipnn_error err;
    zipnn_status st = zipnn_file_open(path, &file, &err);
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK && source.read_at) st = run_context_for(run, path, output, &err);
    if (st == ZIPNN_OK && source.read_at) st = zipnn_estimate(run->ctx, &source, SAMPLE, &info, &err);
    zipnn_file_close(file);
    return st == ZIPNN_OK && source.read_at && info.archive > info.original - info.original / LEAST_GAIN;
}

enum worth worth_compressing(struct run *run, const char *path) {
    if (run->args->force || run->args->old_format) return WORTH_IT;
    if (worth_is_done(run, path)) return WORTH_DONE;
    char *output = result_archive(run, path);
    const bool gains_little = worth_gains_little(run, path, output);
    free(output);
    return gains_little ? WORTH_NOTHING : WORTH_IT;
}
