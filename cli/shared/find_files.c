#include "shared/find_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/candidates.h"
#include "shared/cli_fail.h"
#include "shared/dedup.h"
#include "shared/filelist.h"
#include "shared/filenames.h"
#include "shared/input.h"
#include "shared/results.h"
#include "shared/run_report.h"
#include "shared/text.h"

typedef void each_fn(struct run *run, const char *path);

/* A file to work on: an operand, or a file found in a folder. */
struct found {
    char *path;
    const char *top;  /* the folder of the command line that it was found in; NULL: the command line names the file */
    struct node node; /* that the name leads to */
    uint64_t size;    /* in bytes; 0 if it is not a regular file */
    bool named;       /* its suffix is one of model weights */
    bool again;       /* the same file is listed earlier under another name */
};

struct finds {
    struct found *file;
    size_t n, cap;
    const char *top; /* the folder of the command line that is read */
    bool told;       /* the user has been told of a folder of a version control system */
};

static void report_errno(struct run *run, const char *path, const char *verb) {
    zipnn_error err;
    cli_fail(&err, ZIPNN_E_ARGUMENT, "cannot %s: %s", verb, strerror(errno));
    run_report_failure(run, path, &err);
}

static bool takes_models(const struct run *run) {
    return uses[run->args->operation].takes == TAKES_MODELS;
}

static bool is_named_base(const struct run *run, const char *path) {
    struct stat st;
    for (size_t i = 0; i < run->args->n_bases; i++)
        if (stat(run->args->bases[i], &st) == 0 && touched_leads_to(path, (struct node){st.st_dev, st.st_ino}))
            return true;
    return false;
}

/* Of archives, some have the suffix, and others were compressed in place: what those are called tells nothing. */
static enum skip why_no_archive(const struct run *run, const char *path, bool named) {
    const bool restores = run->args->operation == OP_RESTORE;
    if (named) return restores && run->args->in_place ? SKIP_NAMED_ARCHIVE : SKIP_NOT;
    if (!bases_is_archive(path)) return SKIP_NO_ARCHIVE;
    return restores && !run->args->in_place ? SKIP_IN_PLACE : SKIP_NOT;
}

/* Returns why the operation leaves the file out, SKIP_NOT if it does not. */
static enum skip why_unsuited(struct run *run, const char *path) {
    const bool archive = filename_is_archive(path);
    if (filename_is_unfinished(path)) return SKIP_UNFINISHED;
    if (!takes_models(run)) return why_no_archive(run, path, archive);
    if (archive) return SKIP_ARCHIVE;
    if (bases_is_archive(path)) return SKIP_PACKED;
    if (run->args->operation == OP_COMPRESS && is_named_base(run, path)) return SKIP_BASE;
    switch (worth_look(run, path)) {
        case LOOKS_CUT:
            return SKIP_CUT;
        case LOOKS_MODEL:
            return SKIP_NOT;
        default:
            return filename_is_model(path) ? SKIP_NOT : SKIP_NO_MODEL;
    }
}

/* `top`: the folder of the command line that it was found in; NULL: the command line names the file. */
static void add_found(struct finds *files, char *path, const char *top, const struct stat *st) {
    if (files->n == files->cap) {
        files->cap = files->cap ? 2 * files->cap : 16;
        files->file = text_realloc(files->file, files->cap * sizeof files->file[0]);
    }
    files->file[files->n++] = (struct found){.path = path,
                                             .top = top,
                                             .node = {st->st_dev, st->st_ino},
                                             .size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
                                             .named = filename_is_model(path)};
}

/* Folders of version control systems hold files under names of their own; they are not entered. */
static bool is_version_control(const char *path) {
    static const char *const names[] = {".git", ".svn", ".hg"};
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(slash ? slash + 1 : path, names[i]) == 0) return true;
    return false;
}

/* The first such folder is reported always, further ones under -v. */
static void leave_out(struct run *run, const char *folder, struct finds *files) {
    (files->told ? run_report_skip : run_report_skip_aloud)(run, folder, SKIP_VERSION_CONTROL);
    files->told = true;
}

/* Adds a file to `files`, and a folder to `folders`. Links are followed only if they lead to files, so there are no
 * loops. */
