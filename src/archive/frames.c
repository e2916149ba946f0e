/* Frames of a random-access archive: its table of contents, and one frame at a time. */
#include "archive/frames.h"

#include <stdio.h>

#include "archive/origin.h"

static zipnn_status check_kind(const struct zn_origin *of, const uint8_t *frame, const struct zn_place *place,
                               zipnn_error *err) {
    const uint8_t kind = frame[ZN_FRAME_LEN];
    const bool chunk = place->frame.orig_len != 0;
    if (chunk ? kind == ZN_KIND_CHUNK || kind == ZN_KIND_REFERENCE : kind >= ZN_KIND_ANCILLARY) return ZIPNN_OK;
    if (kind == ZN_KIND_BASES && !chunk) {
        if (place->at == ZN_HEADER_LEN && of && of->flags & ZN_FLAG_BASES) return ZIPNN_OK;
        return zn_fail(err, ZIPNN_E_CORRUPT, place->at, "a table of bases where none may be");
    }
    if (kind > ZN_KIND_BASES && kind < ZN_KIND_ANCILLARY)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, place->at, "frame kind %u is not supported", kind);
    return zn_fail(err, ZIPNN_E_CORRUPT, place->at, "frame of kind %u stands for %u original bytes", kind,
                   place->frame.orig_len);
}

zipnn_status zn_frame_decode(struct zn_worker *w, const struct zn_origin *of, const uint8_t *frame,
                             const struct zn_place *place, uint8_t *out, enum zn_store store, struct zn_ahead ahead,
                             zipnn_error *err) {
    return zn_frame_decode_in(w, &(struct zn_scope){of, 0, false}, frame, place, out, store, ahead, err);
}

/* Decodes the usual chunk and takes the check in one go, which waits for memory once. False, and nothing said of it, if
 * either fails or the chunk is another: then the check comes first, and what is wrong is found in that order. */
static bool decode_checking(struct zn_worker *w, const struct zn_frame *f, struct zn_chunk_body body, uint8_t *out,
                            enum zn_store store) {
    struct zn_check check;
    if (f->orig_len == 0 || !w->e->k->check_begin || !zn_chunk_takes_check(&body, f->orig_len)) return false;
    const size_t before = ZN_FRAME_LEN - ZN_FRAME_CHECKED;
    w->e->k->check_begin(&check, body.data - before, before + body.len);
    body.check = &check;
    return zn_chunk_decode(&w->coder, &body, out, f->orig_len, store, NULL) == ZIPNN_OK &&
           w->e->k->check_end(&check) == f->check;
}

/* What a frame costs beyond its bytes, and a byte that is coded by mixing beyond one of the others. */
enum { TOLL_OF_FRAME = 1024, TOLL_OF_MIXING = 15 };

static void charge(struct zn_worker *w, const struct zn_scope *scope, uint64_t toll) {
    if (scope->depth)
        w->toll.referred += toll;
    else
        w->toll.own += toll;
}

/* Reads the head and charges for what follows. */
static zipnn_status enter(struct zn_worker *w, const struct zn_scope *scope, const uint8_t *frame,
                          const struct zn_place *place, struct zn_frame *f, zipnn_error *err) {
    ZN_TRY(zn_frame_read(frame, w->coder.max_chunk, place->at, f, err));
    if (f->check != place->frame.check || f->body_len != place->frame.body_len || f->orig_len != place->frame.orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, place->at, "frame is not the one that the index lists here");
    charge(w, scope, TOLL_OF_FRAME + zn_frame_size(f) + f->orig_len);
    if (scope->depth == 0) w->toll.original += f->orig_len;
    return ZIPNN_OK;
}

/* Verifies check and kind. */
static zipnn_status open_body(const struct zn_kernels *k, const struct zn_scope *scope, const uint8_t *frame,
                              const struct zn_place *place, struct zn_chunk_body *body, zipnn_error *err) {
    const struct zn_frame *f = &place->frame;
    const size_t checked = (size_t)zn_frame_size(f) - ZN_FRAME_CHECKED;
    body->ahead.lines = k->decode_fetches;
    if (k->xxh3_64_passing(frame + ZN_FRAME_CHECKED, checked, &body->ahead, NULL) != f->check)
        return zn_frame_mismatch(f, place->at, err);
    return check_kind(scope->of, frame, place, err);
}

