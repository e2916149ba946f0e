#include "commands/chain_folder.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/chain_base.h"
#include "commands/chain_write.h"
#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/output.h"
#include "shared/results.h"
#include "shared/run_report.h"
#include "shared/text.h"

#define HIDDEN ".zipnn-step-" /* in front of folders that are being made or removed */
enum { MOST_DEPTH = 64 };

/* ---- single files ------------------------------------------------------------------------------------------------ */

zipnn_status chain_add_file(struct run *run, const struct steps *steps, const char *path, const char *name,
                            const char *to, struct outcome *outcome, zipnn_error *err) {
    zipnn_file *file = NULL;
    if (filename_is_archive(path) && !run->args->force)
        return cli_fail(err, ZIPNN_E_ARGUMENT,
                        "is named " ARCHIVE_SUFFIX ": restore it first, or let -f store the archive itself as a step");
    zipnn_status st = zipnn_file_open(path, &file, err);
    if (st != ZIPNN_OK) return st;
    const size_t base = chain_base(steps, name, run->args->every);
    struct intake in = {.path = path, .file = file};
    zipnn_file_source(file, &in.source);
    st = in.source.read_at ? write_step_near(run, steps, base, &in, to, 0, outcome, err)
                           : cli_fail(err, ZIPNN_E_ARGUMENT, "only a regular file can be a step");
    zipnn_file_close(file);
    return st;
}

zipnn_status chain_restore_file(struct run *run, const struct steps *steps, size_t index, const char *path,
                                const char *shown, zipnn_error *err) {
    const struct step *s = &steps->step[index];
    struct lineage l;
    zipnn_ctx *ctx = NULL;
    struct outcome outcome = {.container = NULL};
    struct output out = {.file = NULL};
    zipnn_status st = lineage_open(steps, index, &l, err);
    if (st == ZIPNN_OK) st = chain_context(run, &l, &ctx, err);
    if (st == ZIPNN_OK) st = output_open(run, path, NULL, l.files[0], &out, err);
    if (st == ZIPNN_OK) {
        progress_start(&run->progress);
        st = zipnn_unpack(ctx, &l.sources[0], &out.sink, &outcome.stats, err);
        progress_end(&run->progress);
        if (st == ZIPNN_OK) outcome_learn(run, ctx, s->path, &outcome);
        st = output_end(&out, st, err);
    }
    if (st == ZIPNN_OK) run_report_done(run, s->name, shown ? shown : "stdout", &outcome);
    zipnn_destroy(ctx);
    lineage_close(&l);
    return st;
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Removes a folder with all that is in it, as far as that can be. Links are not followed. */
static void remove_all(const char *path, unsigned depth) {
    struct stat st;
    if (lstat(path, &st) != 0) return;
    DIR *dir = S_ISDIR(st.st_mode) && depth < MOST_DEPTH ? opendir(path) : NULL;
    for (const struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        if (is_dots(entry->d_name)) continue;
        char *below = text_join(path, "/", entry->d_name);
        remove_all(below, depth + 1);
        free(below);
    }
    if (dir) closedir(dir);
    remove(path);
}

/* What is left of runs that were killed. The chain is locked. */
static void remove_leftovers(const char *chain) {
    DIR *dir = opendir(chain);
    for (const struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        if (strncmp(entry->d_name, HIDDEN, strlen(HIDDEN)) != 0) continue;
        char *path = text_join(chain, "/", entry->d_name);
        remove_all(path, 0);
        free(path);
    }
    if (dir) closedir(dir);
}

/* Makes a hidden folder beside `path`, whose name the caller frees. */
static zipnn_status make_hidden(const char *path, char **hidden, zipnn_error *err) {
    char *folder = filename_folder(path), number[32];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(number, sizeof number, "%ld-%u", (long)getpid(), i);
        *hidden = text_join(folder, "/" HIDDEN, number);
        const bool made = mkdir(*hidden, S_IRWXU | S_IRWXG | S_IRWXO) == 0;
        if (made || errno != EEXIST) break;
        free(*hidden);
        *hidden = NULL;
    }
    free(folder);
    struct stat st;
    if (*hidden && stat(*hidden, &st) == 0 && S_ISDIR(st.st_mode)) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot make a folder beside it: %s", path, strerror(errno));
}