static void sort_in(struct run *run, char *path, struct paths *folders, struct finds *files) {
    struct stat st;
    bool known = lstat(path, &st) == 0;
    if (known && S_ISDIR(st.st_mode) && !is_version_control(path)) {
        paths_add(folders, path);
        return;
    }
    if (known && S_ISDIR(st.st_mode)) {
        leave_out(run, path, files);
    } else if (!known || stat(path, &st) != 0) {
        report_errno(run, path, "open");
    } else if (S_ISREG(st.st_mode)) {
        const enum skip why = why_unsuited(run, path);
        if (why == SKIP_ARCHIVE || why == SKIP_PACKED) dedup_note(run, path);
        if (why == SKIP_NOT) {
            add_found(files, path, files->top, &st);
            return;
        }
        (why == SKIP_CUT ? run_report_skip_aloud : run_report_skip)(run, path, why);
    }
    free(path);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts the entries by name, so that the messages come in the same order each time. The last of `folders` is read next.
 * */
static void sort_in_all(struct run *run, struct paths *entries, struct paths *folders, struct finds *files) {
    const size_t first = folders->n;
    if (entries->n) qsort(entries->path, entries->n, sizeof entries->path[0], by_name);
    for (size_t i = 0; i < entries->n; i++) sort_in(run, entries->path[i], folders, files);
    for (size_t i = first, k = folders->n; i + 1 < k; i++) {
        char *path = folders->path[i];
        folders->path[i] = folders->path[--k];
        folders->path[k] = path;
    }
    free(entries->path);
}

static void read_folder(struct run *run, const char *folder, struct paths *folders, struct finds *files) {
    struct paths entries = {0};
    DIR *dir = opendir(folder);
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    if (!dir) {
        report_errno(run, folder, "open the folder");
        return;
    }
    char *inside = text_join(folder, slash, ".");
    touched_visit(&run->touched, inside);
    free(inside);
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            paths_add(&entries, text_join(folder, slash, entry->d_name));
    if (errno) report_errno(run, folder, "read the folder");
    closedir(dir);
    sort_in_all(run, &entries, folders, files);
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct found *)a)->path, ((const struct found *)b)->path);
}

/* Brings names of one file together: first those of the command line, then the best name. */
static int by_node(const void *a, const void *b) {
    const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;
    if (x->node.device != y->node.device) return x->node.device < y->node.device ? -1 : 1;
    if (x->node.number != y->node.number) return x->node.number < y->node.number ? -1 : 1;
    if (!x->top != !y->top) return x->top ? 1 : -1;
    if (x->named != y->named) return x->named ? -1 : 1;
    return strcmp(x->path, y->path);
}

static bool is_same(const struct found *x, const struct found *y) {
    return x->node.device == y->node.device && x->node.number == y->node.number;
}

/* A cache of models holds a file once, under the name of its hash, with links to it. Of such names, the one that ends
 * like model weights is taken. A file that the command line names is taken under each of these names. */
static void find_other_names(struct finds *files) {
    struct found **order = text_realloc(NULL, (files->n + 1) * sizeof *order);
    size_t n = 0;
    for (size_t i = 0; i < files->n; i++)
        if (!files->file[i].again) order[n++] = &files->file[i];
    if (n) qsort(order, n, sizeof order[0], by_node);
    for (size_t i = 1; i < n; i++) order[i]->again = order[i]->top && is_same(order[i], order[i - 1]);
    free(order);
}

/* A name in a folder, by whatever path it was reached. */
struct entry {
    struct node folder;
    const char *name;
    struct found *found;
};

static bool is_same_entry(const struct entry *x, const struct entry *y) {
    return x->folder.device == y->folder.device && x->folder.number == y->folder.number &&
           strcmp(x->name, y->name) == 0;
}

/* Brings equal names together, one from the command line first. */
static int by_entry(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->folder.device != y->folder.device) return x->folder.device < y->folder.device ? -1 : 1;
    if (x->folder.number != y->folder.number) return x->folder.number < y->folder.number ? -1 : 1;
    const int order = strcmp(x->name, y->name);
    if (order) return order;
    if (!x->found->top != !y->found->top) return x->found->top ? 1 : -1;
    return x->found < y->found ? -1 : 1;
}

/* Several operands may lead to the same place. The file there is processed once. */
static void find_repeats(struct finds *files) {
    struct entry *entry = text_realloc(NULL, (files->n + 1) * sizeof *entry);
    size_t n = 0;
    for (size_t i = 0; i < files->n; i++) {
        struct found *f = &files->file[i];
        const char *slash = strrchr(f->path, '/');
        char *folder = filename_folder(f->path);
        struct stat st;
        if (strcmp(f->path, "-") != 0 && stat(folder, &st) == 0)
            entry[n++] = (struct entry){{st.st_dev, st.st_ino}, slash ? slash + 1 : f->path, f};
        free(folder);
    }
    if (n) qsort(entry, n, sizeof *entry, by_entry);
    for (size_t i = 1; i < n; i++) entry[i].found->again |= is_same_entry(&entry[i], &entry[i - 1]);
    free(entry);
}

