#include "recompress.h"

#include "convert.h"
#include "output.h"

/* A replaced archive keeps its permissions; the old one stays until the new one is complete and on the device. */
static zipnn_status open_in_place(struct run *run, const char *path, const zipnn_file *old, struct output *out,
                                  zipnn_error *err) {
    *out = (struct output){.run = run};
    interrupt_start(&run->interrupt);
    zipnn_status st = zipnn_file_create(path, old, ZIPNN_FILE_REPLACE | ZIPNN_FILE_SYNC, &out->file, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_sink(out->file, &out->sink);
    interrupt_watch(&run->interrupt, out->file);
    return ZIPNN_OK;
}

static zipnn_status move_to_level(struct run *run, const char *path, zipnn_file *in, zipnn_stats *stats,
                                  zipnn_error *err) {
    const struct args *args = run->args;
    const bool in_place = !args->output && !args->to_stdout;
    struct output out;
    zipnn_source source;
    zipnn_file_source(in, &source);
    if (!source.read_at) return run_fail(err, ZIPNN_E_ARGUMENT, "recompressing needs a file, not a pipe");
    zipnn_status st = run_need_context(run, err);
    if (st != ZIPNN_OK) return st;
    st = in_place ? open_in_place(run, path, in, &out, err) : output_open(run, args->output, in, &out, err);
    if (st == ZIPNN_OK) {
        progress_start(&run->progress);
        st = zipnn_recompress(run->ctx, &source, &out.sink, stats, err);
        progress_end(&run->progress);
    }
    if (st == ZIPNN_OK) st = zipnn_file_unchanged(in, err);
    return output_end(&out, st, err);
}

void recompress_file(struct run *run, const char *path) {
    const char *output = run->args->output ? run->args->output : run->args->to_stdout ? "stdout" : path;
    zipnn_file *in = NULL;
    zipnn_stats stats;
    zipnn_error err;
    zipnn_status st = convert_open_input(path, &in, &err);
    if (st == ZIPNN_OK) st = move_to_level(run, path, in, &stats, &err);
    if (st == ZIPNN_OK)
        run_report_done(run, path, output, &stats);
    else
        run_report_failure(run, path, &err);
    zipnn_file_close(in);
}
