#include "engine/origin.h"

#include "chunk/delta.h"

struct zn_origin zn_origin_plain(const struct zn_input *in) {
    return (struct zn_origin){.in = *in, .length = in->length};
}

struct zn_origin zn_origin_archive(const struct zn_input *in, const struct zn_toc *toc, const struct zn_place *places,
                                   uint64_t n_places) {
    return (struct zn_origin){.in = *in,
                              .length = toc->index.original,
                              .places = places,
                              .n_places = n_places,
                              .flags = toc->header.flags,
                              .max_chunk = toc->header.max_chunk};
}

void zn_origin_measure(struct zn_origin *o) {
    o->levels = 0;
    for (unsigned i = 0; i < o->n_bases; i++) {
        const struct zn_origin *base = o->bases[i];
        if (!base) continue;
        o->levels = ZN_MAX(o->levels, base->levels + 1);
        o->max_chunk = ZN_MAX(o->max_chunk, base->max_chunk);
    }
    if (o->flags & ZN_FLAG_SELF) o->levels++;
}

uint64_t zn_origin_chunk_at(const struct zn_origin *o, uint64_t off) {
    uint64_t lo = 0, hi = o->n_places;
    while (hi - lo > 1) {
        const uint64_t mid = lo + (hi - lo) / 2;
        if (o->places[mid].off <= off)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* The work that one chunk may cause is bounded: a hostile chain of references would double it with every link. */
static zipnn_status spend(struct zn_worker *w, uint32_t len, uint64_t at, zipnn_error *err) {
    w->spent += len;
    if (w->spent / w->coder.max_chunk < (uint64_t)ZN_MAX_TOUCHED * w->n_levels) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_LIMIT, at, "a chunk refers to chunks of more than %llu bytes",
                   (unsigned long long)w->spent);
}

/* Decodes chunk i of an archive with the buffers of a level. */
static zipnn_status decode_chunk(const struct zn_engine *e, struct zn_worker *w, const struct zn_scope *scope,
                                 uint64_t i, uint8_t *out, zipnn_error *err) {
    const struct zn_place *place = &scope->of->places[i];
    if (place->at == ZN_NOWHERE)
        return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "a chunk refers to bytes %llu to %llu, which are lost",
                       (unsigned long long)place->off, (unsigned long long)(place->off + place->frame.orig_len));
    const struct zn_scope inner = {scope->of, scope->depth + 1, scope->referred};
    const uint8_t *frame;
    ZN_TRY(spend(w, place->frame.orig_len, place->at, err));
    ZN_TRY(zn_input_at(&scope->of->in, place->at, (size_t)zn_frame_size(&place->frame), w->levels[scope->depth].frame,
                       &frame, err));
    return zn_frame_decode_in(e, w, &inner, frame, place, out, ZN_STORE_CACHED, (struct zn_ahead){0}, err);
}

/* A chunk of which only a part is wanted stays with the level: the next reference is likely to want the rest. */
static zipnn_status hold_chunk(const struct zn_engine *e, struct zn_worker *w, const struct zn_scope *scope, uint64_t i,
                               zipnn_error *err) {
    struct zn_level *level = &w->levels[scope->depth];
    if (level->held_of == scope->of && level->held_index == i) return ZIPNN_OK;
    level->held_of = NULL;
    ZN_TRY(decode_chunk(e, w, scope, i, level->held, err));
    level->held_of = scope->of;
    level->held_index = i;
    return ZIPNN_OK;
}

static zipnn_status read_chunks(const struct zn_engine *e, struct zn_worker *w, const struct zn_scope *scope,
                                uint64_t off, uint32_t len, uint8_t *dst, zipnn_error *err) {
    const struct zn_origin *o = scope->of;
    const uint64_t end = off + len, first = zn_origin_chunk_at(o, off);
    for (uint64_t i = first; i < o->n_places && o->places[i].off < end; i++) {
        const uint64_t start = o->places[i].off, stop = start + o->places[i].frame.orig_len;
        const uint64_t from = ZN_MAX(off, start), to = ZN_MIN(end, stop);
        if (scope->referred && i - first >= ZN_MAX_TOUCHED)
            return zn_fail(err, ZIPNN_E_CORRUPT, o->places[i].at, "a chunk refers to more than %d chunks",
                           ZN_MAX_TOUCHED);
        if (from == start && to == stop) {
            ZN_TRY(decode_chunk(e, w, scope, i, dst + (from - off), err));
        } else {
            ZN_TRY(hold_chunk(e, w, scope, i, err));
            memcpy(dst + (from - off), w->levels[scope->depth].held + (from - start), (size_t)(to - from));
        }
    }
    return ZIPNN_OK;
}