static struct zn_chunk_body body_of(const uint8_t *frame, const struct zn_place *place, struct zn_ahead ahead) {
    return (struct zn_chunk_body){frame + ZN_FRAME_LEN, place->frame.body_len, place->at + ZN_FRAME_LEN, ahead, NULL};
}

zipnn_status zn_frame_open(struct zn_worker *w, const struct zn_scope *scope, const uint8_t *frame,
                           const struct zn_place *place, struct zn_chunk_body *body, zipnn_error *err) {
    struct zn_frame f;
    ZN_TRY(enter(w, scope, frame, place, &f, err));
    *body = body_of(frame, place, (struct zn_ahead){0});
    return open_body(w->e->k, scope, frame, place, body, err);
}

static zipnn_status decode_body(struct zn_worker *w, const struct zn_scope *scope, const uint8_t *frame,
                                const struct zn_place *place, struct zn_chunk_body body, uint8_t *out,
                                enum zn_store store, zipnn_error *err) {
    const uint32_t orig_len = place->frame.orig_len;
    if (decode_checking(w, &place->frame, body, out, store)) return ZIPNN_OK;
    ZN_TRY(open_body(w->e->k, scope, frame, place, &body, err));
    if (orig_len == 0) return ZIPNN_OK;
    if (body.data[0] == ZN_KIND_REFERENCE) return zn_reference_decode(w, scope, &body, out, orig_len, err);
    return zn_chunk_decode(&w->coder, &body, out, orig_len, store, err);
}

zipnn_status zn_frame_decode_in(struct zn_worker *w, const struct zn_scope *scope, const uint8_t *frame,
                                const struct zn_place *place, uint8_t *out, enum zn_store store, struct zn_ahead ahead,
                                zipnn_error *err) {
    struct zn_frame f;
    ZN_TRY(enter(w, scope, frame, place, &f, err));
    const uint64_t slow = w->coder.codec.slow;
    const zipnn_status status = decode_body(w, scope, frame, place, body_of(frame, place, ahead), out, store, err);
    charge(w, scope, (w->coder.codec.slow - slow) * TOLL_OF_MIXING);
    return status;
}

struct zn_ahead zn_look_ahead(const struct zn_input *in, const struct zn_place *place, unsigned n_frames) {
    const uint64_t size = zn_frame_size(&place->frame), next = place->at + size * n_frames;
    if (next >= in->length) return (struct zn_ahead){0};
    const size_t len = (size_t)ZN_MIN(in->length - next, size);
    const uint8_t *bytes = NULL;
    if (!zn_input_is_visible(in) || zn_input_at(in, next, len, NULL, &bytes, NULL) != ZIPNN_OK || !bytes)
        return (struct zn_ahead){0};
    return (struct zn_ahead){.at = bytes, .len = len};
}

/* The index frame's place, from the trailer. */
static zipnn_status find_index(const struct zn_kernels *k, const struct zn_input *in, struct zn_toc *toc,
                               uint64_t *index_len, zipnn_error *err) {
    uint8_t buf[ZN_HEADER_LEN];
    const uint8_t *bytes;
    size_t head_len = (size_t)ZN_MIN(in->length, (uint64_t)ZN_HEADER_LEN);
    ZN_TRY(zn_input_at(in, 0, head_len, buf, &bytes, err));
    ZN_TRY(zn_header_read(bytes, head_len, &toc->header, k->xxh3_64, err));
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
    toc->index_at = trailer_at - *index_len;
    /* An entry for each frame before it, of ZN_FRAME_LEN + 4 bytes at least: more is no index, and not worth memory. */
    if ((*index_len - least) / ZN_ENTRY_LEN > toc->index_at / ZN_LEAST_FRAME + ZN_SHA256_LEN / ZN_ENTRY_LEN)
        return zn_fail(err, ZIPNN_E_CORRUPT, trailer_at, "trailer gives the index %llu bytes, only %llu precede it",
                       (unsigned long long)*index_len, (unsigned long long)toc->index_at);
    return ZIPNN_OK;
}