/* The longest file may hold all that the others hold, so it comes first. */
static int longest_first(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    return strcmp(x->path, y->path);
}

static void list_folder(struct run *run, const char *top, struct finds *files) {
    const size_t first = files->n;
    struct paths folders = {0};
    files->top = top;
    if (is_version_control(top))
        leave_out(run, top, files);
    else
        paths_add(&folders, text_join(top, "", ""));
    while (folders.n > 0) {
        char *folder = folders.path[--folders.n];
        read_folder(run, folder, &folders, files);
        free(folder);
    }
    paths_free(&folders);
    const size_t n = files->n - first;
    if (n) qsort(files->file + first, n, sizeof files->file[0], by_path);
}

static void list_operand(struct run *run, const char *path, struct finds *files) {
    struct stat st = {.st_size = 0};
    const bool folder = strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    if (!folder) {
        add_found(files, text_join(path, "", ""), NULL, &st);
    } else if (run->args->recursive) {
        list_folder(run, path, files);
    } else {
        zipnn_error err;
        cli_fail(&err, ZIPNN_E_ARGUMENT, "is a folder: -r works on the files in it");
        run_report_failure(run, path, &err);
    }
}

/* Makes `f` the present file of the run. */
static void turn_to(struct run *run, const struct found *f) {
    run->in_folder = f->top != NULL;
    run->top = f->top;
}

static char *result_of(struct run *run, const struct found *f) {
    turn_to(run, f);
    return run->args->operation == OP_COMPRESS ? result_archive(run, f->path) : result_original(run, f->path);
}

/* Notes what compressing these files will delete and replace. */
static void note_touched(struct run *run, const struct finds *files) {
    const struct args *args = run->args;
    struct touched *t = &run->touched;
    const bool replaces = args->force || (isatty(STDIN_FILENO) && isatty(STDERR_FILENO));
    for (size_t i = 0; i < files->n; i++) {
        const struct found *f = &files->file[i];
        if (strcmp(f->path, "-") == 0 || f->again) continue;
        touched_visit(t, f->path);
        if (args->in_place) continue; /* an archive of the file takes its place, and is a base as the file was */
        if (args->remove) touched_remove(t, f->path);
        char *output = args->output ? text_join(args->output, "", "") : result_of(run, f);
        const bool stale = args->update && !worth_is_done(run, f->path); /* for the file that result_of turned to */
        if ((replaces || stale) && !args->to_stdout) touched_replace(t, output);
        free(output);
    }
    if (args->to_stdout) touched_replace_stdout(t);
}

static void work_on(struct run *run, const struct found *f, each_fn *each) {
    turn_to(run, f);
    if (f->again) {
        run_report_skip(run, f->path, SKIP_OTHER_NAME);
    } else {
        progress_file(&run->progress, f->path, f->size);
        each(run, f->path);
    }
    folders_unlock(run);
}

/* Tells the progress how much there is to do. */
static void count_files(struct run *run, const struct finds *files) {
    uint64_t bytes = 0;
    size_t n = 0;
    for (size_t i = 0; i < files->n; i++) {
        if (files->file[i].again) continue;
        n++;
        bytes += files->file[i].size;
    }
    progress_files(&run->progress, n, bytes);
}

/* The list is complete before the first file is processed. So results of this run do not appear in it, and no archive
 * is made from a file that the run is about to delete or replace. */
void for_each_file(struct run *run, each_fn *each) {
    const enum operation op = run->args->operation;
    struct finds files = {0};
    struct paths listed = {0};
    for (size_t i = 0; i < run->args->n_files; i++) list_operand(run, run->args->files[i], &files);
    if (run->args->filelist) filelist_read(run, &listed);
    for (size_t i = 0; i < listed.n; i++) list_operand(run, listed.path[i], &files);
    const bool joins =
        uses[op].gives == GIVES_PARTS || run->args->to_stdout; /* and the same bytes may be wanted twice */
    if (run->args->n_files + listed.n > 1 && !joins) find_repeats(&files);
    if (takes_models(run) || run->args->in_place) find_other_names(&files);
    if (op == OP_COMPRESS) note_touched(run, &files);
    if (run->args->dedup_files && files.n) qsort(files.file, files.n, sizeof files.file[0], longest_first);
    count_files(run, &files);
    for (size_t i = 0; i < files.n; i++) work_on(run, &files.file[i], each);
    progress_files(&run->progress, 0, 0);
    for (size_t i = 0; i < files.n; i++) free(files.file[i].path);
    free(files.file);
    paths_free(&listed);
    if (op == OP_LIST) run_put_total(run);
    if (run->args->recursive && (op == OP_COMPRESS || op == OP_RESTORE || op == OP_TEST)) run_report_sum(run);
}