static zipnn_status too_deep(const struct zn_worker *w, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE, "references lead through more than %u archives", w->n_levels);
}

zipnn_status zn_origin_read(const struct zn_engine *e, struct zn_worker *w, const struct zn_scope *scope, uint64_t off,
                            uint32_t len, uint8_t *dst, const uint8_t **bytes, zipnn_error *err) {
    if (!scope->of->places) return zn_input_at(&scope->of->in, off, len, dst, bytes, err);
    if (scope->depth >= w->n_levels) return too_deep(w, err);
    *bytes = dst;
    return read_chunks(e, w, scope, off, len, dst, err);
}

/* Where the bytes referred to are. */
static zipnn_status find_source(const struct zn_scope *scope, const struct zn_reference *ref, uint64_t at,
                                struct zn_scope *source, zipnn_error *err) {
    const struct zn_origin *of = scope->of;
    const bool self = ref->source == ZN_SOURCE_SELF;
    if (!of || !(of->flags & (self ? ZN_FLAG_SELF : ZN_FLAG_BASES)))
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "the archive's header knows of no references such as this chunk's");
    if (self && scope->referred)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "a chunk refers to one that refers to this archive itself");
    if (self && !of->places && !of->restored)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "a chunk repeats others: restoring takes random access");
    if (!self && ref->source > of->n_bases)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "chunk of base %u, the table lists %u", ref->source, of->n_bases);
    *source = (struct zn_scope){of, scope->depth, self};
    if (!self) source->of = of->bases[ref->source - 1];
    if (!source->of)
        return zn_fail(err, ZIPNN_E_BASE, at, "made against \"%.100s\", which was not given",
                       of->records[ref->source - 1].name);
    if (ref->off + ref->len > source->of->length)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "reference to bytes up to %llu of %llu",
                       (unsigned long long)(ref->off + ref->len), (unsigned long long)source->of->length);
    return ZIPNN_OK;
}

static zipnn_status check_bytes(const struct zn_engine *e, const struct zn_reference *ref, const uint8_t *bytes,
                                uint64_t at, zipnn_error *err) {
    if (e->k->xxh3_64(bytes, ref->len) == ref->ref_check) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, at, "bytes %llu to %llu of %s, which a chunk refers to, have another checksum",
                   (unsigned long long)ref->off, (unsigned long long)(ref->off + ref->len),
                   ref->source == ZN_SOURCE_SELF ? "the original" : "the base");
}

static zipnn_status decode_delta(const struct zn_engine *e, struct zn_worker *w, const struct zn_scope *source,
                                 const struct zn_reference *ref, const struct zn_chunk_body *body, uint8_t *out,
                                 zipnn_error *err) {
    const struct zn_chunk_body payload = {body->data + ZN_REFERENCE_LEN, body->len - ZN_REFERENCE_LEN,
                                          body->at + ZN_REFERENCE_LEN, body->ahead, NULL};
    const uint8_t *bytes;
    if (source->depth >= w->n_levels) return too_deep(w, err);
    ZN_TRY(zn_origin_read(e, w, source, ref->off, ref->len, w->levels[source->depth].bytes, &bytes, err));
    ZN_TRY(check_bytes(e, ref, bytes, body->at, err));
    ZN_TRY(zn_delta_decode(&w->coder, &payload, bytes, out, ref->len, ZN_STORE_CACHED, err));
    if (e->k->xxh3_64(out, ref->len) == ref->orig_check) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "a chunk decoded by its reference has another checksum");
}

zipnn_status zn_reference_decode(const struct zn_engine *e, struct zn_worker *w, const struct zn_scope *scope,
                                 const struct zn_chunk_body *body, uint8_t *out, uint32_t orig_len, zipnn_error *err) {
    struct zn_reference ref;
    struct zn_scope source;
    const uint8_t *bytes;
    ZN_TRY(zn_reference_read(body->data, body->len, orig_len, body->at, &ref, err));
    ZN_TRY(find_source(scope, &ref, body->at, &source, err));
    if (scope->depth == 0) w->spent = 0;
    if (ref.method == ZN_METHOD_DELTA) return decode_delta(e, w, &source, &ref, body, out, err);
    ZN_TRY(zn_origin_read(e, w, &source, ref.off, ref.len, out, &bytes, err));
    ZN_TRY(check_bytes(e, &ref, bytes, body->at, err));
    if (bytes != out) memcpy(out, bytes, ref.len);
    return ZIPNN_OK;
}
