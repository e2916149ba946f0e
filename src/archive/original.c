#include "archive/original.h"

#include <stdio.h>

/* Reads header and trailer and finds the place of the index frame. */
static zipnn_status find_index(const struct zn_kernels *k, struct zn_archive *a, uint64_t *index_at,
                               uint64_t *index_len, zipnn_error *err) {
    const struct zn_input *in = &a->self.in;
    uint8_t buf[ZN_HEADER_LEN];
    const uint8_t *bytes;
    size_t head_len = (size_t)ZN_MIN(in->length, (uint64_t)ZN_HEADER_LEN);
    ZN_TRY(zn_input_at(in, 0, head_len, buf, &bytes, err));
    ZN_TRY(zn_header_read(bytes, head_len, &a->header, k->xxh3_64, err));
    const uint64_t least = ZN_FRAME_LEN + ZN_INDEX_LEN, around = ZN_HEADER_LEN + ZN_TRAILER_LEN;
    if (in->length < around + least)
        return zn_fail(err, ZIPNN_E_TRUNCATED, in->length, "archive of %llu bytes is cut short",
                       (unsigned long long)in->length);
    uint64_t trailer_at = in->length - ZN_TRAILER_LEN;
    ZN_TRY(zn_input_at(in, trailer_at, ZN_TRAILER_LEN, buf, &bytes, err));
    ZN_TRY(zn_trailer_read(bytes, trailer_at, index_len, err));
    if (*index_len < least || *index_len > in->length - around || *index_len > ZN_FRAME_LEN + (uint64_t)UINT32_MAX ||
        *index_len > SIZE_MAX)
        return zn_fail(err, ZIPNN_E_CORRUPT, trailer_at, "trailer gives the index %llu bytes",
                       (unsigned long long)*index_len);
    *index_at = trailer_at - *index_len;
    /* There is one entry for each frame before the index, and a frame has ZN_LEAST_FRAME bytes at least. A longer index
     * is refused before memory is taken for it. */
    if ((*index_len - least) / ZN_ENTRY_LEN > *index_at / ZN_LEAST_FRAME + ZN_SHA256_LEN / ZN_ENTRY_LEN)
        return zn_fail(err, ZIPNN_E_CORRUPT, trailer_at, "trailer gives the index %llu bytes, only %llu precede it",
                       (unsigned long long)*index_len, (unsigned long long)*index_at);
    return ZIPNN_OK;
}

zipnn_status zn_fail_excess(const uint8_t *bytes, size_t len, uint64_t end, uint64_t length, zipnn_error *err) {
    if (zn_is_archive(bytes, len))
        return zn_fail(err, ZIPNN_E_CORRUPT, end,
                       "two archives one after the other: the first ends and the second begins at byte %llu; zipnn -d "
                       "restores both; for anything else cut the file there",
                       (unsigned long long)end);
    char excess[32] = "bytes";
    if (length != ZN_NOWHERE) snprintf(excess, sizeof excess, "%llu bytes", (unsigned long long)(length - end));
    return zn_fail(err, ZIPNN_E_CORRUPT, end,
                   "%s were appended: they follow the end of the archive; it is whole in the first %llu bytes", excess,
                   (unsigned long long)end);
}

uint64_t zn_archive_end(const struct zn_input *in, uint32_t max_chunk) {
    enum { MOST_FRAMES = 1 << 20 };
    uint8_t buf[ZN_FRAME_LEN];
    const uint8_t *bytes;
    struct zn_frame f;
    uint64_t at = ZN_HEADER_LEN, index_len;
    for (uint32_t i = 0; i < MOST_FRAMES; i++) {
        if (at > in->length || in->length - at < ZN_FRAME_LEN) return ZN_NOWHERE;
        if (zn_input_at(in, at, ZN_FRAME_LEN, buf, &bytes, NULL) != ZIPNN_OK) return ZN_NOWHERE;
        if (zn_frame_read(bytes, max_chunk, at, &f, NULL) != ZIPNN_OK) return ZN_NOWHERE;
        at += zn_frame_size(&f);
        if (f.orig_len != 0 || at > in->length || in->length - at < ZN_TRAILER_LEN) continue;
        if (zn_input_at(in, at, ZN_TRAILER_LEN, buf, &bytes, NULL) != ZIPNN_OK) return ZN_NOWHERE;
        if (zn_trailer_read(bytes, at, &index_len, NULL) == ZIPNN_OK && index_len == zn_frame_size(&f))
            return at + ZN_TRAILER_LEN;
    }
    return ZN_NOWHERE;
}

/* Explains what is wrong with an archive that ends before its input. */
static zipnn_status explain_end(const struct zn_input *in, uint32_t max_chunk, zipnn_status status, zipnn_error *err) {
    uint8_t buf[ZN_HEADER_LEN];
    const uint8_t *bytes;
    const uint64_t end = zn_archive_end(in, max_chunk);
    if (end == ZN_NOWHERE || end == in->length) return status;
    const size_t len = (size_t)ZN_MIN(in->length - end, (uint64_t)sizeof buf);
    if (zn_input_at(in, end, len, buf, &bytes, NULL) != ZIPNN_OK) return status;
    return zn_fail_excess(bytes, len, end, in->length, err);
}

