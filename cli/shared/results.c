#include "shared/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/text.h"

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Returns `path` without what makes it absolute, and without "./" in front. */
static const char *relative(const char *path) {
    for (;;) {
        if (path[0] == '/')
            path++;
        else if (path[0] == '.' && path[1] == '/')
            path += 2;
        else
            return path;
    }
}

/* Returns the part of `path` that is kept below the output folder. A file of a folder that the command line names keeps
 * its place in that folder. */
static const char *kept(const struct run *run, const char *path) {
    const char *top = run->in_folder ? run->top : NULL;
    const size_t n = top ? strlen(top) : 0;
    if (run->args->placing == PLACED_MIRROR) return relative(path);
    if (run->args->placing == PLACED_IN && n && strncmp(path, top, n) == 0) return relative(path + n);
    return base_of(path);
}

char *result_place(const struct run *run, char *beside) {
    const char *folder = run->args->output_dir;
    if (run->args->placing == PLACED_BESIDE) return beside;
    char *placed = text_join(folder, folder[strlen(folder) - 1] == '/' ? "" : "/", kept(run, beside));
    free(beside);
    return placed;
}

char *result_archive(const struct run *run, const char *path) {
    return result_place(run, text_join(path, ARCHIVE_SUFFIX, ""));
}

char *result_original(const struct run *run, const char *path) {
    return result_place(run, filename_restored(path));
}

/* Returns whether a component of `path` is "..". */
static bool climbs(const char *path) {
    for (const char *at = path; at; at = strchr(at, '/')) {
        if (at[0] == '/') at++;
        if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || !at[2])) return true;
    }
    return false;
}

zipnn_status result_check(const struct run *run, const char *path, zipnn_error *err) {
    if (run->args->placing != PLACED_MIRROR || !climbs(path)) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_ARGUMENT,
                    "--output-dir-mirror cannot mirror a path with \"..\": give an absolute path, or use -o DIR/");
}

zipnn_status make_folders_to(const char *result, zipnn_error *err) {
    char *path = text_join(result, "", "");
    zipnn_status st = ZIPNN_OK;
    for (char *slash = strchr(path + 1, '/'); slash && st == ZIPNN_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            st = cli_fail(err, ZIPNN_E_IO, "%.200s: cannot make the folder: %s", path, strerror(errno));
        *slash = '/';
    }
    free(path);
    return st;
}

zipnn_status result_make_folders(const struct run *run, const char *result, zipnn_error *err) {
    return run->args->placing == PLACED_BESIDE ? ZIPNN_OK : make_folders_to(result, err);
}
