/* zipnn audit and gc: what the manifests of batches say, held against the archives. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/commands.h"
#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/json_writer.h"
#include "shared/ledger.h"
#include "shared/run_report.h"
#include "shared/text.h"

static char *archive_of(const struct run *run, const char *output) {
    return text_join(run->args->output_dir, "/", output);
}

static bool read_all(struct run *run, struct ledger *l) {
    for (size_t i = 0; i < run->args->n_files; i++) {
        zipnn_error err;
        if (ledger_read(l, run->args->files[i], &err) == ZIPNN_OK) continue;
        run_report_failure(run, run->args->files[i], &err);
        return false;
    }
    ledger_settle(l);
    return true;
}

/* ---- audit ------------------------------------------------------------------------------------------------------- */

/* An archive, with that of its base. */
struct audited {
    zipnn_ctx *ctx;
    zipnn_file *file, *base;
    zipnn_source source, base_source;
};

static zipnn_status open_at(const struct run *run, const char *output, zipnn_file **file, zipnn_source *source,
                            zipnn_error *err) {
    if (!ledger_is_below(output))
        return cli_fail(err, ZIPNN_E_ARGUMENT, "the manifest names no archive below --output-dir");
    char *path = archive_of(run, output);
    zipnn_status st = zipnn_file_open(path, file, err);
    if (st == ZIPNN_OK) zipnn_file_source(*file, source);
    if (st == ZIPNN_OK && !source->read_at) st = cli_fail(err, ZIPNN_E_ARGUMENT, "%.150s is not a regular file", path);
    free(path);
    return st;
}

static zipnn_status open_audited(struct run *run, const struct ledger *l, const struct entry *e, struct audited *a,
                                 zipnn_error *err) {
    zipnn_options options = run_options(run);
    *a = (struct audited){.ctx = NULL};
    zipnn_status st = open_at(run, e->output, &a->file, &a->source, err);
    const struct entry *base = e->base[0] ? ledger_find(l, e->base) : NULL;
    if (st == ZIPNN_OK && e->base[0] && (!base || base->status != ENTRY_DONE))
        st = cli_fail(err, ZIPNN_E_BASE, "made against \"%.100s\", of which the manifests name no archive", e->base);
    if (st == ZIPNN_OK && base) st = open_at(run, base->output, &a->base, &a->base_source, err);
    if (st != ZIPNN_OK) return st;
    options.bases = base ? &a->base_source : NULL;
    options.n_bases = base != NULL;
    return zipnn_create(&options, &a->ctx, err);
}

static void close_audited(struct audited *a) {
    zipnn_destroy(a->ctx);
    zipnn_file_close(a->file);
    zipnn_file_close(a->base);
}

static zipnn_status audit_archive(struct run *run, const struct ledger *l, const struct entry *e, zipnn_error *err) {
    struct audited a;
    zipnn_stats stats = {.original = 0};
    zipnn_status st = open_audited(run, l, e, &a, err);
    if (st == ZIPNN_OK) {
        progress_start(&run->progress);
        st = zipnn_test(a.ctx, &a.source, &stats, err);
        progress_end(&run->progress);
    }
    close_audited(&a);
    if (st == ZIPNN_OK && stats.n_unchecked)
        st = cli_fail(err, ZIPNN_E_BASE, "made against \"%.100s\", whose archive holds something else now", e->base);
    if (st == ZIPNN_OK && (stats.original != e->original || memcmp(stats.xxh3, e->xxh3, sizeof e->xxh3) != 0))
        st = cli_fail(err, ZIPNN_E_CORRUPT, "the archive holds another file than the manifest says");
    return st;
}

