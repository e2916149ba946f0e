/* The files that archives are made against. */
#ifndef ZIPNN_CLI_BASE_FILES_H
#define ZIPNN_CLI_BASE_FILES_H

#include "args.h"

struct bases {
    zipnn_file **files;
    zipnn_source *sources;
    char **names;
    size_t n, cap;
};

/* Opens what --base names and, of the folder that --base-dir names, archives and model files: all of them, since only
 * the library can tell which are meant. `except` (NULL for none) is the file being compressed: it is no base of its
 * own. bases_close accepts a zeroed struct, and is needed after a failure too. */
zipnn_status bases_open(const struct args *args, const char *except, struct bases *bases, zipnn_error *err);

/* Whether the first n are what they were when they were opened: an archive made against others could not be restored.
 */
zipnn_status bases_unchanged(const struct bases *bases, size_t n, zipnn_error *err);

/* Exchanges two of them. */
void bases_swap(struct bases *bases, size_t i, size_t k);

void bases_close(struct bases *bases);

#endif
