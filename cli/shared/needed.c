#include "shared/needed.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/cli_fail.h"
#include "shared/concatenated.h"
#include "shared/filenames.h"
#include "shared/run_context.h"
#include "shared/text.h"

/* All files around a place: with the one that is about to be replaced, and without it. */
struct around {
    struct run_check with, without;
};

static zipnn_status look_around(struct run *run, const char *path, const char *folder, struct around *a,
                                zipnn_error *err) {
    struct args args = *run->args;
    args.n_bases = 0;
    const struct bases_wanted all = {.args = &args, .beside = folder, .visited = &run->touched.files};
    const struct bases_wanted others = {
        .args = &args, .beside = folder, .visited = &run->touched.files, .output = path};
    zipnn_status st = run_check_open(run, &all, &a->with, err);
    return st == ZIPNN_OK ? run_check_open(run, &others, &a->without, err) : st;
}

enum needs { NEEDS_NOTHING, NEEDS_WHAT_IS_THERE, NEEDS_MORE };

static enum needs needs_of_one(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive_info *info) {
    zipnn_archive *archive;
    zipnn_error err;
    *info = (zipnn_archive_info){.unverified = 1};
    if (zipnn_archive_open(ctx, source, &archive, NULL) != ZIPNN_OK) return NEEDS_NOTHING;
    zipnn_archive_get_info(archive, info);
    const bool whole = run_lacks_base(archive, &err) == ZIPNN_OK;
    zipnn_archive_close(archive);
    return info->n_bases == 0 ? NEEDS_NOTHING : whole ? NEEDS_WHAT_IS_THERE : NEEDS_MORE;
}

/* What an archive needs besides itself, or of archives one after the other the one that needs most; anything else needs
 * nothing. */
static enum needs needs_of(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive_info *info) {
    struct joined j;
    enum needs most = needs_of_one(ctx, source, info);
    if (!info->unverified || !joined_begin(&j, source)) return most;
    do {
        zipnn_archive_info part;
        const enum needs more = needs_of_one(ctx, &j.part, &part);
        if (more > most) most = more;
    } while (joined_next(&j));
    return most;
}

/* Returns whether an archive at `path` holds this original. If so, the new file can take its place. */
static bool holds(struct run *run, const char *path, const uint8_t *original) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive_info info = {.unverified = 1};
    if (!original || zipnn_file_open(path, &file, NULL) != ZIPNN_OK) return false;
    zipnn_file_source(file, &source);
    if (source.read_at) (void)needs_of(run->ctx, &source, &info);
    zipnn_file_close(file);
    return !info.unverified && memcmp(info.xxh3, original, sizeof info.xxh3) == 0;
}

/* Looks for the first archive that can be restored now but could not be without the file at `path`. Returns false if no
 * archive there needs anything. */
static bool find_dependent(const struct around *a, const char *path, const char **dependent) {
    const struct bases *files = &a->with.bases;
    bool any = false;
    *dependent = NULL;
    for (size_t i = 0; i < files->n && !*dependent; i++) {
        zipnn_archive_info info;
        const enum needs needs = needs_of(a->with.ctx, &files->sources[i], &info);
        any |= needs != NEEDS_NOTHING;
        if (needs != NEEDS_WHAT_IS_THERE || bases_is_at(files, i, path)) continue;
        if (needs_of(a->without.ctx, &files->sources[i], &info) == NEEDS_MORE) *dependent = files->names[i];
    }
    return any;
}

/* ---- archives of other folders that name the way to a base (--dedup) */

enum { LEVELS_UP = 3, MOST_FOLDERS = 256 };

/* Returns whether the archive tells a way that leads to the file, as it is, as its archive or as its original. */
static bool names(zipnn_ctx *ctx, const char *archive, struct node node, bool *any) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive *opened = NULL;
    zipnn_archive_info info = {.n_bases = 0};
    bool leads = false;
    if (zipnn_file_open(archive, &file, NULL) != ZIPNN_OK) return false;
    zipnn_file_source(file, &source);
    if (source.read_at && zipnn_archive_open(ctx, &source, &opened, NULL) == ZIPNN_OK)
        zipnn_archive_get_info(opened, &info);
    for (unsigned i = 0; i < info.n_bases && !leads; i++) {
        struct paths found = {0};
        zipnn_base_info base;
        if (zipnn_archive_base(opened, i, &base, NULL) == ZIPNN_OK) filename_follow_all(archive, base.name, &found);
        *any |= found.n > 0;
        for (size_t k = 0; k < found.n && !leads; k++) leads = touched_leads_to(found.path[k], node);
        paths_free(&found);
    }
    zipnn_archive_close(opened);
    zipnn_file_close(file);
    return leads;
}

/* Looks at the files of one folder, and lists its folders. Returns the archive that needs the file, which the caller frees,
 * NULL if there is none. */