/* A copy is held by the archive of another file, which is audited by itself. */
static zipnn_status audit_copy(const struct ledger *l, const struct entry *e, zipnn_error *err) {
    char *origin = filename_restored(e->output);
    const struct entry *of = ledger_find(l, origin);
    free(origin);
    if (of && of->status == ENTRY_DONE && memcmp(of->xxh3, e->xxh3, sizeof of->xxh3) == 0) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_CORRUPT, "a copy, and the archive \"%.100s\" does not hold it any more", e->output);
}

static void audit_entry(struct run *run, const struct ledger *l, const struct entry *e) {
    zipnn_error err;
    progress_file(&run->progress, e->path, e->original);
    zipnn_status st = e->status == ENTRY_DONE   ? audit_archive(run, l, e, &err)
                      : e->status == ENTRY_COPY ? audit_copy(l, e, &err)
                                                : cli_fail(&err, ZIPNN_E_ARGUMENT, "has no archive: it failed%s",
                                                           e->retry ? ", and may be tried again" : "");
    run->n_done += st == ZIPNN_OK;
    if (run->args->json) {
        struct json j = {stdout, false};
        json_object(&j, NULL);
        json_name(&j, "path", e->path);
        json_name(&j, "output", e->output);
        json_truth(&j, "right", st == ZIPNN_OK);
        if (st != ZIPNN_OK) json_text(&j, "message", err.message);
        json_line_end(&j);
    }
    if (st != ZIPNN_OK) run_report_fault(run, e->path, &err);
}

void audit_run(struct run *run) {
    struct ledger l = {.n = 0};
    uint64_t bytes = 0;
    if (read_all(run, &l)) {
        for (size_t i = 0; i < l.n; i++) bytes += l.entry[i].original;
        progress_files(&run->progress, l.n, bytes);
        for (size_t i = 0; i < l.n; i++) audit_entry(run, &l, &l.entry[i]);
        progress_files(&run->progress, 0, 0);
        if (run->args->verbosity >= 0 && (run->talks || run->n_failed || l.n_bad))
            fprintf(stderr,
                    "zipnn: %" PRIu64 " files are right, %" PRIu64 " are not; %" PRIu64
                    " lines of the manifests are cut or of another kind\n",
                    run->n_done, run->n_failed, l.n_bad);
    }
    ledger_free(&l);
}

/* ---- gc ---------------------------------------------------------------------------------------------------------- */

/* An archive below --output-dir. */
struct found {
    char *output;
    bool named; /* by a manifest */
};

struct finds {
    struct found *file;
    size_t n, cap;
};

static int by_output(const void *a, const void *b) {
    return strcmp(((const struct found *)a)->output, ((const struct found *)b)->output);
}

static void add_found(struct finds *f, char *output) {
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 256;
        f->file = text_realloc(f->file, f->cap * sizeof f->file[0]);
    }
    f->file[f->n++] = (struct found){.output = output};
}

/* Lists the entries of one folder: archives, and folders that are still to be listed. Links are not followed. */
static zipnn_status list_folder(const struct run *run, const char *below, struct paths *folders, struct finds *f,
                                zipnn_error *err) {
    char *folder = archive_of(run, below);
    DIR *dir = opendir(folder);
    zipnn_status st = ZIPNN_OK;
    const struct dirent *entry;
    errno = 0;
    while (dir && (errno = 0, entry = readdir(dir)) != NULL) {
        struct stat there;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *name = text_join(below, below[0] ? "/" : "", entry->d_name), *path = archive_of(run, name);
        const bool known = lstat(path, &there) == 0;
        if (known && S_ISDIR(there.st_mode))
            paths_add(folders, text_join(name, "", ""));
        else if (known && S_ISREG(there.st_mode) && filename_is_archive(name))
            add_found(f, text_join(name, "", ""));
        free(path);
        free(name);
    }
    if (errno) st = cli_fail(err, ZIPNN_E_IO, "%.150s: cannot read the folder: %s", folder, strerror(errno));
    if (dir) closedir(dir);
    free(folder);
    return st;
}

