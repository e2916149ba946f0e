#include "shared/base_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/cli_fail.h"
#include "shared/concatenated.h"
#include "shared/filenames.h"
#include "shared/interrupt.h"
#include "shared/text.h"

/* So many files are kept open. A folder may hold more files than a process may open; the others are opened for each
 * read. */
enum { KEPT_OPEN = 64 };

struct base_file {
    zipnn_file *file; /* NULL: opened for each reading */
    struct node node;
    uint64_t length;
    char *shown; /* what archives call it; NULL: `path` */
    char path[];
};

static struct node node_of(const struct stat *st) {
    return (struct node){st->st_dev, st->st_ino};
}

/* ---- one file */

static zipnn_status open_file(const struct base_file *b, zipnn_file **file, zipnn_source *source, zipnn_error *err) {
    zipnn_status st = zipnn_file_open(b->path, file, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_source(*file, source);
    if (!source->read_at)
        st = cli_fail(err, ZIPNN_E_ARGUMENT, "%.150s: only a regular file can be a base", b->path);
    else if (source->length != b->length || !touched_leads_to(b->path, b->node))
        st = cli_fail(err, ZIPNN_E_IO, "%.150s: changed while it was a base", b->path);
    if (st != ZIPNN_OK) zipnn_file_close(*file);
    return st;
}

static zipnn_status read_once(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    const struct base_file *b = user;
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_status st = open_file(b, &file, &source, err);
    if (st != ZIPNN_OK) return st;
    st = source.read_at(source.user, off, buf, len, err);
    zipnn_file_close(file);
    return st;
}

/* Opens the file and keeps it open. If the page cache holds it, it is read in place. */
static zipnn_status keep_open(struct base_file *b, zipnn_source *source, zipnn_error *err) {
    if (b->file) return ZIPNN_OK;
    zipnn_file *file = NULL;
    zipnn_status st = open_file(b, &file, source, err);
    if (st != ZIPNN_OK) return st;
    b->file = file;
    if (zipnn_file_is_cached(b->file)) {
        interrupt_survive_cut_files();
        (void)zipnn_file_map(b->file, NULL);
    }
    zipnn_file_source(b->file, source);
    return ZIPNN_OK;
}

/* ---- the list */

static bool has_node(const struct bases *b, struct node node) {
    bool has = false;
    for (size_t i = 0; i < b->n && !has; i++)
        has = b->files[i]->node.device == node.device && b->files[i]->node.number == node.number;
    return has;
}

/* What an archive that is made calls the file; otherwise where it is. A name that begins with "./" is a way, which not every
 * path is. */
static char *name_of(const struct bases *b, struct base_file *file) {
    char *path = file->path;
    while (b->compressing && path[0] == '.' && path[1] == '/') path += 2;
    return file->shown ? file->shown : path;
}

enum keeping { KEEP_OPEN, READ_ONCE };

static zipnn_status add(struct bases *b, const char *path, const struct stat *st, enum keeping keeping,
                        zipnn_error *err) {
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 16;
        b->files = text_realloc(b->files, b->cap * sizeof b->files[0]);
        b->sources = text_realloc(b->sources, b->cap * sizeof b->sources[0]);
        b->names = text_realloc(b->names, b->cap * sizeof b->names[0]);
    }
    const size_t len = strlen(path) + 1;
    struct base_file *file = text_realloc(NULL, sizeof *file + len);
    *file = (struct base_file){.node = node_of(st), .length = (uint64_t)st->st_size};
    memcpy(file->path, path, len);
    b->files[b->n] = file;
    b->names[b->n] = name_of(b, file);
    b->sources[b->n] = (zipnn_source){.read_at = read_once, .length = file->length, .user = file};
    const size_t i = b->n++;
    return keeping == KEEP_OPEN ? keep_open(file, &b->sources[i], err) : ZIPNN_OK;
}