/* Gives the hidden folder its name, if `st` is ZIPNN_OK, else removes it. */
static zipnn_status appear(char *hidden, const char *path, zipnn_status st, zipnn_error *err) {
    struct stat found;
    if (st == ZIPNN_OK && lstat(path, &found) == 0)
        st = cli_fail(err, ZIPNN_E_IO, "%.150s already exists: a folder is never replaced", path);
    if (st == ZIPNN_OK && rename(hidden, path) != 0)
        st = cli_fail(err, ZIPNN_E_IO, "%.150s: cannot give the folder its name: %s", path, strerror(errno));
    if (st != ZIPNN_OK) remove_all(hidden, 0);
    free(hidden);
    return st;
}

/* Lists the files below `folder`, by their paths from there. */
static zipnn_status list_below(const char *folder, const char *below, unsigned depth, struct paths *found,
                               zipnn_error *err) {
    zipnn_status st = ZIPNN_OK;
    char *place = text_join(folder, *below ? "/" : "", below);
    DIR *dir = depth < MOST_DEPTH ? opendir(place) : NULL;
    if (!dir) st = cli_fail(err, ZIPNN_E_IO, "%.150s: cannot open the folder: %s", place, strerror(errno));
    for (const struct dirent *entry; st == ZIPNN_OK && (entry = readdir(dir)) != NULL;) {
        struct stat is;
        if (is_dots(entry->d_name)) continue;
        char *rel = text_join(below, *below ? "/" : "", entry->d_name), *path = text_join(folder, "/", rel);
        const bool known = lstat(path, &is) == 0;
        if (known && S_ISDIR(is.st_mode))
            st = list_below(folder, rel, depth + 1, found, err);
        else if (known && S_ISREG(is.st_mode))
            paths_add(found, text_join(rel, "", ""));
        else
            st = cli_fail(err, ZIPNN_E_ARGUMENT, "%.150s: only regular files can be in a step", path);
        free(rel);
        free(path);
    }
    if (dir) closedir(dir);
    free(place);
    return st;
}

