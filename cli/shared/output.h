/* Writes the result of a command: a new file that appears when it is complete, or standard output. */
#ifndef ZIPNN_CLI_OUTPUT_H
#define ZIPNN_CLI_OUTPUT_H

#include "shared/run.h"

struct output {
    struct run *run;
    zipnn_file *file;
    zipnn_sink sink;
};

/* Returns ZIPNN_E_ARGUMENT if `path` (NULL: standard output) is the same file as `input` ("-": standard input). To
 * replace what is read, or to append to it, would destroy it. */
zipnn_status output_refuse_input(const char *path, const char *input, zipnn_error *err);

/* Starts writing `path`, or standard output for NULL; a terminal only with -f. `input` is the file that is read, which
 * must be another one; NULL if the caller has checked that. The new file gets the permissions and times of `like`; NULL
 * for none. */
zipnn_status output_open(struct run *run, const char *path, const char *input, const zipnn_file *like,
                         struct output *out, zipnn_error *err);

/* Returns ZIPNN_E_IO with a message for a file that exists at `path`, where the result of `input` (NULL: of several
 * files) should be written. */
zipnn_status output_taken(const struct run *run, const char *path, const char *input, zipnn_error *err);

/* Appends. */
zipnn_status output_put(struct output *out, const void *bytes, size_t len, zipnn_error *err);

/* Gives the file its name if `st` is ZIPNN_OK, removes it otherwise, and closes. Returns the status that remains. */
zipnn_status output_end(struct output *out, zipnn_status st, zipnn_error *err);

/* Appends original bytes [off, off + len) of an archive, in pieces. */
zipnn_status output_put_range(struct output *out, zipnn_archive *archive, uint64_t off, uint64_t len, zipnn_error *err);

#endif
