/* Writes old records, byte for byte as the Python package zipnn 0.5.3 did. Bytes that are not whole elements, on which
 * the package failed, are refused. */
#ifndef ZN_LEGACY_RECORD_WRITE_H
#define ZN_LEGACY_RECORD_WRITE_H

#include "base/mem.h"
#include "legacy/record.h"

enum zn_old_kind { ZN_OLD_BYTES = 1, ZN_OLD_TORCH = 2, ZN_OLD_NUMPY = 3 };

/* The settings that the package would have been given. */
struct zn_old_make {
    zipnn_dtype dtype; /* F32, BF16, F16, F8_E4M3, F8_E5M2 */
    enum zn_old_kind kind;
    uint8_t method;        /* it is written and has no effect; 0 or 1 by default */
    bool delta;            /* the original is XORed with a base first */
    uint8_t chunk_log;     /* 18 by default */
    uint8_t streaming_log; /* 0: one record; else one record per 2^streaming_log bytes */
    float threshold;       /* a coded group is kept if it is shorter than this part of it; 0.95 by default */
    uint32_t rank;         /* rank of torch and numpy input */
    const uint64_t *dims;
};

struct zn_old_make zn_old_make_default(zipnn_dtype dtype);

/* The memory of writing. It is large, so it is allocated. */
struct zn_old_press;

zipnn_status zn_old_press_create(const zipnn_allocator *alloc, struct zn_old_press **press, zipnn_error *err);
void zn_old_press_free(struct zn_old_press *press);

/* Computes the length of the record that source[at, at + len) becomes. */
zipnn_status zn_old_record_size(struct zn_old_press *press, const zipnn_source *source, uint64_t at, uint64_t len,
                                const zipnn_source *base, const struct zn_old_make *make, uint64_t *size,
                                zipnn_error *err);

/* Writes the record; *size as above. Everything is coded twice, so that memory stays bounded: only the tables are kept,
 * 9 bytes per chunk and group. */
zipnn_status zn_old_record_write(struct zn_old_press *press, const zipnn_source *source, uint64_t at, uint64_t len,
                                 const zipnn_source *base, const struct zn_old_make *make, const zipnn_sink *sink,
                                 uint64_t *size, zipnn_error *err);

/* Writes a whole source as one record, or as several when streaming. `base`, of the same length, is for a delta. */
zipnn_status zn_old_file_write(struct zn_old_press *press, const zipnn_source *source, const zipnn_source *base,
                               const struct zn_old_make *make, const zipnn_sink *sink, uint64_t *size,
                               zipnn_error *err);

/* Passes bytes to the sink. */
zipnn_status zn_old_put(const zipnn_sink *sink, const uint8_t *bytes, size_t len, zipnn_error *err);

#endif
