#include "commands/chain_steps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/run_context.h"
#include "shared/text.h"

/* "00000012.model.safetensors.znn" */
static bool parse_name(const char *file, uint64_t *number, size_t *name_at) {
    char *end;
    if (*file < '0' || *file > '9' || !filename_is_archive(file)) return false;
    errno = 0;
    *number = strtoull(file, &end, 10);
    *name_at = (size_t)(end - file) + 1;
    return errno == 0 && *end == '.' && end[1] != '\0';
}

static void read_bases(const zipnn_archive *archive, unsigned n, struct step *s) {
    zipnn_base_info base;
    s->bases = n ? text_realloc(NULL, n * sizeof *s->bases) : NULL;
    for (unsigned i = 0; i < n && zipnn_archive_base(archive, i, &base, NULL) == ZIPNN_OK; i++) {
        struct step_base *b = &s->bases[s->n_bases++];
        *b = (struct step_base){.length = base.original, .name = text_join(base.name, "", ""), .step = NO_STEP};
        memcpy(b->xxh3, base.xxh3, sizeof b->xxh3);
    }
}

static void read_step(const zipnn_archive *archive, struct step *s) {
    zipnn_archive_info info;
    zipnn_archive_get_info(archive, &info);
    s->original = info.original;
    s->stored = info.archive;
    memcpy(s->xxh3, info.xxh3, sizeof s->xxh3);
    read_bases(archive, info.n_bases, s);
}

/* A step that cannot be opened is listed too. */
static void open_step(zipnn_ctx *ctx, struct step *s) {
    zipnn_file *file = NULL;
    zipnn_archive *archive = NULL;
    zipnn_source source;
    zipnn_status st = zipnn_file_open(s->path, &file, &s->why);
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK) st = zipnn_archive_open(ctx, &source, &archive, &s->why);
    s->damaged = st != ZIPNN_OK;
    if (!s->damaged) read_step(archive, s);
    zipnn_archive_close(archive);
    zipnn_file_close(file);
}

static int by_number(const void *a, const void *b) {
    const struct step *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return strcmp(x->path, y->path);
}

static bool holds(const struct step *s, const struct step_base *base) {
    return !s->damaged && s->original == base->length && memcmp(s->xxh3, base->xxh3, sizeof s->xxh3) == 0;
}

/* Chains make a step from an earlier one, so the nearest step before it is preferred. Another command may have made a
 * step with a low number from a later one. */
static size_t find_step(const struct steps *steps, size_t index, const struct step_base *base) {
    for (size_t k = index; k-- > 0;)
        if (holds(&steps->step[k], base)) return k;
    for (size_t k = index + 1; k < steps->n; k++)
        if (holds(&steps->step[k], base)) return k;
    return NO_STEP;
}

static void find_bases(struct steps *steps) {
    for (size_t i = 0; i < steps->n; i++)
        for (unsigned k = 0; k < steps->step[i].n_bases; k++)
            steps->step[i].bases[k].step = find_step(steps, i, &steps->step[i].bases[k]);
}