static zipnn_status list_all(const struct run *run, struct finds *f, zipnn_error *err) {
    struct paths folders = {0};
    zipnn_status st = ZIPNN_OK;
    paths_add(&folders, text_join("", "", ""));
    while (folders.n && st == ZIPNN_OK) {
        char *below = folders.path[--folders.n];
        st = list_folder(run, below, &folders, f, err);
        free(below);
    }
    paths_free(&folders);
    if (f->n) qsort(f->file, f->n, sizeof f->file[0], by_output);
    return st;
}

static void name_it(struct finds *f, const char *output) {
    struct found key = {.output = text_join(output, "", "")};
    struct found *found = f->n ? bsearch(&key, f->file, f->n, sizeof key, by_output) : NULL;
    if (found) found->named = true;
    free(key.output);
}

/* Digests of the originals that archives were made against. */
struct needs {
    uint8_t (*digest)[16];
    size_t n, cap;
};

static int by_digest(const void *a, const void *b) {
    return memcmp(a, b, 16);
}

static void need(struct needs *needs, const uint8_t digest[16]) {
    if (needs->n == needs->cap) {
        needs->cap = needs->cap ? 2 * needs->cap : 64;
        needs->digest = text_realloc(needs->digest, needs->cap * sizeof needs->digest[0]);
    }
    memcpy(needs->digest[needs->n++], digest, 16);
}

static zipnn_status look_at(struct run *run, zipnn_ctx *ctx, const char *output, zipnn_archive_info *info,
                            struct needs *needs, zipnn_error *err) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive *archive = NULL;
    zipnn_status st = open_at(run, output, &file, &source, err);
    if (st == ZIPNN_OK) st = zipnn_archive_open(ctx, &source, &archive, err);
    if (st == ZIPNN_OK) zipnn_archive_get_info(archive, info);
    for (unsigned i = 0; st == ZIPNN_OK && needs && i < info->n_bases; i++) {
        zipnn_base_info base;
        st = zipnn_archive_base(archive, i, &base, err);
        if (st == ZIPNN_OK) need(needs, base.xxh3);
    }
    zipnn_archive_close(archive);
    zipnn_file_close(file);
    return st;
}

/* Finds what the archives that stay need. If one cannot be read, nobody knows, and nothing may be removed. */
static zipnn_status find_needs(struct run *run, zipnn_ctx *ctx, const struct finds *f, struct needs *needs,
                               zipnn_error *err) {
    zipnn_status st = ZIPNN_OK;
    for (size_t i = 0; i < f->n && st == ZIPNN_OK; i++) {
        zipnn_archive_info info;
        if (!f->file[i].named) continue;
        st = look_at(run, ctx, f->file[i].output, &info, needs, err);
        if (st != ZIPNN_OK) {
            const zipnn_error why = *err;
            cli_fail(err, st, "%.80s cannot be read, so nobody knows what it needs, and nothing is removed: %.100s",
                     f->file[i].output, why.message);
        }
    }
    if (needs->n) qsort(needs->digest, needs->n, sizeof needs->digest[0], by_digest);
    return st;
}

static void put_removed(struct run *run, const char *output, uint64_t size) {
    run->n_done++;
    run->stored += size;
    if (run->args->json) {
        struct json j = {stdout, false};
        json_object(&j, NULL);
        json_name(&j, "output", output);
        json_number(&j, "stored", size);
        json_truth(&j, "removed", run->args->force);
        json_line_end(&j);
    } else if (run->args->verbosity >= 0) {
        fputs(run->args->force ? "removed " : "would remove ", stdout);
        text_put(stdout, output);
        putchar('\n');
    }
}

