/* The files that archives are made against. */
#ifndef ZIPNN_CLI_BASE_FILES_H
#define ZIPNN_CLI_BASE_FILES_H

#include "line/args.h"
#include "shared/touched.h"

struct base_file;

/* In this order: those that --base names; those of folders; and, compressing, archives that only tell who was made from
 * whom, so that no archive comes to need itself. */
struct bases {
    struct base_file **files;
    zipnn_source *sources;
    char **names;
    size_t n, cap;
    size_t n_named, n_usable; /* n_usable: named or of a folder */
};

/* What bases are looked for. */
struct bases_wanted {
    const struct args *args;
    struct touched *touched;     /* NULL: whatever the run touches will do */
    const char *input;           /* NULL: no certain file */
    const char *output;          /* NULL: no certain file */
    const char *beside;          /* a folder that is searched like that of --base-dir; NULL: none */
    const struct paths *visited; /* files whose folders are searched, too; NULL: none */
    bool compressing;
};

/* Compressing: opens what --base names, and finds the archives and model files of the folder that --base-dir names, all
 * of them, since only the library can tell which are near. Restoring: all files of the folder that can be read, since
 * what is needed is known by its digest. Neither the input nor the output is a base, nor what the run is going to
 * delete or replace: of the folder such files are left out, named ones are ZIPNN_E_ARGUMENT. bases_close accepts a
 * zeroed struct, and is needed after a failure too. */
zipnn_status bases_open(const struct bases_wanted *wanted, struct bases *bases, zipnn_error *err);

/* Whether the first n are what they were when they were opened: an archive made against others could not be restored.
 */
zipnn_status bases_unchanged(const struct bases *bases, size_t n, zipnn_error *err);

/* Moves the usable base `from` to place `to`, opened for good. */
zipnn_status bases_prefer(struct bases *bases, size_t to, size_t from, zipnn_error *err);

/* Whether the i-th is the file at `path`. */
bool bases_is_at(const struct bases *bases, size_t i, const char *path);

/* Whether the file at `path`, whatever its name, begins like an archive. */
bool bases_is_archive(const char *path);

void bases_close(struct bases *bases);

#endif
