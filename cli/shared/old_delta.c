#include "shared/old_delta.h"

#include <stdio.h>

#include "shared/cli_fail.h"
#include "shared/text.h"

/* Of all records only a delta cannot be read without a base. A delta of no bytes is always right. */
static bool reads_without_base(zipnn_ctx *ctx, const zipnn_source *source) {
    zipnn_archive *archive;
    zipnn_archive_info info;
    unsigned char byte;
    if (zipnn_archive_open(ctx, source, &archive, NULL) != ZIPNN_OK)
        return true; /* it is no delta; unpacking will report why it cannot be opened */
    zipnn_archive_get_info(archive, &info);
    const bool lacks =
        info.unverified && info.original && zipnn_archive_read(archive, 0, 1, &byte, NULL) == ZIPNN_E_BASE;
    zipnn_archive_close(archive);
    return !lacks;
}

static zipnn_status look(const struct run *run, const zipnn_source *source, bool *is_delta, zipnn_error *err) {
    const zipnn_options options = {.size = sizeof options, .threads = 1, .cpu = run->args->cpu};
    zipnn_ctx *ctx = NULL;
    zipnn_status st = zipnn_create(&options, &ctx, err);
    *is_delta = st == ZIPNN_OK && !reads_without_base(ctx, source);
    zipnn_destroy(ctx);
    return st;
}

zipnn_status old_delta_refuse_to_remove(const struct run *run, zipnn_file *archive, zipnn_error *err) {
    zipnn_source source;
    bool is_delta;
    zipnn_file_source(archive, &source);
    if (!run->args->remove || !source.read_at) return ZIPNN_OK;
    zipnn_status st = look(run, &source, &is_delta, err);
    if (st != ZIPNN_OK || !is_delta) return st;
    return cli_fail(err, ZIPNN_E_ARGUMENT,
                    "--rm needs digests: an old record that is a delta has none, so nothing shows whether the base is "
                    "the file it was made against");
}

void old_delta_warn(struct run *run, const zipnn_source *archive) {
    bool is_delta = true;
    const struct args *args = run->args;
    if (run->warned_of_delta || args->verbosity < 0 || args->n_bases != 1) return;
    if (archive->read_at && (look(run, archive, &is_delta, NULL) != ZIPNN_OK || !is_delta)) return;
    run->warned_of_delta = true;
    fputs("zipnn: old records have no digest: nothing shows whether a delta was made against ", stderr);
    text_put(stderr, args->bases[0]);
    putc('\n', stderr);
}