zipnn_status zn_fail_excess(const uint8_t *bytes, size_t len, uint64_t end, uint64_t length, zipnn_error *err) {
    if (zn_is_archive(bytes, len))
        return zn_fail(err, ZIPNN_E_CORRUPT, end,
                       "two archives one after the other: the first ends and the second begins at byte %llu; cut the "
                       "file there",
                       (unsigned long long)end);
    char excess[32] = "bytes";
    if (length != ZN_NOWHERE) snprintf(excess, sizeof excess, "%llu bytes", (unsigned long long)(length - end));
    return zn_fail(err, ZIPNN_E_CORRUPT, end,
                   "%s were appended: they follow the end of the archive; it is whole in the first %llu bytes", excess,
                   (unsigned long long)end);
}

/* Where the frames end, by their heads: behind a trailer that gives the frame before it the length it has. ZN_NOWHERE
 * when they do not lead to one soon. */
static uint64_t find_end(const struct zn_input *in, uint32_t max_chunk) {
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

/* What is wrong with an archive whose end is not where the input's is. */
static zipnn_status explain_end(const struct zn_input *in, uint32_t max_chunk, zipnn_status status, zipnn_error *err) {
    uint8_t buf[ZN_HEADER_LEN];
    const uint8_t *bytes;
    const uint64_t end = find_end(in, max_chunk);
    if (end == ZN_NOWHERE || end == in->length) return status;
    const size_t len = (size_t)ZN_MIN(in->length - end, (uint64_t)sizeof buf);
    if (zn_input_at(in, end, len, buf, &bytes, NULL) != ZIPNN_OK) return status;
    return zn_fail_excess(bytes, len, end, in->length, err);
}

static zipnn_status load_toc(const zipnn_allocator *alloc, const struct zn_kernels *k, const struct zn_input *in,
                             struct zn_toc *toc, zipnn_error *err) {
    uint64_t len;
    ZN_TRY(find_index(k, in, toc, &len, err));
    toc->memory = zn_alloc(alloc, (size_t)len);
    if (!toc->memory)
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: the index takes %llu bytes",
                       (unsigned long long)len);
    /* Memory and views may change in spite of all promises: what is verified here must stay what it is. */
    ZN_TRY(zn_input_copy(in, toc->index_at, (size_t)len, toc->memory, err));
    const uint8_t *bytes = toc->memory;
    struct zn_frame f;
    ZN_TRY(zn_frame_read(bytes, toc->header.max_chunk, toc->index_at, &f, err));
    if (f.orig_len != 0 || zn_frame_size(&f) != len)
        return zn_fail(err, ZIPNN_E_CORRUPT, toc->index_at, "no index frame where the trailer points");
    ZN_TRY(zn_frame_verify(bytes, &f, toc->index_at, k->xxh3_64, err));
    return zn_index_read(bytes + ZN_FRAME_LEN, f.body_len, toc->header.max_chunk, toc->index_at, &toc->index, err);
}

zipnn_status zn_toc_load(const zipnn_allocator *alloc, const struct zn_kernels *k, const struct zn_input *in,
                         struct zn_toc *toc, zipnn_error *err) {
    memset(toc, 0, sizeof *toc);
    const zipnn_status status = load_toc(alloc, k, in, toc, err);
    const bool bad_end = (status == ZIPNN_E_CORRUPT || status == ZIPNN_E_TRUNCATED) && toc->header.max_chunk;
    return bad_end ? explain_end(in, toc->header.max_chunk, status, err) : status;
}

void zn_toc_free(const zipnn_allocator *alloc, struct zn_toc *toc) {
    zn_free(alloc, toc->memory);
    toc->memory = NULL;
}

zipnn_status zn_toc_places(const zipnn_allocator *alloc, const struct zn_toc *toc, struct zn_place **places,
                           uint64_t *n_places, zipnn_error *err) {
    const struct zn_index *index = &toc->index;
    const size_t n = (size_t)ZN_MAX(index->n_entries, 1u);
    *n_places = 0;
    *places = n > SIZE_MAX / sizeof **places ? NULL : zn_alloc(alloc, n * sizeof **places);
    if (!*places) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of %zu chunks", n);
    uint64_t at = ZN_HEADER_LEN, off = 0;
    for (uint64_t i = 0; i < index->n_entries; i++) {
        const struct zn_frame f = zn_entry_read(index->entries + i * ZN_ENTRY_LEN);
        if (f.orig_len) (*places)[(*n_places)++] = (struct zn_place){f, at, off};
        at += zn_frame_size(&f);
        off += f.orig_len;
    }
    return ZIPNN_OK;
}
