#include "base_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "filenames.h"
#include "run.h"
#include "text.h"

/* Owns `path`. */
static zipnn_status add(struct bases *b, char *path, zipnn_error *err) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_status st = zipnn_file_open(path, &file, err);
    if (st == ZIPNN_OK && zipnn_file_is_cached(file)) {
        interrupt_survive_cut_files();
        (void)zipnn_file_map(file, NULL); /* read in place where that can be */
    }
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK && !source.read_at)
        st = run_fail(err, ZIPNN_E_ARGUMENT, "%.150s: only a regular file can be a base", path);
    if (st != ZIPNN_OK) {
        zipnn_file_close(file);
        free(path);
        return st;
    }
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 16;
        b->files = text_realloc(b->files, b->cap * sizeof b->files[0]);
        b->sources = text_realloc(b->sources, b->cap * sizeof b->sources[0]);
        b->names = text_realloc(b->names, b->cap * sizeof b->names[0]);
    }
    b->files[b->n] = file;
    b->sources[b->n] = source;
    b->names[b->n++] = path;
    return ZIPNN_OK;
}

static bool is_same_file(const char *path, const char *other) {
    struct stat a, b;
    return other && stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool suits(const char *path, const char *except) {
    struct stat st;
    return (filename_is_archive(path) || filename_is_model(path)) && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
           !is_same_file(path, except);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static zipnn_status add_folder(struct bases *b, const char *folder, const char *except, zipnn_error *err) {
    struct paths found = {0};
    DIR *dir = opendir(folder);
    if (!dir) return run_fail(err, ZIPNN_E_IO, "%.150s: cannot open the folder: %s", folder, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char *path = text_join(folder, "/", entry->d_name);
        if (suits(path, except))
            paths_add(&found, path);
        else
            free(path);
    }
    closedir(dir);
    if (found.n) qsort(found.path, found.n, sizeof found.path[0], by_name);
    zipnn_status st = ZIPNN_OK;
    for (size_t i = 0; i < found.n; i++) {
        if (st == ZIPNN_OK)
            st = add(b, found.path[i], err);
        else
            free(found.path[i]);
    }
    free(found.path);
    return st;
}

zipnn_status bases_open(const struct args *args, const char *except, struct bases *b, zipnn_error *err) {
    *b = (struct bases){0};
    for (size_t i = 0; i < args->n_bases; i++) {
        if (is_same_file(args->bases[i], except))
            return run_fail(err, ZIPNN_E_ARGUMENT, "a file cannot be its own base");
        zipnn_status st = add(b, text_join(args->bases[i], "", ""), err);
        if (st != ZIPNN_OK) return st;
    }
    return args->base_dir ? add_folder(b, args->base_dir, except, err) : ZIPNN_OK;
}

zipnn_status bases_unchanged(const struct bases *b, size_t n, zipnn_error *err) {
    for (size_t i = 0; i < n; i++) {
        zipnn_status st = zipnn_file_unchanged(b->files[i], err);
        if (st != ZIPNN_OK) return st;
    }
    return ZIPNN_OK;
}

void bases_swap(struct bases *b, size_t i, size_t k) {
    zipnn_file *file = b->files[i];
    const zipnn_source source = b->sources[i];
    char *name = b->names[i];
    b->files[i] = b->files[k];
    b->sources[i] = b->sources[k];
    b->names[i] = b->names[k];
    b->files[k] = file;
    b->sources[k] = source;
    b->names[k] = name;
}

void bases_close(struct bases *b) {
    for (size_t i = 0; i < b->n; i++) {
        zipnn_file_close(b->files[i]);
        free(b->names[i]);
    }
    free(b->files);
    free(b->sources);
    free(b->names);
    *b = (struct bases){0};
}