/* Reads and verifies the index frame, and keeps it. */
static zipnn_status load_index(const zipnn_allocator *alloc, const struct zn_kernels *k, struct zn_archive *a,
                               zipnn_error *err) {
    uint64_t at = 0, len = 0;
    struct zn_frame f;
    ZN_TRY(find_index(k, a, &at, &len, err));
    a->memory = zn_alloc(alloc, (size_t)len);
    if (!a->memory)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: the index takes %llu bytes",
                       (unsigned long long)len);
    /* Copy it, since memory and views may change in spite of all promises: what was verified must stay as it is. */
    ZN_TRY(zn_input_copy(&a->self.in, at, (size_t)len, a->memory, err));
    const uint8_t *bytes = a->memory;
    ZN_TRY(zn_frame_read(bytes, a->header.max_chunk, at, &f, err));
    if (f.orig_len != 0 || zn_frame_size(&f) != len)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "no index frame where the trailer points");
    ZN_TRY(zn_frame_verify(bytes, &f, at, k->xxh3_64, err));
    return zn_index_read(bytes + ZN_FRAME_LEN, f.body_len, a->header.max_chunk, at, &a->index, err);
}

/* Lists the place of every chunk. Frames without a chunk are left out. */
static zipnn_status list_places(const zipnn_allocator *alloc, struct zn_archive *a, zipnn_error *err) {
    const size_t n = (size_t)ZN_MAX(a->index.n_entries, 1u);
    a->places = n > SIZE_MAX / sizeof *a->places ? NULL : zn_alloc(alloc, n * sizeof *a->places);
    if (!a->places) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of %zu chunks", n);
    uint64_t at = ZN_HEADER_LEN, off = 0;
    for (uint64_t i = 0; i < a->index.n_entries; i++) {
        const struct zn_frame f = zn_entry_read(a->index.entries + i * ZN_ENTRY_LEN);
        if (f.orig_len) a->places[a->n_places++] = (struct zn_place){f, at, off};
        at += zn_frame_size(&f);
        off += f.orig_len;
    }
    a->self.length = a->index.original;
    return ZIPNN_OK;
}

void zn_archive_begin(struct zn_archive *a, const struct zn_input *in, const struct zn_header *header) {
    *a = (struct zn_archive){
        .self = {.way = &zn_way_archive, .in = *in, .archive = a}, .header = *header, .max_chunk = header->max_chunk};
}

zipnn_status zn_archive_open(const zipnn_allocator *alloc, const struct zn_kernels *k, const struct zn_input *in,
                             struct zn_archive *a, zipnn_error *err) {
    zn_archive_begin(a, in, &(struct zn_header){.max_chunk = 0});
    zipnn_status status = load_index(alloc, k, a, err);
    const bool bad_end = (status == ZIPNN_E_CORRUPT || status == ZIPNN_E_TRUNCATED) && a->header.max_chunk;
    if (bad_end) status = explain_end(in, a->header.max_chunk, status, err);
    if (status == ZIPNN_OK) status = list_places(alloc, a, err);
    a->max_chunk = a->header.max_chunk;
    if (status != ZIPNN_OK) zn_archive_close(a, alloc);
    return status;
}

void zn_archive_close(struct zn_archive *a, const zipnn_allocator *alloc) {
    zn_free(alloc, a->memory);
    zn_free(alloc, a->places);
    zn_free(alloc, a->stored);
    zn_free(alloc, a->records);
    *a = (struct zn_archive){.memory = NULL};
}

zipnn_status zn_archive_sum_stored(struct zn_archive *a, const zipnn_allocator *alloc, zipnn_error *err) {
    a->stored = zn_alloc(alloc, (size_t)(a->n_places + 1) * sizeof *a->stored);
    if (!a->stored) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of chunks");
    a->stored[0] = 0;
    for (uint64_t i = 0; i < a->n_places; i++) a->stored[i + 1] = a->stored[i] + zn_frame_size(&a->places[i].frame);
    return ZIPNN_OK;
}

void zn_archive_measure(struct zn_archive *a) {
    a->levels = a->behind = 0;
    for (unsigned i = 0; i < a->n_bases; i++) {
        const struct zn_archive *base = a->bases[i] ? a->bases[i]->archive : NULL;
        if (a->bases[i]) a->levels = ZN_MAX(a->levels, (base ? base->levels : 0) + 1);
        if (!base) continue;
        a->behind = ZN_MAX(a->behind, base->behind + 1);
        a->max_chunk = ZN_MAX(a->max_chunk, base->max_chunk);
    }
    if (a->header.flags & ZN_FLAG_SELF) a->levels++;
}

uint64_t zn_archive_chunk_at(const struct zn_archive *a, uint64_t off) {
    uint64_t lo = 0, hi = a->n_places;
    while (hi - lo > 1) {
        const uint64_t mid = lo + (hi - lo) / 2;
        if (a->places[mid].off <= off)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}
