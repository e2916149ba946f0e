/* zipnn, weight sync: what a step of training changed goes from a trainer to those who use its weights, every few
 * seconds, through memory or a pipe and without files.
 *
 *     the trainer                                          the engine
 *     zipnn_weights_open(ctx, t, n, 1, 0, &sent, &err);    zipnn_weights_open(ctx, t, n, 0, 0, &mine, &err);
 *     for (version = 1;; version++) {                      for (;;)
 *         ... a step ...                                       zipnn_update_apply(ctx, mine, &source, NULL, NULL, &err);
 *         options.version = version;
 *         zipnn_update_pack(ctx, sent, t, n, &options, &sink, NULL, &err);
 *     }
 *
 * Words
 *  - "Weights" are named tensors in memory. The trainer keeps a copy of what it sent last, the engine's are in use.
 *  - An "update" is the bytes that lead from one state of weights to the next (doc/sync.md). Updates follow one another
 *    in a pipe: each is read to its last byte, and no further.
 *  - Tensors are known by name. Both sides have the same names, types and shapes; order and strides are each side's own.
 *    An element is sent as it lies in memory, so both sides have the same order of bytes.
 *  - A "chunk" is what changes at once: at most 512 KiB of one tensor, or several tensors of less than 64 KiB and of one
 *    type.
 *
 * The rules of zipnn.h hold. Updates may be hostile: one is refused, or changes the given tensors, and nothing else.
 * zipnn/zipnn.h does not include this header.
 */
#ifndef ZIPNN_SYNC_H
#define ZIPNN_SYNC_H

#include "zipnn.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ZIPNN_DIGEST_LEN = 16, ZIPNN_TENSOR_MAX_RANK = 64 };

/* A tensor in memory. The caller owns all of it. */
typedef struct zipnn_tensor {
    const char *name; /* NUL-terminated, at most 65535 bytes; no two tensors have the same */
    zipnn_dtype dtype;
    uint32_t rank;          /* at most ZIPNN_TENSOR_MAX_RANK; 0: a single element */
    const uint64_t *shape;  /* `rank` entries. Of types of blocks and of types narrower than a byte the elements are
                               counted, and blocks run along the last dimension */
    const int64_t *strides; /* `rank` entries: bytes from an index to the next; NULL: row after row. Types of blocks and
                               types narrower than a byte have NULL */
    void *data;             /* the first element. NULL where a tensor is only described, or has no bytes */
} zipnn_tensor;

/* ---- weights ----------------------------------------------------------------------------------------------------- */

typedef struct zipnn_weights zipnn_weights;

typedef struct zipnn_weights_info {
    size_t size;      /* of this struct; the caller sets it */
    uint64_t version; /* the caller's number of the state */
    uint64_t bytes;   /* of all tensors */
    uint64_t n_tensors;
    uint8_t digest[ZIPNN_DIGEST_LEN]; /* of names, types, shapes and values: equal on both sides if the weights are */
    int torn; /* flag: an update ended early. Some chunks are new, the others old, and none is between; see
                 zipnn_update_apply */
} zipnn_weights_info;

/* Opens n tensors as the state with this version.
 *  - All bytes are read once, by the threads of `ctx`, for their digest. It is kept up to date by what follows, and no
 *    later call reads them all for it.
 *  - With `copy` the tensors are copied, and the caller's are not needed any more: that is what a trainer keeps, as large
 *    as the weights. Without it the tensors are where they are, stay there until zipnn_weights_close, and are changed by
 *    nobody but zipnn_update_apply; engines may read them at any time.
 *  - Names, shapes and strides are copied. Memory comes from the allocator of `ctx`, which may be destroyed before the
 *    weights, if its allocator may.
 *  - One call at a time uses the weights. */
ZIPNN_API zipnn_status zipnn_weights_open(zipnn_ctx *ctx, const zipnn_tensor *tensors, size_t n, int copy,
                                          uint64_t version, zipnn_weights **weights, zipnn_error *err);

/* Frees the weights. NULL is allowed. */
ZIPNN_API void zipnn_weights_close(zipnn_weights *weights);

ZIPNN_API zipnn_status zipnn_weights_get_info(const zipnn_weights *weights, zipnn_weights_info *info, zipnn_error *err);

/* ---- packing ----------------------------------------------------------------------------------------------------- */

/* What an update needs of those who apply it. */
typedef enum zipnn_update_form {
    ZIPNN_UPDATE_DIFFERENCE =
        0,                   /* the very weights that it was packed against. Two to four times smaller than VALUES */
    ZIPNN_UPDATE_VALUES = 1, /* weights with these names, types and shapes: what changed is replaced by its new value */
    ZIPNN_UPDATE_WHOLE = 2   /* the same, and all values are replaced: the first update, or one after a loss */
} zipnn_update_form;

/* Zero what you do not set, and put sizeof(zipnn_update_options) in `size`. */
typedef struct zipnn_update_options {
    size_t size;
    uint64_t version; /* that the weights will have. 0: that of the base, and 1 */
    zipnn_update_form form;
    const void *note; /* bytes that go along, for the caller: what used to stand in a file's header, such as a step */
    size_t note_len;  /* at most 16 MiB */
    int keep_base;    /* flag: leave `base` as it is */
} zipnn_update_options;

typedef struct zipnn_update_stats {
    size_t size;        /* of this struct; the caller sets it */
    uint64_t update;    /* bytes of the update */
    uint64_t n_chunks;  /* of the weights ... */
    uint64_t n_sent;    /* ... and in the update */
    uint64_t n_already; /* applying: chunks that were as the update makes them */
    int is_exact;       /* flag: the weights are now those of the sender, bit by bit. After VALUES they may be others */
} zipnn_update_stats;

