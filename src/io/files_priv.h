/* What the files of this room share: the handle, and the functions that report what the system refused. */
#ifndef ZN_IO_FILES_PRIV_H
#define ZN_IO_FILES_PRIV_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "io/files.h"

enum { ZN_TEMP_LEN = 20 }; /* ".zipnn-" and 13 random characters */

enum { ZN_CALL_MAX = 1 << 30 }; /* most bytes moved by one call; some systems refuse more than INT_MAX */

/* The place of a new file. Its folder is held open, so the temporary and the name stay together when the folder is
 * renamed. Where possible the temporary has no name: then nothing is left of it, however the process ends. */
struct zn_target {
    int folder;
    const char *name;           /* last part of zipnn_file.path */
    bool is_new;                /* a temporary will get that name; false for a descriptor or a device */
    char temp[ZN_TEMP_LEN + 1]; /* name of the temporary; empty while it has none */
    atomic_bool discarded;
    unsigned flags; /* ZIPNN_FILE_* */
    bool has_like;  /* `like` holds what the new file copies */
    struct stat like;
};

#define ZN_ROOM_ENDS UINT64_MAX /* value of zipnn_file.room when no more room is asked for */

struct zipnn_file {
    int fd; /* -1 when closed */
    bool owns_fd;
    bool seekable;      /* positioned calls work: it is a regular file that is read, or a new regular file */
    uint64_t start;     /* position of the first byte in fd; a redirected file may have been read before */
    uint64_t length;    /* bytes from start to the end of a file that is read; UINT64_MAX: unknown */
    uint64_t at;        /* bytes moved by the sequential calls */
    struct stat opened; /* state of the file when it was opened */
    uint8_t *map;       /* all of fd in memory, or NULL */
    size_t map_len;
    struct zn_ahead_reader *ahead; /* NULL: no reading ahead */
    atomic_size_t viewed;          /* bytes of the map that were used since its pages were last dropped */
    struct zn_target target;
    /* Of a new file: */
    atomic_uint_least64_t end;  /* end of its last byte, written or left out */
    atomic_uint_least64_t room; /* end of the blocks that were asked for; 0: none were */
    atomic_bool has_room;       /* the system gave some */
    atomic_bool has_holes;      /* zeros were left out */
    char path[];                /* for messages, and to open the file again */
};

/* Makes a handle that owns nothing yet. Its path is set. */
zipnn_status zn_file_new(const char *path, zipnn_file **file, zipnn_error *err);

/* Opens the folder that contains `path`, with the least permission that suffices, and points *name at the last part.
 * Returns -1 and sets errno when that fails. The path is cut meanwhile, and restored afterwards. */
int zn_folder_open(char *path, const char **name);

/* Waits until the folder's entries are on the device. `path` is for messages. */
zipnn_status zn_folder_sync(int folder, const char *path, zipnn_error *err);

/* Gives the source of a mapped file its view. The map is freed when the file is closed. */
void zn_file_map_source(const zipnn_file *f, zipnn_source *source);
void zn_file_unmap(zipnn_file *f);

/* Copies the bytes at `off` of the descriptor as far as they were read ahead. Returns their number. */
size_t zn_ahead_copy(const zipnn_file *f, uint64_t off, void *buf, size_t len);
void zn_ahead_end(zipnn_file *f);

/* Gives a new file the owner, the group and the extended attributes of `like`, which is open as `from`, or fails. */
zipnn_status zn_file_make_alike(const zipnn_file *f, int from, zipnn_error *err);

/* Copies owner, permissions and times of `like`. Where the system refuses, the file gets fewer permissions, never
 * more. */
zipnn_status zn_file_copy_attributes(const zipnn_file *f, zipnn_error *err);

/* Gives a new file its length: unused room is freed, and zeros that were left out at the end are added. */
zipnn_status zn_file_settle_length(const zipnn_file *f, zipnn_error *err);

/* Returns ZIPNN_E_IO with the message "PATH: cannot VERB: text of errno", and the position unless `off` is ZN_NOWHERE.
 * Only reading sets err->offset, which is a position in the input. */
zipnn_status zn_fail_os(const char *path, const char *verb, uint64_t off, int os_error, zipnn_error *err);

/* Returns ZIPNN_E_IO with the message "PATH: cannot VERB NUNIT: No space left on device, FREE bytes are free". */
zipnn_status zn_fail_full(const char *path, const char *verb, uint64_t n, const char *unit, uint64_t free,
                          zipnn_error *err);

/* Returns ZIPNN_E_IO with the message "PATH: what". */
zipnn_status zn_fail_path(const char *path, const char *what, zipnn_error *err);

/* Returns whether a sequential call that failed with `os_error` is worth repeating. On a descriptor that does not
 * block, it waits for `events` (POLLIN, POLLOUT). */
bool zn_may_retry(int fd, short events, int os_error);

#endif
