#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "filenames.h"
#include "text.h"

typedef void each_fn(struct run *run, const char *path);

static void report_errno(struct run *run, const char *path, const char *verb) {
    zipnn_error err;
    run_fail(&err, ZIPNN_E_ARGUMENT, "cannot %s: %s", verb, strerror(errno));
    run_report_failure(run, path, &err);
}

static bool suits(const struct run *run, const char *path) {
    const enum operation op = run->args->operation;
    bool writes_archives = op == OP_COMPRESS || op == OP_BENCH || op == OP_ESTIMATE;
    bool archive = filename_is_archive(path);
    bool wanted = writes_archives ? filename_is_model(path) && !archive : archive;
    if (!wanted)
        run_report_skip(run, path,
                        !writes_archives ? "the suffix is not " ARCHIVE_SUFFIX
                        : archive        ? "it is named " ARCHIVE_SUFFIX " already"
                                         : "the suffix is not one of model weights");
    return wanted;
}

/* Files go to `files`, folders to `folders`. Links are followed to files only: there are no loops that way. */
static void sort_in(struct run *run, char *path, struct paths *folders, struct paths *files) {
    struct stat st;
    bool known = lstat(path, &st) == 0;
    if (known && S_ISDIR(st.st_mode)) {
        paths_add(folders, path);
        return;
    }
    if (!known || stat(path, &st) != 0)
        report_errno(run, path, "open");
    else if (S_ISREG(st.st_mode) && suits(run, path)) {
        paths_add(files, path);
        return;
    }
    free(path);
}

static void read_folder(struct run *run, const char *folder, struct paths *folders, struct paths *files) {
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
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The list is complete before the first file is touched, so results do not turn up in it. */
static void walk_folder(struct run *run, const char *top, each_fn *each) {
    struct paths folders = {0}, files = {0};
    paths_add(&folders, text_join(top, "", ""));
    while (folders.n > 0) {
        char *folder = folders.path[--folders.n];
        read_folder(run, folder, &folders, &files);
        free(folder);
    }
    if (files.n) qsort(files.path, files.n, sizeof files.path[0], by_path);
    for (size_t i = 0; i < files.n; i++) each(run, files.path[i]);
    paths_free(&folders);
    paths_free(&files);
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
}
