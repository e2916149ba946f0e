/* One record of the old format ("ZN"), as the Python package zipnn 0.3.1 to 0.5.4 wrote it:
 *
 *     header, 32 bytes | shape, of tensors only | types | sizes | area of group 0 | area of group 1 | ...
 *
 * The original is cut into chunks, each chunk into groups: byte i of a chunk belongs to group i mod n_groups, after the
 * exponents of its elements were moved to a byte of their own. types and sizes have an entry per group and chunk, all
 * of group 0 first; a size is the running total within the group. A record has no checksum. */
#ifndef ZN_LEGACY_RECORD_H
#define ZN_LEGACY_RECORD_H

#include "base/bytes.h"
#include "base/err.h"
#include "legacy/huff0.h"

enum { ZN_OLD_HEADER = 32, ZN_OLD_MAX_RANK = 64, ZN_OLD_MAX_GROUPS = 4, ZN_OLD_SHAPE_MAX = 1 + 9 * ZN_OLD_MAX_RANK };

struct zn_old_record {
    uint64_t at, len; /* range in the source, with the header */
    uint64_t original;
    uint8_t version[3];
    zipnn_dtype dtype;
    unsigned n_groups;
    bool rotated;   /* exponents were moved to a byte of their own */
    bool delta;     /* the original was XORed with a base */
    bool streaming; /* further records may follow */
    bool whole;     /* float32 up to 0.3.5: no chunks, each group is stored or one zstd frame */
    uint64_t chunk; /* original bytes of a chunk */
    uint64_t n_chunks;
    uint64_t body; /* offset in the source, after header and shape */
    uint32_t rank; /* 0 for byte input, too */
    uint64_t dims[ZN_OLD_MAX_RANK];
    bool has_shape;
    uint64_t sizes[ZN_OLD_MAX_GROUPS]; /* whole: bytes of each group's area */
    bool zstd[ZN_OLD_MAX_GROUPS];      /* whole: the group is a zstd frame */
};

/* Returns whether bytes begin like a record. Six of them distinguish it from a safetensors file whose header has 0x4E5A
 * bytes. */
bool zn_old_record_begins(const uint8_t *bytes, size_t len);

/* Reads and checks what comes before the chunks of the record at `at`, which ends at or before `end`. */
zipnn_status zn_old_record_open(const zipnn_source *source, uint64_t at, uint64_t end, struct zn_old_record *r,
                                zipnn_error *err);

/* ---- restoring */

enum {
    ZN_OLD_WINDOW = 512,                    /* chunks whose table entries are read at once */
    ZN_OLD_PIECE = 4 * ZN_HUFF0_MAX_BLOCK,  /* original bytes that are restored at once, at most */
    ZN_OLD_MAX_PAYLOAD = ZN_HUFF0_MAX_BLOCK /* bytes of one coded group */
};

enum { ZN_OLD_PLANE = 64 << 10 /* bytes of each group of a whole record that are joined at once */ };

/* The state of restoring a record that is `whole`. Its groups can only be decoded from their start, so a reader that
 * goes on continues from here. */
struct zn_old_whole {
    bool open;
    uint64_t at, original; /* of the record: its offset, and its original length */
    uint64_t off;          /* number of original bytes decoded */
    size_t last;           /* how many of them are in `plane` */
    struct zn_old_group {
        uint64_t at, left; /* in the source: what was not read yet */
        void *zstd;        /* the decoder; NULL: the group is stored */
        size_t in_len, in_pos;
        uint8_t input[ZN_OLD_PLANE / 2], plane[ZN_OLD_PLANE];
    } group[ZN_OLD_MAX_GROUPS];
};

/* The memory of restoring. It is large, so it is allocated. See zn_old_work_begin and zn_old_work_end. */
struct zn_old_work {
    uint64_t decoded; /* original bytes decoded so far, with those that were skipped */
    struct zn_old_whole whole;
    struct zn_huff0_table table;
    uint8_t piece[ZN_OLD_PIECE];
    uint8_t group[ZN_OLD_MAX_GROUPS][ZN_HUFF0_MAX_BLOCK];
    uint8_t payload[ZN_OLD_MAX_PAYLOAD];
    uint8_t types[ZN_OLD_MAX_GROUPS][ZN_OLD_WINDOW];
    uint8_t sizes[ZN_OLD_MAX_GROUPS][8 * ZN_OLD_WINDOW];
};

/* Receives restored bytes in order. `off` is their position in the original of the record. */
struct zn_old_taker {
    zipnn_status (*take)(void *arg, uint64_t off, uint8_t *bytes, size_t len, zipnn_error *err);
    void *arg;
};

/* Passes on the original bytes from `from` to `to`, in whole pieces: those that the range touches. */
zipnn_status zn_old_record_restore(const zipnn_source *source, const struct zn_old_record *r, uint64_t from,
                                   uint64_t to, struct zn_old_work *work, const struct zn_old_taker *taker,
                                   zipnn_error *err);

/* Prepare `work` for a record of any input. Call the first before all others and after zn_old_work_end, which frees
 * what `work` holds. */
void zn_old_work_begin(struct zn_old_work *work);
void zn_old_work_end(struct zn_old_work *work);

/* Restores a record that is `whole`. It decodes from the start, or from where it stopped last. */
zipnn_status zn_old_whole_restore(const zipnn_source *source, const struct zn_old_record *r, uint64_t from, uint64_t to,
                                  struct zn_old_work *work, const struct zn_old_taker *taker, zipnn_error *err);

/* Sets r->original: the original bytes of a whole record whose header was read. */
zipnn_status zn_old_whole_measure(const zipnn_source *source, struct zn_old_record *r, zipnn_error *err);

/* Reads [off, off + len) of the source, which the caller has checked to lie inside it. */
zipnn_status zn_old_read(const zipnn_source *source, uint64_t off, void *buf, size_t len, zipnn_error *err);

#endif
