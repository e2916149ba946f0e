/* The files that archives are made against. */
#ifndef ZIPNN_CLI_BASE_FILES_H
#define ZIPNN_CLI_BASE_FILES_H

#include "line/args.h"
#include "shared/touched.h"

struct base_file;

/* They stand in this order: those that --base names; those found in folders; and, when compressing, archives that only
 * tell which file was made from which, so that no archive comes to need itself. */
struct bases {
    struct base_file **files;
    zipnn_source *sources;
    char **names;
    size_t n, cap;
    size_t n_named, n_usable; /* n_usable: named or of a folder */
    bool compressing;
};

/* Which bases to look for. */
struct bases_wanted {
    const struct args *args;
    struct touched *touched;     /* NULL: a file that the run touches may be a base, too */
    const char *input;           /* NULL: unknown */
    const char *output;          /* NULL: unknown */
    const char *beside;          /* a folder that is searched like that of --base-dir; NULL: none */
    const struct paths *visited; /* files whose folders are searched, too; NULL: none */
    const struct paths *also; /* files that may be bases, too; NULL: none. When compressing, archives name them by the
                                    way from the output to them, so that they are found again */
    bool compressing;
};

/* Opens what --base names, and finds bases in the folder that --base-dir names: when compressing, all archives and
 * model files of it, since only the library can tell which are similar; when restoring, all readable files, since the
 * library knows by the digest which are needed. The input, the output, and what the run will delete or replace are no
 * bases: in the folder they are left out; if --base names one, ZIPNN_E_ARGUMENT is returned. bases_close accepts a
 * zeroed struct, and must be called after a failure too. */
zipnn_status bases_open(const struct bases_wanted *wanted, struct bases *bases, zipnn_error *err);

/* Returns ZIPNN_E_IO if one of the first n bases has changed since it was opened: an archive that was made against it
 * could not be restored. */
zipnn_status bases_unchanged(const struct bases *bases, size_t n, zipnn_error *err);

/* Moves the usable base `from` to place `to`, and keeps it open. */
zipnn_status bases_prefer(struct bases *bases, size_t to, size_t from, zipnn_error *err);

/* Returns whether base i is the file at `path`. */
bool bases_is_at(const struct bases *bases, size_t i, const char *path);

/* Returns whether the file at `path` begins like an archive, whatever its name is. */
bool bases_is_archive(const char *path);

void bases_close(struct bases *bases);

#endif