/* Returns whether the name is that of a folder, FIFO or the like. A file that cannot be examined may be a step. */
static bool is_no_step(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static void add_step(struct steps *steps, struct step step) {
    if (steps->n == steps->cap) {
        steps->cap = steps->cap ? 2 * steps->cap : 16;
        steps->step = text_realloc(steps->step, steps->cap * sizeof steps->step[0]);
    }
    steps->step[steps->n++] = step;
}

/* "00000012.step-500", with at least eight digits. */
static bool parse_folder_name(const char *file, uint64_t *number, size_t *name_at) {
    char *end;
    if (*file < '0' || *file > '9') return false;
    errno = 0;
    *number = strtoull(file, &end, 10);
    *name_at = (size_t)(end - file) + 1;
    return errno == 0 && end - file >= 8 && *end == '.' && end[1] != '\0';
}

enum { MOST_DEPTH = 64 };

/* Adds the archives below the folder of a step. `like` has its number, and the place of its name in every path. */
static zipnn_status read_below(struct run *run, const char *folder, size_t name_at, const struct step *like,
                               unsigned depth, struct steps *steps, zipnn_error *err) {
    zipnn_status st = ZIPNN_OK;
    DIR *dir = depth < MOST_DEPTH ? opendir(folder) : NULL;
    if (!dir) return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot open the folder: %s", folder, strerror(errno));
    for (const struct dirent *entry; st == ZIPNN_OK && (entry = readdir(dir)) != NULL;) {
        struct stat found;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        struct step s = {.number = like->number, .in_folder = like->in_folder};
        s.path = text_join(folder, "/", entry->d_name);
        s.name = s.path + name_at;
        const bool known = lstat(s.path, &found) == 0;
        if (known && S_ISREG(found.st_mode) && filename_is_archive(entry->d_name)) {
            open_step(run->ctx, &s);
            add_step(steps, s);
            continue;
        }
        if (known && S_ISDIR(found.st_mode)) st = read_below(run, s.path, name_at, like, depth + 1, steps, err);
        free(s.path);
    }
    closedir(dir);
    return st;
}

static zipnn_status read_step_folder(struct run *run, const char *folder, const char *entry, struct steps *steps,
                                     zipnn_error *err) {
    struct step like = {.number = 0};
    struct stat st;
    size_t name_at;
    if (!parse_folder_name(entry, &like.number, &name_at)) return ZIPNN_OK;
    char *path = text_join(folder, "/", entry);
    zipnn_status status = ZIPNN_OK;
    like.in_folder = strlen(entry) - name_at;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        status = read_below(run, path, strlen(folder) + 1 + name_at, &like, 0, steps, err);
    free(path);
    return status;
}

/* Files of one folder share its number; nothing else does. */
static bool shares_number(const struct step *a, const struct step *b) {
    const size_t top = (size_t)(a->name - a->path) + a->in_folder;
    return a->in_folder && a->in_folder == b->in_folder && strncmp(a->path, b->path, top) == 0;
}

static zipnn_status read_folder(struct run *run, const char *folder, struct steps *steps, zipnn_error *err) {
    DIR *dir = opendir(folder);
    if (!dir) return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot open the folder: %s", folder, strerror(errno));
    zipnn_status st = ZIPNN_OK;
    for (const struct dirent *entry; st == ZIPNN_OK && (entry = readdir(dir)) != NULL;) {
        struct step s = {.number = 0};
        size_t name_at;
        st = read_step_folder(run, folder, entry->d_name, steps, err);
        if (!parse_name(entry->d_name, &s.number, &name_at)) continue;
        s.path = text_join(folder, "/", entry->d_name);
        s.name = s.path + strlen(folder) + 1 + name_at;
        if (is_no_step(s.path)) {
            free(s.path);
            continue;
        }
        open_step(run->ctx, &s);
        add_step(steps, s);
    }
    closedir(dir);
    if (st != ZIPNN_OK) return st;
    if (steps->n) qsort(steps->step, steps->n, sizeof steps->step[0], by_number);
    for (size_t i = 1; i < steps->n; i++)
        if (steps->step[i].number == steps->step[i - 1].number && !shares_number(&steps->step[i - 1], &steps->step[i]))
            return cli_fail(err, ZIPNN_E_ARGUMENT, "two files have the number %" PRIu64, steps->step[i].number);
    find_bases(steps);
    return ZIPNN_OK;
}

/* Only one program changes a chain at a time; the others wait. */
static zipnn_status lock_folder(const struct run *run, const char *folder, int *lock, zipnn_error *err) {
    *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock >= 0 && folder_lock(run, *lock, LOCKED_ALONE, folder)) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot lock the folder: %s", folder, strerror(errno));
}

zipnn_status steps_open(struct run *run, const char *folder, enum steps_use use, struct steps *steps,
                        zipnn_error *err) {
    *steps = (struct steps){.lock = -1};
    zipnn_status st = run_need_context(run, err);
    if (st != ZIPNN_OK) return st;
    if (use == STEPS_ADD && mkdir(folder, S_IRWXU | S_IRWXG | S_IRWXO) != 0 && errno != EEXIST)
        return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot make the folder: %s", folder, strerror(errno));
    if (use != STEPS_LOOK) st = lock_folder(run, folder, &steps->lock, err);
    if (st != ZIPNN_OK) return st;
    return read_folder(run, folder, steps, err);
}

void steps_close(struct steps *steps) {
    for (size_t i = 0; i < steps->n; i++) {
        free(steps->step[i].path);
        step_forget_bases(&steps->step[i]);
        free(steps->step[i].bases);
    }
    free(steps->step);
    if (steps->lock > 0) close(steps->lock);
    *steps = (struct steps){.lock = -1};
}

/* Reads a number that ends at `stop`. */
static bool parse_number(const char *text, char stop, uint64_t *number, const char **end) {
    char *after;
    errno = 0;
    *number = strtoull(text, &after, 10);
    *end = after;
    return *text >= '0' && *text <= '9' && errno == 0 && *after == stop;
}

bool steps_parse_range(const char *text, uint64_t *first, uint64_t *last) {
    const char *end;
    return parse_number(text, '-', first, &end) && parse_number(end + 1, '\0', last, &end);
}

static bool is_called(const struct step *s, const char *text) {
    const size_t len = strlen(text);
    if (strncmp(s->name, text, len) != 0) return false;
    return s->in_folder ? len == s->in_folder : strcmp(s->name + len, ARCHIVE_SUFFIX) == 0;
}

