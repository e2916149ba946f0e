#include "shared/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/cli_fail.h"
#include "shared/run_report.h"
#include "shared/text.h"

zipnn_status place_find(const char *path, struct place *place, zipnn_error *err) {
    struct stat st;
    *place = (struct place){.path = NULL};
    const bool is_link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
    place->path = is_link ? realpath(path, NULL) : text_join(path, "", "");
    if (!place->path || stat(place->path, &st) != 0)
        return cli_fail(err, ZIPNN_E_IO, "%.150s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return cli_fail(err, ZIPNN_E_ARGUMENT, "only a regular file can be replaced");
    place->node = (struct node){st.st_dev, st.st_ino};
    place->names = (unsigned long)st.st_nlink;
    return ZIPNN_OK;
}

void place_free(struct place *place) {
    free(place->path);
    *place = (struct place){.path = NULL};
}

static zipnn_status refuse_other_names(const struct run *run, const struct place *place, zipnn_error *err) {
    if (place->names <= 1) return ZIPNN_OK;
    if (!run->args->force)
        return cli_fail(err, ZIPNN_E_ARGUMENT,
                        "it has %lu names (hard links), and the others would keep the old content: -f replaces it all "
                        "the same",
                        place->names);
    run_warn(run, place->path, "", "its other names (hard links) keep the old content");
    return ZIPNN_OK;
}

zipnn_status place_open(struct run *run, const struct place *place, const zipnn_file *old, zipnn_file **file,
                        zipnn_error *err) {
    const unsigned flags = ZIPNN_FILE_REPLACE | ZIPNN_FILE_SYNC;
    zipnn_status st = refuse_other_names(run, place, err);
    if (st != ZIPNN_OK) return st;
    st = zipnn_file_create(place->path, old, flags | ZIPNN_FILE_ALIKE, file, err);
    if (st == ZIPNN_OK || !run->args->force) return st;
    return zipnn_file_create(place->path, old, flags, file, err);
}

zipnn_status place_hold(struct run *run, const struct place *place, zipnn_error *err) {
    folders_lock(run, LOCKED_ALONE, NULL, place->path);
    if (touched_leads_to(place->path, place->node)) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_IO, "%.150s: the file is kept: another program has replaced or removed it",
                    place->path);
}