static void collect(struct run *run, zipnn_ctx *ctx, const struct needs *needs, const char *output) {
    zipnn_archive_info info;
    zipnn_error err;
    struct stat st;
    char *path = archive_of(run, output);
    const bool known = look_at(run, ctx, output, &info, NULL, &err) == ZIPNN_OK && !info.unverified;
    const bool needed = known && needs->n && bsearch(info.xxh3, needs->digest, needs->n, sizeof info.xxh3, by_digest);
    if (needed) {
        run_warn(run, output, "", "is in no manifest, and stays: another archive is made against it");
    } else if (lstat(path, &st) != 0 || (run->args->force && unlink(path) != 0)) {
        cli_fail(&err, ZIPNN_E_ARGUMENT, "cannot remove: %s", strerror(errno));
        run_report_failure(run, path, &err);
    } else {
        put_removed(run, output, (uint64_t)st.st_size);
    }
    free(path);
}

/* Holds all manifests, so that no batch writes archives meanwhile. */
static zipnn_status hold(const struct run *run, int *fd, zipnn_error *err) {
    for (size_t i = 0; i < run->args->n_files; i++) {
        fd[i] = open(run->args->files[i], O_RDONLY | O_CLOEXEC);
        if (fd[i] < 0)
            return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot open: %s", run->args->files[i], strerror(errno));
        if (flock(fd[i], LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
            return cli_fail(err, ZIPNN_E_IO, "%.150s: a batch is writing it: wait for its end", run->args->files[i]);
    }
    return ZIPNN_OK;
}

/* An entry without an archive names none; one whose line was cut is not known, so cut lines keep everything. */
static zipnn_status name_all(const struct ledger *l, struct finds *f, zipnn_error *err) {
    if (l->n == 0) return cli_fail(err, ZIPNN_E_ARGUMENT, "the manifests name no archive: nothing is removed");
    for (size_t i = 0; i < l->n; i++)
        if (l->entry[i].status != ENTRY_FAILED) name_it(f, l->entry[i].output);
    for (size_t i = 0; i < l->n; i++) {
        const struct entry *base = l->entry[i].base[0] ? ledger_find(l, l->entry[i].base) : NULL;
        if (base) name_it(f, base->output);
    }
    return ZIPNN_OK;
}

static void gc_all(struct run *run, const struct ledger *l) {
    struct finds f = {.n = 0};
    struct needs needs = {.n = 0};
    zipnn_ctx *ctx = NULL;
    zipnn_error err;
    const zipnn_options options = run_options(run);
    zipnn_status st = list_all(run, &f, &err);
    if (st == ZIPNN_OK) st = name_all(l, &f, &err);
    if (st == ZIPNN_OK) st = zipnn_create(&options, &ctx, &err);
    if (st == ZIPNN_OK) st = find_needs(run, ctx, &f, &needs, &err);
    for (size_t i = 0; i < f.n && st == ZIPNN_OK; i++)
        if (!f.file[i].named) collect(run, ctx, &needs, f.file[i].output);
    if (st != ZIPNN_OK) run_report_failure(run, run->args->output_dir, &err);
    if (st == ZIPNN_OK && run->talks)
        fprintf(stderr, "zipnn: %" PRIu64 " archives of %s %s\n", run->n_done, text_size(run->stored).text,
                run->args->force ? "were removed" : "are in no manifest; -f removes them");
    for (size_t i = 0; i < f.n; i++) free(f.file[i].output);
    free(f.file);
    free(needs.digest);
    zipnn_destroy(ctx);
}

void gc_run(struct run *run) {
    struct ledger l = {.n = 0};
    zipnn_error err;
    int *fd = text_realloc(NULL, (run->args->n_files + 1) * sizeof *fd);
    for (size_t i = 0; i < run->args->n_files; i++) fd[i] = -1;
    if (hold(run, fd, &err) != ZIPNN_OK)
        run_report_failure(run, run->args->output_dir, &err);
    else if (read_all(run, &l))
        gc_all(run, &l);
    for (size_t i = 0; i < run->args->n_files; i++)
        if (fd[i] >= 0) close(fd[i]);
    free(fd);
    ledger_free(&l);
}
