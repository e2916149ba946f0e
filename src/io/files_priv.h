/* What the files of this room share: the handle, and the two ways to say that the system refused. */
#ifndef ZN_IO_FILES_PRIV_H
#define ZN_IO_FILES_PRIV_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "io/files.h"

enum { ZN_TEMP_LEN = 20 }; /* ".zipnn-" and 13 random characters */

enum { ZN_CALL_MAX = 1 << 30 }; /* bytes moved by one call: some systems refuse more than INT_MAX */

/* Where a new file goes. The folder is held open, so that temporary and name stay together if a folder is renamed. A
 * temporary has no name where the system can do that: whatever ends the process, nothing is left of it. */
struct zn_target {
    int folder;
    const char *name;           /* last part of zipnn_file.path */
    bool is_new;                /* a temporary is to get that name; else it is a descriptor or a device */
    char temp[ZN_TEMP_LEN + 1]; /* name of the temporary, empty while it has none */
    atomic_bool discarded;
    unsigned flags; /* ZIPNN_FILE_* */
    bool has_like;  /* `like` holds what the new file copies */
    struct stat like;
};

#define ZN_ROOM_ENDS UINT64_MAX /* zipnn_file.room when no more is asked for */

#if defined(__APPLE__)
#define MTIME st_mtimespec
#define CTIME st_ctimespec
#else
#define MTIME st_mtim
#define CTIME st_ctim
#endif

struct zipnn_file {
    int fd; /* -1 when closed */
    bool owns_fd;
    bool seekable;      /* positioned calls work: a regular file read, or a new regular file */
    uint64_t start;     /* position in fd of the first byte: a redirected file may have been read from before */
    uint64_t length;    /* bytes from start to the end when opened for reading; UINT64_MAX when unknown */
    uint64_t at;        /* bytes moved by the sequential calls */
    struct stat opened; /* as it was at the start */
    uint8_t *map;       /* all of fd in memory, or NULL */
    size_t map_len;
    struct zn_ahead_reader *ahead; /* or NULL */
    atomic_size_t viewed;          /* bytes of the map handed out since its pages were last let go */
    struct zn_target target;
    /* Of a new file: */
    atomic_uint_least64_t end;  /* where its last byte is, written or left out */
    atomic_uint_least64_t room; /* where its blocks end that were asked for; 0: none were */
    atomic_bool has_room;       /* the system gave some */
    atomic_bool has_holes;      /* zeros were left out */
    char path[];                /* for messages, and to reach the file again */
};

/* A handle that owns nothing yet, its path set. */
zipnn_status zn_file_new(const char *path, zipnn_file **file, zipnn_error *err);

/* Opens the folder that `path` lies in, with the least right that lets us work in it, and points at the last part; -1
 * and errno when it cannot be opened. The path is cut meanwhile, and whole again afterwards. */
int zn_folder_open(char *path, const char **name);

/* Waits until what the folder lists is on the device; `path` for messages. */
zipnn_status zn_folder_sync(int folder, const char *path, zipnn_error *err);

/* Gives the source of a mapped file its view; the map goes when the file is closed. */
void zn_file_map_source(const zipnn_file *f, zipnn_source *source);
void zn_file_unmap(zipnn_file *f);

/* Copies bytes at `off` of the descriptor as far as they were read ahead; how many. */
size_t zn_ahead_copy(const zipnn_file *f, uint64_t off, void *buf, size_t len);
void zn_ahead_end(zipnn_file *f);

/* Gives a new file its length: room that it did not need goes, and zeros at its end that were left out come. */
zipnn_status zn_file_settle_length(const zipnn_file *f, zipnn_error *err);

/* ZIPNN_E_IO with the sentence "PATH: cannot VERB: text of errno", and the place when `off` is not ZN_NOWHERE. Only
 * reading has its place in err->offset, which belongs to the input. */
zipnn_status zn_fail_os(const char *path, const char *verb, uint64_t off, int os_error, zipnn_error *err);

/* ZIPNN_E_IO with the sentence "PATH: cannot VERB NUNIT: No space left on device, FREE bytes are free". */
zipnn_status zn_fail_full(const char *path, const char *verb, uint64_t n, const char *unit, uint64_t free,
                          zipnn_error *err);

/* ZIPNN_E_IO with the sentence "PATH: what". */
zipnn_status zn_fail_path(const char *path, const char *what, zipnn_error *err);

/* After a sequential call failed with `os_error`: true when it is worth repeating. Waits for `events` (POLLIN, POLLOUT)
 * on a descriptor that does not block. */
bool zn_may_retry(int fd, short events, int os_error);

#endif