/* Packs the update that leads from `base` to the tensors, and writes it in order to sink->write. `options` may be NULL,
 * and so may `stats`, here and below.
 *  - `tensors` have the names, types and shapes of the base, in any order, and do not change during the call.
 *  - Then the base becomes the new state, so that the next update begins there (unless `keep_base` is set): chunks that
 *    changed are copied. That is done last: after a failure the base is what it was, and the update may be packed again.
 *  - Every chunk is decoded and compared, as zipnn_options.verify says, and coded as zipnn_options.level says. */
ZIPNN_API zipnn_status zipnn_update_pack(zipnn_ctx *ctx, zipnn_weights *base, const zipnn_tensor *tensors, size_t n,
                                         const zipnn_update_options *options, const zipnn_sink *sink,
                                         zipnn_update_stats *stats, zipnn_error *err);

/* ---- applying ---------------------------------------------------------------------------------------------------- */

/* What an update says of itself. */
typedef struct zipnn_update_info {
    zipnn_update_form form;
    uint64_t from, to;              /* versions */
    uint8_t base[ZIPNN_DIGEST_LEN]; /* digest of the weights that it was packed against */
    uint64_t n_tensors;
    const zipnn_tensor
        *tensors; /* names, types and shapes; data and strides are NULL. Sorted by name, those of less than
                                    64 KiB first, by the name of their type */
    const void *note;
    size_t note_len;
} zipnn_update_info;

/* Who hears of an update. Zero what you do not set, and put sizeof(zipnn_update_listener) in `size`. */
typedef struct zipnn_update_listener {
    size_t size;
    void *user;
    /* Called once, when what the update says of itself is read and found to fit, and nothing is changed yet. What it
     * points to is gone when it returns. Anything but ZIPNN_OK refuses the update, and is returned. */
    zipnn_status (*begin)(void *user, const zipnn_update_info *info, zipnn_error *err);
    /* Called for each tensor that has a chunk in the update, by its place in the list given to zipnn_weights_open, when
     * all of the tensor is new: never by two threads at once, possibly by a worker thread. Small tensors share chunks,
     * and are told together. Anything but ZIPNN_OK ends the call, and is returned. */
    zipnn_status (*done)(void *user, uint64_t tensor, zipnn_error *err);
} zipnn_update_listener;

/* Applies the next update of the source to the weights, in place. `listener` may be NULL. A source that has only `read`
 * is read to the end of the update.
 *  - Refused, before anything is changed, is an update with other names, types or shapes; DIFFERENCE also by its
 *    version and by the digest of its base (ZIPNN_E_BASE).
 *  - A chunk is decoded elsewhere, found to be right by its checksum (of VALUES: by that of its stored form) and then
 *    copied. Whoever reads the tensors meanwhile sees chunks change one after the other, in no order, and of the chunk
 *    that is being copied a part.
 *  - After a failure each chunk is the old or the new one. If any was changed, the weights are torn
 *    (zipnn_weights_info): the same update may then be applied again, or one of form WHOLE; a DIFFERENCE other than that
 *    one is refused. After ZIPNN_E_CORRUPT at the very end (the digest of the result is another) all chunks are new. */
ZIPNN_API zipnn_status zipnn_update_apply(zipnn_ctx *ctx, zipnn_weights *weights, const zipnn_source *source,
                                          const zipnn_update_listener *listener, zipnn_update_stats *stats,
                                          zipnn_error *err);

/* ---- reading and joining ----------------------------------------------------------------------------------------- */

/* Elements of a tensor that have new values. */
typedef struct zipnn_changes {
    uint64_t tensor;         /* its place in zipnn_update_info.tensors */
    const char *name;        /* NUL-terminated */
    unsigned width;          /* bytes of an element; of blocks and types narrower than a byte 1 */
    uint64_t n;              /* at least 1 */
    const uint64_t *indices; /* n, ascending: places among all elements, row after row, in units of `width` */
    const void *values;      /* n * width bytes */
} zipnn_changes;

/* Tells what an update says of itself (listener->begin, which may be NULL, as all of the listener), and then, if `take`
 * is not NULL, what it changes, without changing anything: what engines that patch tensors of their own take. `base` are the
 * weights that a DIFFERENCE was packed against; other forms need none, and name all elements that they replace.
 *  - take is called for one tensor after the other, for large ones several times with ascending indices; never by two
 *    threads at once. What it is given is gone when it returns. Anything but ZIPNN_OK ends the call, and is returned.
 *  - With `take` NULL nothing but the head of the update is read. */
ZIPNN_API zipnn_status zipnn_update_changes(zipnn_ctx *ctx, const zipnn_weights *base, const zipnn_source *source,
                                            const zipnn_update_listener *listener,
                                            zipnn_status (*take)(void *user, const zipnn_changes *changes,
                                                                 zipnn_error *err),
                                            void *user, zipnn_update_stats *stats, zipnn_error *err);

/* Makes one update of two, of which `second` was packed against the result of `first`: whoever was away applies one for
 * two. It needs no weights. Both sources have read_at.
 *  - Of a chunk that both change, VALUES keep what is newest. Of a DIFFERENCE both steps are kept, one after the other,
 *    so that the update is about as long as both; 64 steps at most (ZIPNN_E_LIMIT).
 *  - The form is that of both. If they differ, it is WHOLE if one of them is, else DIFFERENCE.
 *    ZIPNN_E_BASE: the second does not begin where the first ends. */
ZIPNN_API zipnn_status zipnn_update_merge(zipnn_ctx *ctx, const zipnn_source *first, const zipnn_source *second,
                                          const zipnn_sink *sink, zipnn_update_stats *stats, zipnn_error *err);

#ifdef __cplusplus
}
#endif
#endif