static char *find_in(zipnn_ctx *ctx, const char *folder, struct node node, struct paths *folders, bool *any) {
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    char *dependent = NULL;
    while (dir && !dependent && (entry = readdir(dir)) != NULL) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *path = text_join(folder, "/", entry->d_name);
        const bool known = lstat(path, &st) == 0;
        if (known && S_ISDIR(st.st_mode) && folders->n < MOST_FOLDERS) paths_add(folders, text_join(path, "", ""));
        if (known && S_ISREG(st.st_mode) && bases_is_archive(path) && names(ctx, path, node, any))
            dependent = path;
        else
            free(path);
    }
    if (dir) closedir(dir);
    return dependent;
}

/* Looks in the folder itself, in those above it, and in what is below it and beside it. *any becomes true if an archive there
 * tells a way to a base. */
static char *find_far_dependent(struct run *run, const char *path, const char *folder, bool *any) {
    struct paths below = {0}, beside = {0};
    struct node node;
    zipnn_ctx *ctx = NULL;
    const zipnn_options options = run_options(run);
    if (!touched_find(path, &node) || zipnn_create(&options, &ctx, NULL) != ZIPNN_OK) return NULL;
    char *dependent = find_in(ctx, folder, node, &below, any), *up = text_join(folder, "", "");
    for (int level = 0; level < LEVELS_UP && !dependent; level++) {
        char *above = text_join(up, "/", "..");
        free(up);
        up = above;
        struct paths others = {0};
        dependent = find_in(ctx, up, node, level == 0 ? &beside : &others, any);
        paths_free(&others);
    }
    for (size_t i = 0; i < below.n && !dependent; i++) {
        char *inside = text_join(below.path[i], "", "");
        dependent = find_in(ctx, inside, node, &below, any);
        free(inside);
    }
    struct paths deeper = {0};
    for (size_t i = 0; i < beside.n && !dependent; i++) dependent = find_in(ctx, beside.path[i], node, &deeper, any);
    paths_free(&deeper);
    paths_free(&below);
    paths_free(&beside);
    free(up);
    zipnn_destroy(ctx);
    return dependent;
}

/* ---- */

/* Folders may be large, so each is searched once: if no archive in it needs a base, that stays so as long as this run
 * makes no archives from bases. */
static bool is_known(const struct run *run, const char *folder) {
    for (size_t i = 0; i < run->independent.n; i++)
        if (strcmp(run->independent.path[i], folder) == 0) return true;
    return false;
}

static void remember(struct run *run, const char *folder) {
    const struct args *args = run->args;
    if (args->operation == OP_CHAIN) return;
    if (args->operation == OP_COMPRESS && (args->n_bases || args->base_dir || args->dedup_files)) return;
    paths_add(&run->independent, text_join(folder, "", ""));
}

/* `fate`: what is about to become of the file. */
static zipnn_status refuse(struct run *run, const char *path, const char *folder, const char *fate, zipnn_error *err) {
    struct around a = {.with = {.ctx = NULL}, .without = {.ctx = NULL}};
    const char *dependent = NULL;
    zipnn_status st = look_around(run, path, folder, &a, err);
    bool any = st == ZIPNN_OK && find_dependent(&a, path, &dependent);
    char *far = st == ZIPNN_OK && !dependent ? find_far_dependent(run, path, folder, &any) : NULL;
    if (st == ZIPNN_OK && !any) remember(run, folder);
    if (far) dependent = far;
    if (dependent)
        st =
            cli_fail(err, ZIPNN_E_ARGUMENT, "%.80s is not %s: %.80s is made from it, and could not be restored without",
                     path, fate, dependent);
    free(far);
    run_check_end(&a.with);
    run_check_end(&a.without);
    return st;
}

static zipnn_status refuse_unless(struct run *run, const char *path, const uint8_t *original, const char *fate,
                                  zipnn_error *err) {
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) return ZIPNN_OK;
    char *folder = filename_folder(path);
    const bool can_list = access(folder, R_OK | X_OK) == 0;
    zipnn_status status = ZIPNN_OK;
    if (can_list && !is_known(run, folder) && !holds(run, path, original))
        status = refuse(run, path, folder, fate, err);
    free(folder);
    return status;
}

zipnn_status needed_refuse(struct run *run, const char *path, const uint8_t *original, zipnn_error *err) {
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) folders_lock(run, LOCKED_SHARED, NULL, path);
    return refuse_unless(run, path, original, "replaced", err);
}

zipnn_status needed_refuse_removal(struct run *run, const char *path, zipnn_error *err) {
    return refuse_unless(run, path, NULL, "removed", err);
}

void needed_forget(struct run *run, const char *path) {
    if (run->independent.n && bases_is_archive(path)) paths_free(&run->independent);
}
