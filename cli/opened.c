#include "opened.h"

#include "convert.h"

zipnn_status opened_open(struct run *run, const char *path, enum opened_as as, struct opened *o, zipnn_error *err) {
    *o = (struct opened){.file = NULL};
    zipnn_status st = convert_open_input(path, &o->file, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_source(o->file, &o->source);
    if (!o->source.read_at) return run_fail(err, ZIPNN_E_ARGUMENT, "only a regular file can be read in parts");
    st = run_need_context(run, err);
    if (st != ZIPNN_OK) return st;
    st = as == OPENED_DAMAGED ? zipnn_archive_open_damaged(run->ctx, &o->source, &o->archive, err)
                              : zipnn_archive_open(run->ctx, &o->source, &o->archive, err);
    o->plain = as == OPENED_PLAIN && st == ZIPNN_E_FORMAT;
    return o->plain ? zipnn_model_open(run->ctx, &o->source, &o->archive, err) : st;
}

void opened_close(struct opened *o) {
    zipnn_archive_close(o->archive);
    zipnn_file_close(o->file);
    *o = (struct opened){.file = NULL};
}
