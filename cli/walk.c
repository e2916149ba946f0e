#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "filenames.h"
#include "text.h"
#include "worth.h"

typedef void each_fn(struct run *run, const char *path);

/* A file found in a folder, and what it is behind its name. */
struct found {
    char *path;
    dev_t device;
    ino_t node;
    bool named; /* its suffix is one of model weights */
    bool again; /* another name of it comes first */
};

struct finds {
    struct found *file;
    size_t n, cap;
};

static void report_errno(struct run *run, const char *path, const char *verb) {
    zipnn_error err;
    run_fail(&err, ZIPNN_E_ARGUMENT, "cannot %s: %s", verb, strerror(errno));
    run_report_failure(run, path, &err);
}

static bool takes_originals(const struct run *run) {
    const enum operation op = run->args->operation;
    return op == OP_COMPRESS || op == OP_BENCH || op == OP_ESTIMATE || op == OP_INSPECT;
}

/* Why the operation leaves the file out, NULL when it takes it. */
static const char *why_unsuited(struct run *run, const char *path) {
    const bool archive = filename_is_archive(path);
    if (!takes_originals(run)) return archive ? NULL : "the suffix is not " ARCHIVE_SUFFIX;
    if (archive) return "it is named " ARCHIVE_SUFFIX " already";
    return filename_is_model(path) || worth_is_model(run, path) ? NULL : "it is no file of model weights";
}

static void add_found(struct finds *files, char *path, const struct stat *st) {
    if (files->n == files->cap) {
        files->cap = files->cap ? 2 * files->cap : 16;
        files->file = text_realloc(files->file, files->cap * sizeof files->file[0]);
    }
    files->file[files->n++] = (struct found){path, st->st_dev, st->st_ino, filename_is_model(path), false};
}

/* Files go to `files`, folders to `folders`. Links are followed to files only: there are no loops that way. */
static void sort_in(struct run *run, char *path, struct paths *folders, struct finds *files) {
    struct stat st;
    bool known = lstat(path, &st) == 0;
    if (known && S_ISDIR(st.st_mode)) {
        paths_add(folders, path);
        return;
    }
    if (!known || stat(path, &st) != 0) {
        report_errno(run, path, "open");
    } else if (S_ISREG(st.st_mode)) {
        const char *why = why_unsuited(run, path);
        if (!why) {
            add_found(files, path, &st);
            return;
        }
        run_report_skip(run, path, why);
    }
    free(path);
}

static void read_folder(struct run *run, const char *folder, struct paths *folders, struct finds *files) {
    DIR *dir = opendir(folder);
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    if (!dir) {
        report_errno(run, folder, "open the folder");
        return;
    }
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            sort_in(run, text_join(folder, slash, entry->d_name), folders, files);
    if (errno) report_errno(run, folder, "read the folder");
    closedir(dir);
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct found *)a)->path, ((const struct found *)b)->path);
}

/* Names of one file next to each other, the best name first. */
static int by_node(const void *a, const void *b) {
    const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    if (x->node != y->node) return x->node < y->node ? -1 : 1;
    if (x->named != y->named) return x->named ? -1 : 1;
    return strcmp(x->path, y->path);
}

/* A cache of models holds a file once, under the name of its hash, and links to it under its own: the name that ends
 * like one of model weights is the one that counts. */
static void find_other_names(struct finds *files) {
    struct found **order = text_realloc(NULL, (files->n + 1) * sizeof *order);
    for (size_t i = 0; i < files->n; i++) order[i] = &files->file[i];
    if (files->n) qsort(order, files->n, sizeof order[0], by_node);
    for (size_t i = 1; i < files->n; i++)
        order[i]->again = order[i]->device == order[i - 1]->device && order[i]->node == order[i - 1]->node;
    free(order);
}

static void work_on(struct run *run, const struct found *f, each_fn *each) {
    const char *why = f->again ? "it is another name of a file of this folder" : NULL;
    if (!why && run->args->operation == OP_COMPRESS) why = worth_why_not(run, f->path);
    if (why)
        run_report_skip(run, f->path, why);
    else
        each(run, f->path);
}

/* The list is complete before the first file is touched, so results do not turn up in it. */
static void walk_folder(struct run *run, const char *top, each_fn *each) {
    struct paths folders = {0};
    struct finds files = {0};
    paths_add(&folders, text_join(top, "", ""));
    while (folders.n > 0) {
        char *folder = folders.path[--folders.n];
        read_folder(run, folder, &folders, &files);
        free(folder);
    }
    if (files.n) qsort(files.file, files.n, sizeof files.file[0], by_path);
    if (takes_originals(run)) find_other_names(&files);
    for (size_t i = 0; i < files.n; i++) {
        work_on(run, &files.file[i], each);
        free(files.file[i].path);
    }
    paths_free(&folders);
    free(files.file);
}

static void walk_operand(struct run *run, const char *path, each_fn *each) {
    struct stat st;
    bool folder = strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    if (!folder) {
        each(run, path);
    } else if (run->args->recursive) {
        walk_folder(run, path, each);
    } else {
        zipnn_error err;
        run_fail(&err, ZIPNN_E_ARGUMENT, "is a folder: -r works on the files in it");
        run_report_failure(run, path, &err);
    }
}

void walk_files(struct run *run, each_fn *each) {
    for (size_t i = 0; i < run->args->n_files; i++) walk_operand(run, run->args->files[i], each);
    const enum operation op = run->args->operation;
    if (run->args->recursive && (op == OP_COMPRESS || op == OP_RESTORE || op == OP_TEST)) run_report_sum(run);
}