zipnn_status steps_find(const struct steps *steps, const char *text, size_t *index, zipnn_error *err) {
    uint64_t number;
    const char *end;
    const bool numbered = parse_number(text, '\0', &number, &end);
    for (size_t i = steps->n; i-- > 0;) {
        if (numbered ? steps->step[i].number != number : !is_called(&steps->step[i], text)) continue;
        *index = i;
        return ZIPNN_OK;
    }
    if (!numbered && steps->n && strcmp(text, "last") == 0) {
        *index = steps->n - 1;
        return ZIPNN_OK;
    }
    if (!numbered)
        return cli_fail(err, ZIPNN_E_NOT_FOUND, "there is no step of a file \"%.80s\", and it is not a number", text);
    return cli_fail(err, ZIPNN_E_NOT_FOUND, "there is no step %" PRIu64, number);
}

size_t step_parent(const struct step *s) {
    for (unsigned i = 0; i < s->n_bases; i++)
        if (s->bases[i].step != NO_STEP) return s->bases[i].step;
    return NO_STEP;
}

const struct step_base *step_missing(const struct step *s) {
    for (unsigned i = 0; i < s->n_bases; i++)
        if (s->bases[i].step == NO_STEP) return &s->bases[i];
    return NULL;
}

void step_forget_bases(struct step *s) {
    for (unsigned k = 0; k < s->n_bases; k++) free(s->bases[k].name);
    s->n_bases = 0;
}

bool step_needs(const struct step *s, size_t index) {
    for (unsigned i = 0; i < s->n_bases; i++)
        if (s->bases[i].step == index) return true;
    return false;
}

/* Returns the steps that are needed for one, each once, itself first: *n of them. The caller frees the array. */
static size_t *needed_for(const struct steps *steps, size_t index, size_t *n) {
    size_t *needed = text_realloc(NULL, steps->n * sizeof *needed);
    bool *listed = text_realloc(NULL, steps->n);
    memset(listed, false, steps->n);
    needed[0] = index;
    listed[index] = true;
    *n = 1;
    for (size_t i = 0; i < *n; i++) {
        const struct step *s = &steps->step[needed[i]];
        for (unsigned k = 0; k < s->n_bases; k++) {
            const size_t base = s->bases[k].step;
            if (base == NO_STEP || listed[base]) continue;
            listed[base] = true;
            needed[(*n)++] = base;
        }
    }
    free(listed);
    return needed;
}

size_t steps_depth(const struct steps *steps, size_t index) {
    size_t n;
    free(needed_for(steps, index, &n));
    return n - 1;
}

bool steps_whole(const struct steps *steps, size_t index) {
    size_t n;
    size_t *needed = needed_for(steps, index, &n);
    bool whole = true;
    for (size_t i = 0; i < n; i++) whole &= !steps->step[needed[i]].damaged && !step_missing(&steps->step[needed[i]]);
    free(needed);
    return whole;
}

/* A missing base may be a step that cannot be read: then the message says so. */
static zipnn_status fail_missing(const struct steps *steps, const struct step *s, zipnn_error *err) {
    const char *name = step_missing(s)->name;
    for (size_t i = 0; i < steps->n; i++) {
        const struct step *other = &steps->step[i];
        if (other == s || !other->damaged) continue;
        return cli_fail(err, other->why.status,
                        "step %" PRIu64 " was made against \"%.40s\", which step %" PRIu64 " may hold: %.120s",
                        s->number, name, other->number, other->why.message);
    }
    return cli_fail(err, ZIPNN_E_BASE, "step %" PRIu64 " was made against \"%.80s\", which is not in the chain",
                    s->number, name);
}

static zipnn_status open_one(const struct steps *steps, const struct step *s, struct lineage *l, zipnn_error *err) {
    if (step_missing(s)) return fail_missing(steps, s, err);
    zipnn_status st = zipnn_file_open(s->path, &l->files[l->n], err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_source(l->files[l->n], &l->sources[l->n]);
    l->names[l->n++] = s->path;
    return ZIPNN_OK;
}

zipnn_status lineage_open(const struct steps *steps, size_t index, struct lineage *l, zipnn_error *err) {
    size_t n;
    size_t *needed = needed_for(steps, index, &n);
    *l = (struct lineage){.files = text_realloc(NULL, n * sizeof *l->files),
                          .sources = text_realloc(NULL, n * sizeof *l->sources),
                          .names = text_realloc(NULL, n * sizeof *l->names)};
    zipnn_status st = ZIPNN_OK;
    for (size_t i = 0; i < n && st == ZIPNN_OK; i++) st = open_one(steps, &steps->step[needed[i]], l, err);
    free(needed);
    return st;
}

void lineage_close(struct lineage *l) {
    for (size_t i = 0; i < l->n; i++) zipnn_file_close(l->files[i]);
    free(l->files);
    free(l->sources);
    free(l->names);
    *l = (struct lineage){.n = 0};
}
