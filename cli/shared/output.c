#include "shared/output.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/cli_fail.h"
#include "shared/needed.h"

enum { WINDOW = 32 << 20 }; /* bytes that are read at a time: enough work for all threads */

zipnn_status output_taken(const struct run *run, const char *path, const char *input, zipnn_error *err) {
    struct stat there, now;
    const bool older = input && stat(path, &there) == 0 && stat(input, &now) == 0 && S_ISREG(now.st_mode) &&
                       there.st_mtime < now.st_mtime;
    return cli_fail(err, ZIPNN_E_IO, "%.100s: already exists%s; use -f to replace it%s", path,
                    older ? ", and is older than its source" : "",
                    older && run->args->operation == OP_COMPRESS ? ", or --update" : "");
}

zipnn_status output_refuse_input(const char *path, const char *input, zipnn_error *err) {
    struct stat in, out;
    const bool known = (strcmp(input, "-") == 0 ? fstat(STDIN_FILENO, &in) : stat(input, &in)) == 0 &&
                       (path ? stat(path, &out) : fstat(STDOUT_FILENO, &out)) == 0;
    if (known && S_ISREG(in.st_mode) && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
        return cli_fail(err, ZIPNN_E_ARGUMENT, "input and output are the same file");
    return ZIPNN_OK;
}

zipnn_status output_open(struct run *run, const char *path, const char *input, const zipnn_file *like,
                         struct output *out, zipnn_error *err) {
    const struct args *args = run->args;
    *out = (struct output){.run = run};
    if (input && output_refuse_input(path, input, err) != ZIPNN_OK) return err->status;
    if (!path && !args->force && isatty(STDOUT_FILENO))
        return cli_fail(err, ZIPNN_E_ARGUMENT, "bytes are not written to a terminal: use -o, a redirection or -f");
    if (path && needed_refuse(run, path, NULL, err) != ZIPNN_OK) return err->status;
    const unsigned flags = (args->force ? ZIPNN_FILE_REPLACE : 0U) | (args->sync ? ZIPNN_FILE_SYNC : 0U);
    zipnn_status st = path ? zipnn_file_create(path, like, flags, &out->file, err)
                           : zipnn_file_from_fd(STDOUT_FILENO, "stdout", &out->file, err);
    struct stat there;
    const bool taken = st == ZIPNN_E_IO && path && !args->force && lstat(path, &there) == 0 && S_ISREG(there.st_mode);
    if (st != ZIPNN_OK) return taken ? output_taken(run, path, NULL, err) : st;
    zipnn_file_sink(out->file, &out->sink);
    interrupt_watch(&run->interrupt, out->file);
    return ZIPNN_OK;
}

zipnn_status output_put(struct output *out, const void *bytes, size_t len, zipnn_error *err) {
    return len ? out->sink.write(out->sink.user, bytes, len, err) : ZIPNN_OK;
}

zipnn_status output_end(struct output *out, zipnn_status st, zipnn_error *err) {
    if (!out->file) return st;
    if (st == ZIPNN_OK) st = zipnn_file_commit(out->file, err);
    if (st != ZIPNN_OK) zipnn_file_discard(out->file);
    interrupt_watch(&out->run->interrupt, NULL);
    zipnn_file_close(out->file);
    out->file = NULL;
    return st;
}

zipnn_status output_put_range(struct output *out, zipnn_archive *archive, uint64_t off, uint64_t len,
                              zipnn_error *err) {
    const size_t window = len < WINDOW ? (size_t)len : WINDOW;
    unsigned char *bytes = malloc(window + 1);
    zipnn_status st = bytes ? ZIPNN_OK : cli_fail(err, ZIPNN_E_MEMORY, "no memory for %zu bytes", window);
    for (uint64_t done = 0; done < len && st == ZIPNN_OK;) {
        const size_t n = len - done < window ? (size_t)(len - done) : window;
        st = zipnn_archive_read(archive, off + done, n, bytes, err);
        if (st == ZIPNN_OK) st = output_put(out, bytes, n, err);
        done += n;
    }
    free(bytes);
    return st;
}
