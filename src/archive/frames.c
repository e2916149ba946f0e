#include "archive/frames.h"

#include "archive/references.h"

static zipnn_status check_kind(const struct zn_archive *of, const uint8_t *frame, const struct zn_place *place,
                               zipnn_error *err) {
    const uint8_t kind = frame[ZN_FRAME_LEN];
    const bool chunk = place->frame.orig_len != 0;
    if (chunk ? kind == ZN_KIND_CHUNK || kind == ZN_KIND_REFERENCE : kind >= ZN_KIND_ANCILLARY) return ZIPNN_OK;
    if (kind == ZN_KIND_BASES && !chunk) {
        if (place->at == ZN_HEADER_LEN && of && of->header.flags & ZN_FLAG_BASES) return ZIPNN_OK;
        return zn_fail(err, ZIPNN_E_CORRUPT, place->at, "a table of bases stands where none is allowed");
    }
    if (kind > ZN_KIND_BASES && kind < ZN_KIND_ANCILLARY)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, place->at, "frame kind %u is not supported", kind);
    return zn_fail(err, ZIPNN_E_CORRUPT, place->at, "a frame of kind %u claims %u original bytes", kind,
                   place->frame.orig_len);
}

zipnn_status zn_frame_decode(struct zn_worker *w, const struct zn_archive *of, struct zn_whole_frame frame,
                             const struct zn_target *target, zipnn_error *err) {
    return zn_frame_decode_in(w, &(struct zn_scope){of, 0, false}, frame, target, err);
}

/* Decodes a usual chunk and computes its check in the same loop, so that its bytes are loaded once. Returns false if
 * either fails, or if the chunk is not usual: then the caller verifies the check first, so that errors are found in the
 * same order as elsewhere. */
static bool decode_checking(struct zn_worker *w, const struct zn_frame *f, struct zn_chunk_body body,
                            const struct zn_target *target) {
    struct zn_check check;
    if (f->orig_len == 0 || !w->e->k->check_begin || !zn_chunk_takes_check(&body, f->orig_len)) return false;
    const size_t before = ZN_FRAME_LEN - ZN_FRAME_CHECKED;
    w->e->k->check_begin(&check, body.data - before, before + body.len);
    body.check = &check;
    return zn_chunk_decode(&w->coder, &body, target->out, f->orig_len, target->store, NULL) == ZIPNN_OK &&
           w->e->k->check_end(&check) == f->check;
}

/* What a frame costs besides its bytes, and what a byte coded by mixing costs more than another byte. */
enum { TOLL_OF_FRAME = 1024, TOLL_OF_MIXING = 15 };

static void charge(struct zn_worker *w, const struct zn_scope *scope, uint64_t toll) {
    if (scope->depth)
        w->toll.referred += toll;
    else
        w->toll.own += toll;
}

/* Reads the head and charges for what follows. */
static zipnn_status enter(struct zn_worker *w, const struct zn_scope *scope, struct zn_whole_frame frame,
                          zipnn_error *err) {
    const struct zn_frame *listed = &frame.place->frame;
    struct zn_frame f;
    ZN_TRY(zn_frame_read(frame.bytes, w->coder.max_chunk, frame.place->at, &f, err));
    if (f.check != listed->check || f.body_len != listed->body_len || f.orig_len != listed->orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, frame.place->at, "frame is not the one that the index lists here");
    charge(w, scope, TOLL_OF_FRAME + zn_frame_size(&f) + f.orig_len);
    if (scope->depth == 0) w->toll.original += f.orig_len;
    return ZIPNN_OK;
}

/* Verifies check and kind. */
static zipnn_status open_body(const struct zn_kernels *k, const struct zn_scope *scope, struct zn_whole_frame frame,
                              struct zn_chunk_body *body, zipnn_error *err) {
    const struct zn_frame *f = &frame.place->frame;
    const size_t checked = (size_t)zn_frame_size(f) - ZN_FRAME_CHECKED;
    body->ahead.lines = k->decode_fetches;
    if (k->xxh3_64_passing(frame.bytes + ZN_FRAME_CHECKED, checked, &body->ahead, NULL) != f->check)
        return zn_frame_mismatch(f, frame.place->at, err);
    return check_kind(scope->of, frame.bytes, frame.place, err);
}

static struct zn_chunk_body body_of(struct zn_whole_frame frame, struct zn_ahead ahead) {
    return (struct zn_chunk_body){frame.bytes + ZN_FRAME_LEN, frame.place->frame.body_len,
                                  frame.place->at + ZN_FRAME_LEN, ahead, NULL};
}

zipnn_status zn_frame_open(struct zn_worker *w, const struct zn_scope *scope, struct zn_whole_frame frame,
                           struct zn_chunk_body *body, zipnn_error *err) {
    ZN_TRY(enter(w, scope, frame, err));
    *body = body_of(frame, (struct zn_ahead){0});
    return open_body(w->e->k, scope, frame, body, err);
}

static zipnn_status decode_body(struct zn_worker *w, const struct zn_scope *scope, struct zn_whole_frame frame,
                                const struct zn_target *target, zipnn_error *err) {
    const uint32_t orig_len = frame.place->frame.orig_len;
    struct zn_chunk_body body = body_of(frame, target->ahead);
    if (decode_checking(w, &frame.place->frame, body, target)) return ZIPNN_OK;
    ZN_TRY(open_body(w->e->k, scope, frame, &body, err));
    if (orig_len == 0) return ZIPNN_OK;
    if (body.data[0] == ZN_KIND_REFERENCE) return zn_reference_decode(w, scope, &body, target->out, orig_len, err);
    return zn_chunk_decode(&w->coder, &body, target->out, orig_len, target->store, err);
}

zipnn_status zn_frame_decode_in(struct zn_worker *w, const struct zn_scope *scope, struct zn_whole_frame frame,
                                const struct zn_target *target, zipnn_error *err) {
    ZN_TRY(enter(w, scope, frame, err));
    const uint64_t slow = w->coder.codec.slow;
    const zipnn_status status = decode_body(w, scope, frame, target, err);
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