static int by_path(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A file of the new step. */
static zipnn_status add_below(struct run *run, const struct steps *steps, const char *from, const char *name,
                              const char *rel, const char *hidden, struct outcome *outcome, zipnn_error *err) {
    char *path = text_join(from, "/", rel), *known_as = text_join(name, "/", rel);
    char *stem = text_join(hidden, "/", rel), *to = text_join(stem, ARCHIVE_SUFFIX, "");
    zipnn_status st = make_folders_to(to, err);
    if (st == ZIPNN_OK) st = chain_add_file(run, steps, path, known_as, to, outcome, err);
    free(path);
    free(known_as);
    free(stem);
    free(to);
    return st;
}

static void report_all(struct run *run, const struct paths *files, const char *from, const char *to,
                       const struct outcome *outcomes) {
    for (size_t i = 0; i < files->n; i++) {
        char *path = text_join(from, "/", files->path[i]), *stem = text_join(to, "/", files->path[i]);
        char *archive = text_join(stem, ARCHIVE_SUFFIX, "");
        run_report_done(run, path, archive, &outcomes[i]);
        free(path);
        free(stem);
        free(archive);
    }
}

zipnn_status chain_add_folder(struct run *run, const struct steps *steps, const char *chain, uint64_t number,
                              const char *path, zipnn_error *err) {
    struct paths files = {0};
    char digits[32], *hidden = NULL, *from = text_join(path, "", "");
    for (size_t n = strlen(from); n > 1 && from[n - 1] == '/'; n--) from[n - 1] = '\0';
    const char *slash = strrchr(from, '/'), *name = slash ? slash + 1 : from;
    snprintf(digits, sizeof digits, "/%08" PRIu64 ".", number);
    char *to = text_join(chain, digits, name);
    zipnn_status st = list_below(from, "", 0, &files, err);
    if (st == ZIPNN_OK && (!*name || is_dots(name)))
        st = cli_fail(err, ZIPNN_E_ARGUMENT, "give the folder by its name, which the step gets");
    if (st == ZIPNN_OK && files.n == 0) st = cli_fail(err, ZIPNN_E_ARGUMENT, "has no files");
    struct outcome *outcomes = text_realloc(NULL, (files.n + 1) * sizeof *outcomes);
    memset(outcomes, 0, (files.n + 1) * sizeof *outcomes);
    if (files.n) qsort(files.path, files.n, sizeof files.path[0], by_path);
    remove_leftovers(chain);
    if (st == ZIPNN_OK) {
        st = make_hidden(to, &hidden, err);
        for (size_t i = 0; i < files.n && st == ZIPNN_OK; i++)
            st = add_below(run, steps, from, name, files.path[i], hidden, &outcomes[i], err);
        st = appear(hidden, to, st, err);
        if (st == ZIPNN_OK && fsync(steps->lock) != 0 && errno != EINVAL)
            st = cli_fail(err, ZIPNN_E_IO, "%.150s: cannot sync the folder: %s", chain, strerror(errno));
    }
    if (st == ZIPNN_OK) report_all(run, &files, from, to, outcomes);
    free(outcomes);
    paths_free(&files);
    free(from);
    free(to);
    return st;
}

/* Restores a file to its place below the hidden folder. */
static zipnn_status restore_below(struct run *run, const struct steps *steps, size_t index, const char *hidden,
                                  const char *path, zipnn_error *err) {
    const struct step *s = &steps->step[index];
    char *rel = filename_restored(s->name + s->in_folder + 1);
    char *to = text_join(hidden, "/", rel), *shown = text_join(path, "/", rel);
    zipnn_status st = make_folders_to(to, err);
    if (st == ZIPNN_OK) st = chain_restore_file(run, steps, index, to, shown, err);
    free(rel);
    free(to);
    free(shown);
    return st;
}

zipnn_status chain_restore_folder(struct run *run, const struct steps *steps, size_t index, zipnn_error *err) {
    const struct args *args = run->args;
    const struct step *s = &steps->step[index];
    struct stat found;
    char *hidden = NULL, *path = text_join(args->output ? args->output : s->name, "", "");
    if (!args->output) path[s->in_folder] = '\0';
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--) path[n - 1] = '\0';
    zipnn_status st = ZIPNN_OK;
    if (args->to_stdout)
        st = cli_fail(err, ZIPNN_E_ARGUMENT, "step %" PRIu64 " is a folder: -o FOLDER takes it", s->number);
    else if (lstat(path, &found) == 0)
        st = cli_fail(err, ZIPNN_E_IO, "%.150s already exists: a folder is never replaced; -o FOLDER gives another",
                      path);
    if (st == ZIPNN_OK) {
        st = make_hidden(path, &hidden, err);
        for (size_t i = 0; i < steps->n && st == ZIPNN_OK; i++)
            if (steps->step[i].number == s->number) st = restore_below(run, steps, i, hidden, path, err);
        st = appear(hidden, path, st, err);
    }
    free(path);
    return st;
}

zipnn_status chain_remove_folder(const struct steps *steps, size_t index, zipnn_error *err) {
    const struct step *s = &steps->step[index];
    char *path = text_join(s->path, "", ""), *hidden = NULL;
    path[(size_t)(s->name - s->path) + s->in_folder] = '\0';
    zipnn_status st = make_hidden(path, &hidden, err);
    if (st == ZIPNN_OK && rename(path, hidden) != 0)
        st = cli_fail(err, ZIPNN_E_IO, "%.150s: cannot remove the folder: %s", path, strerror(errno));
    if (hidden) remove_all(hidden, 0);
    free(hidden);
    free(path);
    return st;
}
