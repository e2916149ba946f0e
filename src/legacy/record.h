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
    uint64_t at, len; /* in the source, header included */
    uint64_t original;
    uint8_t version[3];
    zipnn_dtype dtype;
    unsigned n_groups;
    bool rotated;   /* exponents were moved to a byte of their own */
    bool delta;     /* the original was XORed with a base */
    bool streaming; /* further records may follow */
    bool whole;     /* float32 up to 0.3.5: no chunks, each group is stored or one zstd frame */
    uint64_t chunk; /* original bytes per chunk */
    uint64_t n_chunks;
    uint64_t body; /* offset in the source of what follows header and shape */
    uint32_t rank; /* 0 for byte input too */
    uint64_t dims[ZN_OLD_MAX_RANK];
    bool has_shape;
    uint64_t sizes[ZN_OLD_MAX_GROUPS]; /* whole: bytes of each group's area */
    bool zstd[ZN_OLD_MAX_GROUPS];      /* whole: it is a frame */
};

/* Whether bytes begin as a record does; six of them tell it from a safetensors file with a header of 0x4E5A bytes. */
bool zn_old_record_begins(const uint8_t *bytes, size_t len);

/* Reads and checks what precedes the chunks of the record at `at`, which ends before `end`. */
zipnn_status zn_old_record_open(const zipnn_source *source, uint64_t at, uint64_t end, struct zn_old_record *r,
                                zipnn_error *err);

/* ---- restoring */

enum {
    ZN_OLD_WINDOW = 512,                    /* chunks whose table entries are read at once */
    ZN_OLD_PIECE = 4 * ZN_HUFF0_MAX_BLOCK,  /* original bytes restored at once, at most */
    ZN_OLD_MAX_PAYLOAD = ZN_HUFF0_MAX_BLOCK /* bytes of one coded group */
};

enum { ZN_OLD_PLANE = 64 << 10 /* bytes of each group of a whole record that are joined at once */ };

/* Where restoring a record that is `whole` has come to. Its groups decode from their start alone, so who reads on goes
 * on from here. */
struct zn_old_whole {
    bool open;
    uint64_t at, original; /* of the record */
    uint64_t off;          /* original bytes decoded */
    size_t last;           /* of them, those in `plane` */
    struct zn_old_group {
        uint64_t at, left; /* in the source: not yet read */
        void *zstd;        /* NULL: stored */
        size_t in_len, in_pos;
        uint8_t input[ZN_OLD_PLANE / 2], plane[ZN_OLD_PLANE];
    } group[ZN_OLD_MAX_GROUPS];
};

/* What restoring works with; large, so it lives in allocated memory. zn_old_work_begin and _end. */
struct zn_old_work {
    uint64_t decoded; /* original bytes so far, those that were passed over among them */
    struct zn_old_whole whole;
    struct zn_huff0_table table;
    uint8_t piece[ZN_OLD_PIECE];
    uint8_t group[ZN_OLD_MAX_GROUPS][ZN_HUFF0_MAX_BLOCK];
    uint8_t payload[ZN_OLD_MAX_PAYLOAD];
    uint8_t types[ZN_OLD_MAX_GROUPS][ZN_OLD_WINDOW];
    uint8_t sizes[ZN_OLD_MAX_GROUPS][8 * ZN_OLD_WINDOW];
};

/* Takes restored bytes in order; `off` is the position in the record's original. */
struct zn_old_taker {
    zipnn_status (*take)(void *arg, uint64_t off, uint8_t *bytes, size_t len, zipnn_error *err);
    void *arg;
};

/* Hands over the original bytes from `from` to `to`, in whole pieces: those that the range touches. */
zipnn_status zn_old_record_restore(const zipnn_source *source, const struct zn_old_record *r, uint64_t from,
                                   uint64_t to, struct zn_old_work *work, const struct zn_old_taker *taker,
                                   zipnn_error *err);

/* Ready for a record of any input, before the first and after zn_old_work_end, which frees what it holds. */
void zn_old_work_begin(struct zn_old_work *work);
void zn_old_work_end(struct zn_old_work *work);

/* The same for a record that is `whole`; it decodes from the start, or from where it stopped last. */
zipnn_status zn_old_whole_restore(const zipnn_source *source, const struct zn_old_record *r, uint64_t from, uint64_t to,
                                  struct zn_old_work *work, const struct zn_old_taker *taker, zipnn_error *err);

/* Original bytes of a whole record whose header is read: sets r->original. */
zipnn_status zn_old_whole_measure(const zipnn_source *source, struct zn_old_record *r, zipnn_error *err);

/* Reads [off, off + len) of the source, which the caller has checked to lie inside it. */
zipnn_status zn_old_read(const zipnn_source *source, uint64_t off, void *buf, size_t len, zipnn_error *err);

#endif