/* Returns why this run may not use the file as a base, NULL if it may. */
static const char *why_unfit(const struct bases_wanted *w, struct node node) {
    if (w->input && touched_leads_to(w->input, node)) return "a file cannot be its own base";
    if (w->output && touched_leads_to(w->output, node)) return "this run writes it";
    if (!w->touched) return NULL;
    if (touched_is_replaced(w->touched, node)) return "this run replaces it";
    return touched_is_removed(w->touched, node) ? "this run deletes it (--rm)" : NULL;
}

static zipnn_status add_named(const struct bases_wanted *w, struct bases *b, zipnn_error *err) {
    for (size_t i = 0; i < w->args->n_bases; i++) {
        const char *path = w->args->bases[i];
        struct stat st;
        if (stat(path, &st) != 0) return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot open: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
            return cli_fail(err, ZIPNN_E_ARGUMENT, "%.150s: only a regular file can be a base", path);
        const char *why = why_unfit(w, node_of(&st));
        if (why) return cli_fail(err, ZIPNN_E_ARGUMENT, "%.150s cannot be a base: %s", path, why);
        zipnn_status status = add(b, path, &st, KEEP_OPEN, err);
        if (status != ZIPNN_OK) return status;
    }
    return ZIPNN_OK;
}

/* ---- folders */

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Collects the paths of the files of a folder, in the order of their names. */
static zipnn_status list_folder(const char *folder, struct paths *found, zipnn_error *err) {
    DIR *dir = opendir(folder);
    if (!dir) return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot open the folder: %s", folder, strerror(errno));
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(dir)) != NULL) paths_add(found, text_join(folder, "/", entry->d_name));
    const int os_error = errno;
    closedir(dir);
    if (os_error) return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot read the folder: %s", folder, strerror(os_error));
    if (found->n) qsort(found->path, found->n, sizeof found->path[0], by_name);
    return ZIPNN_OK;
}

static bool is_candidate(const struct bases_wanted *w, const char *path) {
    return !w->compressing || filename_is_archive(path) || filename_is_model(path);
}

static zipnn_status add_folder(const struct bases_wanted *w, const char *folder, struct bases *b, zipnn_error *err) {
    struct paths found = {0};
    zipnn_status status = list_folder(folder, &found, err);
    for (size_t i = 0; status == ZIPNN_OK && i < found.n; i++) {
        struct stat st;
        if (!is_candidate(w, found.path[i]) || stat(found.path[i], &st) != 0 || !S_ISREG(st.st_mode)) continue;
        if (access(found.path[i], R_OK) != 0) continue;
        if (has_node(b, node_of(&st)) || why_unfit(w, node_of(&st))) continue;
        status = add(b, found.path[i], &st, b->n < KEPT_OPEN ? KEEP_OPEN : READ_ONCE, err);
    }
    paths_free(&found);
    return status;
}

/* Adds files of which some are nearer than others: the library finds that out. */
static zipnn_status add_also(const struct bases_wanted *w, struct bases *b, zipnn_error *err) {
    zipnn_status status = ZIPNN_OK;
    for (size_t i = 0; status == ZIPNN_OK && w->also && i < w->also->n; i++) {
        const char *path = w->also->path[i];
        struct stat st;
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || access(path, R_OK) != 0) continue;
        if (has_node(b, node_of(&st)) || why_unfit(w, node_of(&st))) continue;
        status = add(b, path, &st, b->n < KEPT_OPEN ? KEEP_OPEN : READ_ONCE, err);
        if (status != ZIPNN_OK || !w->compressing || !w->output) continue;
        struct base_file *file = b->files[b->n - 1];
        file->shown = filename_way(w->output, path);
        b->names[b->n - 1] = name_of(b, file);
    }
    return status;
}

bool bases_is_archive(const char *path) {
    unsigned char head[ARCHIVE_MAGIC];
    struct stat st;
    FILE *file =
        stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "rbe") : NULL; /* a pipe would be waited for */
    const bool read = file && fread(head, sizeof head, 1, file) == 1;
    if (file) fclose(file);
    return read && begins_archive(head, sizeof head);
}

