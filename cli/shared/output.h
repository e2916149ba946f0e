/* What a command writes: a new file that appears when it is complete, or standard output. */
#ifndef ZIPNN_CLI_OUTPUT_H
#define ZIPNN_CLI_OUTPUT_H

#include "shared/run.h"

struct output {
    struct run *run;
    zipnn_file *file;
    zipnn_sink sink;
};

/* Refuses to write `path`, NULL for standard output, where it is the same file as `input`, "-" for standard input:
 * replacing what is read, or appending to it, would destroy it. */
zipnn_status output_refuse_input(const char *path, const char *input, zipnn_error *err);

/* Starts writing `path`, or standard output for NULL; a terminal only with -f. `input` is what is read, which must be
 * another file; NULL where the caller has seen to that. The new file gets the permissions and times of `like`, which it
 * is made from; NULL for none. */
zipnn_status output_open(struct run *run, const char *path, const char *input, const zipnn_file *like,
                         struct output *out, zipnn_error *err);

/* ZIPNN_E_IO with a sentence that says what to do about the file that is at `path`, where the result of `input` (NULL:
 * of several) was to go. */
zipnn_status output_taken(const char *path, const char *input, zipnn_error *err);

/* Appends. */
zipnn_status output_put(struct output *out, const void *bytes, size_t len, zipnn_error *err);

/* Gives the file its name if `st` is ZIPNN_OK, removes it otherwise, and closes. Answers the status that remains. */
zipnn_status output_end(struct output *out, zipnn_status st, zipnn_error *err);

/* Appends original bytes [off, off + len) of an archive, some at a time. */
zipnn_status output_put_range(struct output *out, zipnn_archive *archive, uint64_t off, uint64_t len, zipnn_error *err);

#endif
