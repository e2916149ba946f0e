/* zipnn, files: sources and sinks that are files, pipes or terminals, as the command zipnn uses them.
 *
 * zipnn/zipnn.h includes this header; its rules hold here too. The library itself opens no file: a program with sources
 * and sinks of its own needs nothing of this.
 *
 *     zipnn_file *in, *out;
 *     zipnn_source source;
 *     zipnn_sink sink;
 *     zipnn_file_open("model.safetensors", &in, &err);            // each returns a status: see zipnn.h
 *     zipnn_file_create("model.safetensors.znn", in, 0, &out, &err);
 *     zipnn_file_source(in, &source);
 *     zipnn_file_sink(out, &sink);
 *     zipnn_pack(ctx, &source, &sink, NULL, &err);
 *     zipnn_file_commit(out, &err);                               // now the file has its name
 *     zipnn_file_close(out);
 *     zipnn_file_close(in);
 */
#ifndef ZIPNN_FILE_H
#define ZIPNN_FILE_H

#include "zipnn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A file, pipe or terminal as a source or a sink. A file that is written appears under its name only when
 * zipnn_file_commit is called. Until then its bytes are in a private temporary file of the same folder, which has no
 * name where the system can do that. Memory is from malloc. Faults of the operating system are ZIPNN_E_IO, and the
 * message names the file. */
typedef struct zipnn_file zipnn_file;

/* ---- opening, reading and writing -------------------------------------------------------------------------------- */

/* Bits of `flags` of zipnn_file_create. */
enum {
    ZIPNN_FILE_REPLACE = 1, /* an existing file, or a symbolic link itself, may be replaced */
    ZIPNN_FILE_SYNC = 2,    /* commit returns when the file and its name are on the device */
    ZIPNN_FILE_ALIKE = 4    /* with `like`: what it has and the new file cannot get is an error */
};

/* Opens an existing file for reading. */
ZIPNN_API zipnn_status zipnn_file_open(const char *path, zipnn_file **file, zipnn_error *err);

/* Reads or writes an open descriptor from its current position on. The descriptor stays the caller's and open. `name`
 * is copied and used in messages only ("stdin"). The capacity of a pipe is set to 512 KiB where the system allows it.
 * */
ZIPNN_API zipnn_status zipnn_file_from_fd(int fd, const char *name, zipnn_file **file, zipnn_error *err);

/* Starts a new file at `path`.
 *  - `like` is a regular file opened for reading, or NULL. The new file gets its permissions and times, and its owner
 *    and group as far as the process may give them. If the group is another, that group and all others get only the
 *    permissions that both were to have.
 *  - With ZIPNN_FILE_ALIKE the new file gets the extended attributes of `like`, too: those of users and the access
 *    list, where the system has them. It fails if owner, group or one of these cannot be the same.
 *  - Without ZIPNN_FILE_REPLACE an existing file is an error, here and at commit, also in a race (unless the file
 *    system can refuse neither a rename nor a link).
 *  - A symbolic link at `path` is never followed. A device or FIFO at `path`, or behind a link there, is written
 *    directly, without a temporary file, and needs no commit (a block device only with ZIPNN_FILE_REPLACE). */
ZIPNN_API zipnn_status zipnn_file_create(const char *path, const zipnn_file *like, unsigned flags, zipnn_file **file,
                                         zipnn_error *err);

/* Makes the file a source: a regular file has read_at and length, anything else only read. It is valid until the file
 * is closed. */
ZIPNN_API void zipnn_file_source(zipnn_file *file, zipnn_source *source);

/* Makes the file a sink: a new regular file has write and write_at, anything else only write. Use one of the two. Long
 * stretches of zeros become holes in a new file. */
ZIPNN_API void zipnn_file_sink(zipnn_file *file, zipnn_sink *sink);

/* Gives a new file its name. After a failure the name is as it was before, and zipnn_file_close removes the bytes.
 * There is one exception: if syncing the folder fails, the file is there and complete. */
ZIPNN_API zipnn_status zipnn_file_commit(zipnn_file *file, zipnn_error *err);

/* Gives up a new file: a temporary file that has a name is removed at once, and a later commit fails. It may be called
 * from a signal handler, or by another thread while the file is written. */
ZIPNN_API void zipnn_file_discard(zipnn_file *file);

/* Closes a file; NULL is accepted. A new file that was not committed is gone. */
ZIPNN_API void zipnn_file_close(zipnn_file *file);

/* ---- speed ------------------------------------------------------------------------------------------------------- */

/* Maps a regular file opened for reading, so that its source has `view` and archives are decoded straight from the page
 * cache. Use it for files that nobody writes to. If another process cuts the file short, that is noticed before each
 * chunk; while a chunk is being decoded, the read raises SIGBUS, as with every mapping. If another process changes the
 * file, the bytes change under the reader. */
ZIPNN_API zipnn_status zipnn_file_map(zipnn_file *file, zipnn_error *err);

/* Returns whether the page cache holds a regular file opened for reading, by a sample of its pages; non-zero if the
 * system does not tell. */
ZIPNN_API int zipnn_file_is_cached(const zipnn_file *file);

/* Starts four threads that read a regular file ahead of its source's read_at, in a window of 12 MiB, past the page
 * cache where the system allows it. Use it for a file that the page cache does not hold and that is read from front to
 * back; ranges elsewhere are read as usual. The threads end when the file is closed; a child of fork must not use it.
 * */
ZIPNN_API zipnn_status zipnn_file_read_ahead(zipnn_file *file, zipnn_error *err);

/* Announces that a new file will have `len` bytes, so that a full device shows now. It is a hint: where the system has
 * no such call, nothing happens. It pays when several threads write. */
ZIPNN_API zipnn_status zipnn_file_reserve(zipnn_file *file, uint64_t len, zipnn_error *err);

/* ---- certainty before something is deleted or replaced ----------------------------------------------------------- */

/* Returns ZIPNN_E_IO if the size or modification time of a regular file is no longer what it was when it was opened. */
ZIPNN_API zipnn_status zipnn_file_unchanged(const zipnn_file *file, zipnn_error *err);

/* Opens a regular file once more, to see whether the device has it.
 *  - Of a new file before its commit, it gives all that has been written so far; after its commit, the file that has
 *    its name, and ZIPNN_E_IO if that is another file by now. A file that was opened for reading by its name is taken
 *    too.
 *  - The file and its name are synced before, and its pages are dropped from the cache, so that what is read comes from
 *    the device where the system allows it. The file given stays open as it is. */
ZIPNN_API zipnn_status zipnn_file_read_back(const zipnn_file *written, zipnn_file **file, zipnn_error *err);

/* Returns ZIPNN_E_IO if a regular file opened for reading may be changing:
 *  - if another program has it open or mapped for writing, as far as the system tells (Linux, to the file's owner):
 *    such changes need not show in the modification time;
 *  - if the system's own time of the last change (of contents, owner, permissions or links) is no longer what it was
 *    when the file was opened: programs cannot put that time back.
 * If a program opens the file for writing during the call, the system sends SIGURG to this one, which is ignored unless
 * it has a handler. The file's cached pages are dropped, so that what is read next comes from the device. */
ZIPNN_API zipnn_status zipnn_file_at_rest(const zipnn_file *file, zipnn_error *err);

/* Removes the name that a file was opened by, if it still leads to that file. The folder is held open meanwhile. */
ZIPNN_API zipnn_status zipnn_file_remove(const zipnn_file *file, zipnn_error *err);

#ifdef __cplusplus
}
#endif
#endif