static zipnn_status add_witness(struct bases *b, const char *path, zipnn_error *err) {
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || has_node(b, node_of(&st)) || !bases_is_archive(path))
        return ZIPNN_OK;
    return add(b, path, &st, READ_ONCE, err);
}

/* Adds all archives beside `path`; if the folder cannot be listed, the one whose name says that it was made from it. */
static zipnn_status add_witnesses(struct bases *b, const char *path, zipnn_error *err) {
    struct paths found = {0};
    char *folder = filename_folder(path);
    if (list_folder(folder, &found, err) != ZIPNN_OK) paths_add(&found, text_join(path, ARCHIVE_SUFFIX, ""));
    zipnn_status status = ZIPNN_OK;
    for (size_t i = 0; status == ZIPNN_OK && i < found.n; i++) status = add_witness(b, found.path[i], err);
    paths_free(&found);
    free(folder);
    return status;
}

static zipnn_status add_all_witnesses(const struct bases_wanted *w, struct bases *b, zipnn_error *err) {
    char *inside = w->args->base_dir ? text_join(w->args->base_dir, "/", ".") : NULL;
    zipnn_status st = inside ? add_witnesses(b, inside, err) : ZIPNN_OK;
    free(inside);
    if (st == ZIPNN_OK && w->input) st = add_witnesses(b, w->input, err);
    if (st == ZIPNN_OK && w->output) st = add_witnesses(b, w->output, err);
    for (size_t i = 0; st == ZIPNN_OK && i < w->args->n_bases; i++) st = add_witnesses(b, w->args->bases[i], err);
    for (size_t i = 0; st == ZIPNN_OK && w->touched && i < w->touched->files.n; i++)
        st = add_witnesses(b, w->touched->files.path[i], err);
    return st;
}

zipnn_status bases_open(const struct bases_wanted *w, struct bases *b, zipnn_error *err) {
    *b = (struct bases){.compressing = w->compressing};
    zipnn_status st = add_named(w, b, err);
    b->n_named = b->n;
    if (st == ZIPNN_OK && w->args->base_dir) st = add_folder(w, w->args->base_dir, b, err);
    if (st == ZIPNN_OK && w->beside) st = add_folder(w, w->beside, b, err);
    if (st == ZIPNN_OK) st = add_also(w, b, err);
    for (size_t i = 0; st == ZIPNN_OK && w->visited && i < w->visited->n; i++) {
        char *folder = filename_folder(w->visited->path[i]);
        st = add_folder(w, folder, b, err);
        free(folder);
    }
    b->n_usable = b->n;
    return st == ZIPNN_OK && w->compressing && b->n_usable ? add_all_witnesses(w, b, err) : st;
}

bool bases_is_at(const struct bases *b, size_t i, const char *path) {
    return touched_leads_to(path, b->files[i]->node);
}

zipnn_status bases_unchanged(const struct bases *b, size_t n, zipnn_error *err) {
    for (size_t i = 0; i < n && i < b->n; i++) {
        zipnn_status st = b->files[i]->file ? zipnn_file_unchanged(b->files[i]->file, err) : ZIPNN_OK;
        if (st != ZIPNN_OK) return st;
    }
    return ZIPNN_OK;
}

zipnn_status bases_prefer(struct bases *b, size_t to, size_t from, zipnn_error *err) {
    struct base_file *file = b->files[from];
    const zipnn_source source = b->sources[from];
    b->files[from] = b->files[to];
    b->sources[from] = b->sources[to];
    b->files[to] = file;
    b->sources[to] = source;
    b->names[from] = name_of(b, b->files[from]);
    b->names[to] = name_of(b, file);
    return keep_open(file, &b->sources[to], err);
}

void bases_close(struct bases *b) {
    for (size_t i = 0; i < b->n; i++) {
        zipnn_file_close(b->files[i]->file);
        free(b->files[i]->shown);
        free(b->files[i]);
    }
    free(b->files);
    free(b->sources);
    free(b->names);
    *b = (struct bases){0};
}
