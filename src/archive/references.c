#include "archive/references.h"

#include "archive/fetched.h"
#include "delta/casts.h"
#include "delta/delta.h"

/* ---- what references may cost ------------------------------------------------------------------------------------ */

/* How much the references of one thread may cost in an operation: a fixed amount, and an amount for each byte restored;
 * both grow with the number of archives that they lead through. Honest archives stay far below. A chunk is decoded for
 * each tensor in it that was moved elsewhere: at most 128 times, since tensors below 4 KiB are not looked for. In a
 * chain each archive costs as much as what is restored, or a few times as much if its chunks overlap others' and
 * several threads need them. A range that is read by itself costs one more chunk in each archive than in the one
 * before. */
enum { FREE = 256 << 20, FREE_LEVEL = 24 << 20, PER_BYTE = 160, PER_BYTE_LEVEL = 16 };

static zipnn_status check_toll(const struct zn_worker *w, uint64_t at, zipnn_error *err) {
    const uint64_t spent = w->toll.referred - w->before.referred, restored = w->toll.original - w->before.original;
    const uint64_t levels = w->n_levels;
    if (spent <= FREE + FREE_LEVEL * levels + restored * (PER_BYTE + PER_BYTE_LEVEL * levels)) return ZIPNN_OK;
    return zn_fail(
        err, ZIPNN_E_LIMIT, at,
        "references through %u archives have cost as much as decoding %llu bytes for %llu that were restored: "
        "more than any that this library writes",
        w->n_levels, (unsigned long long)spent, (unsigned long long)restored);
}

/* ---- chunks of an archive ---------------------------------------------------------------------------------------- */

/* Where decoded bytes go: to `out`, or, if that is NULL, to a slot that is taken when there are bytes to put into it.
 */
struct goal {
    uint8_t *out;
    struct zn_slot *slot;
};

static zipnn_status reach(struct zn_worker *w, struct goal *goal, zipnn_error *err) {
    if (goal->out) return ZIPNN_OK;
    ZN_TRY(zn_shelf_take(&w->shelf, &w->e->alloc, &goal->slot, err));
    goal->out = goal->slot->bytes;
    return ZIPNN_OK;
}

/* A frame behind a reference. All such frames share one buffer, so decoding another one overwrites it. */
struct stored {
    const struct zn_archive *of; /* NULL: the frame belongs to the caller, and stays */
    uint64_t index;
    const uint8_t *frame;
};

static zipnn_status fetch_frame(struct zn_worker *w, struct stored *s, zipnn_error *err) {
    struct zn_shelf *shelf = &w->shelf;
    const struct zn_place *place = &s->of->places[s->index];
    const size_t room = ZN_FRAME_LEN + (size_t)w->e->max_chunk + ZN_CHUNK_GROWTH;
    if (!zn_input_is_visible(&s->of->self.in) && !shelf->frame) {
        shelf->frame = zn_alloc(&w->e->alloc, room);
        if (!shelf->frame) return zn_fail(err, ZIPNN_E_MEMORY, place->at, "out of memory: a frame of %zu bytes", room);
    }
    shelf->frame_of = NULL;
    ZN_TRY(zn_fetch(w, &s->of->self.in, place->at, (size_t)zn_frame_size(&place->frame), shelf->frame, &s->frame, err));
    if (s->frame == shelf->frame) shelf->frame_of = s->of;
    shelf->frame_index = s->index;
    return ZIPNN_OK;
}

/* Reads the frame again if another one took its buffer, and verifies it again, since the input may have changed. */
static zipnn_status keep_frame(struct zn_worker *w, struct stored *s, zipnn_error *err) {
    const struct zn_shelf *shelf = &w->shelf;
    if (!s->of || s->frame != shelf->frame || (shelf->frame_of == s->of && shelf->frame_index == s->index))
        return ZIPNN_OK;
    const struct zn_place *place = &s->of->places[s->index];
    ZN_TRY(fetch_frame(w, s, err));
    return zn_frame_verify(s->frame, &place->frame, place->at, w->e->k->xxh3_64, err);
}

static zipnn_status refer(struct zn_worker *w, const struct zn_scope *scope, struct stored *stored,
                          const struct zn_chunk_body *body, uint32_t orig_len, struct goal *goal, zipnn_error *err);

/* Decodes chunk i of an archive to the goal. */
static zipnn_status decode_to(struct zn_worker *w, const struct zn_scope *scope, uint64_t i, struct goal *goal,
                              zipnn_error *err) {
    const struct zn_place *place = &scope->of->places[i];
    if (place->at == ZN_NOWHERE)
        return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "a chunk refers to bytes %llu to %llu, which are lost",
                       (unsigned long long)place->off, (unsigned long long)(place->off + place->frame.orig_len));
    const struct zn_scope inner = {scope->of, scope->depth + 1, scope->referred};
    struct stored stored = {.of = scope->of, .index = i};
    ZN_TRY(check_toll(w, place->at, err));
    ZN_TRY(fetch_frame(w, &stored, err));
    if (stored.frame[ZN_FRAME_LEN] != ZN_KIND_REFERENCE) {
        ZN_TRY(reach(w, goal, err));
        const struct zn_target target = {.out = goal->out, .store = ZN_STORE_CACHED};
        return zn_frame_decode_in(w, &inner, (struct zn_whole_frame){stored.frame, place}, &target, err);
    }
    struct zn_chunk_body body;
    ZN_TRY(zn_frame_open(w, &inner, (struct zn_whole_frame){stored.frame, place}, &body, err));
    return refer(w, &inner, &stored, &body, place->frame.orig_len, goal, err);
}

/* Lends chunk i from the shelf; decodes it first if it is not there. */
static zipnn_status have_chunk(struct zn_worker *w, const struct zn_scope *scope, uint64_t i, struct zn_slot **slot,
                               zipnn_error *err) {
    struct goal goal = {NULL, NULL};
    *slot = zn_shelf_find(&w->shelf, scope->of, i);
    if (*slot) return ZIPNN_OK;
    const zipnn_status status = decode_to(w, scope, i, &goal, err);
    if (status == ZIPNN_OK)
        zn_shelf_label(&w->shelf, goal.slot, scope->of, i);
    else
        zn_shelf_return(goal.slot);
    *slot = goal.slot;
    return status;
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

/* A range, and the chunks [first, end) of the archive that hold it. */
struct span {
    uint64_t off;
    uint32_t len;
    uint64_t first, end;
};

static zipnn_status find_span(const struct zn_scope *scope, uint64_t off, uint32_t len, struct span *s,
                              zipnn_error *err) {
    const struct zn_archive *o = scope->of;
    *s = (struct span){.off = off, .len = len, .first = zn_archive_chunk_at(o, off)};
    for (s->end = s->first; s->end < o->n_places && o->places[s->end].off < off + len; s->end++)
        if (scope->referred && s->end - s->first >= ZN_MAX_TOUCHED)
            return zn_fail(err, ZIPNN_E_CORRUPT, o->places[s->end].at, "a chunk refers to more than %d chunks",
                           ZN_MAX_TOUCHED);
    return ZIPNN_OK;
}

/* Lists all frames of the span that were not fetched, not only the first. */
static zipnn_status check_fetched(const struct zn_worker *w, const struct zn_archive *a, const struct span *s,
                                  zipnn_error *err) {
    bool all = true;
    for (uint64_t i = s->first; i < s->end; i++) {
        const struct zn_place *p = &a->places[i];
        if (p->at != ZN_NOWHERE) all &= zn_fetched_has(w->fetched, &a->self.in, p->at, zn_frame_size(&p->frame));
    }
    return all ? ZIPNN_OK : zn_fail(err, ZIPNN_E_NOT_FOUND, s->off, "frames referred to were not fetched");
}

/* Puts a few chunks on the shelf, the last one first, while no slot is lent. Without this, a range that lies across two
 * chunks in each archive of a chain would hold a slot in each. The first chunk is likely to be there already, from the
 * range before. */
static zipnn_status prepare_chunks(struct zn_worker *w, const struct zn_scope *scope, const struct span *s,
                                   zipnn_error *err) {
    enum { FEW = 3 };
    struct zn_slot *slot;
    if (s->end - s->first > FEW) return ZIPNN_OK;
    zn_shelf_return(zn_shelf_find(&w->shelf, scope->of, s->first));
    for (uint64_t i = s->end; i-- > s->first;) {
        ZN_TRY(have_chunk(w, scope, i, &slot, err));
        zn_shelf_return(slot);
    }
    return ZIPNN_OK;
}

/* Copies the part of chunk i that lies in the span to the goal. */
static zipnn_status put_part(struct zn_worker *w, const struct zn_scope *scope, const struct span *s, uint64_t i,
                             struct goal *goal, zipnn_error *err) {
    const struct zn_place *place = &scope->of->places[i];
    const uint64_t start = place->off, stop = start + place->frame.orig_len;
    const uint64_t from = ZN_MAX(s->off, start), to = ZN_MIN(s->off + s->len, stop);
    struct zn_slot *slot;
    if (goal->out && from == start && to == stop && s->end - s->first > 1) {
        struct goal there = {goal->out + (from - s->off), NULL};
        return decode_to(w, scope, i, &there, err);
    }
    ZN_TRY(have_chunk(w, scope, i, &slot, err));
    zipnn_status status = reach(w, goal, err);
    if (status == ZIPNN_OK) memcpy(goal->out + (from - s->off), slot->bytes + (from - start), (size_t)(to - from));
    zn_shelf_return(slot);
    return status;
}

/* Reads the span. If it lies in one chunk that is on the shelf, *bytes points there; otherwise it is copied to the
 * goal. */
static zipnn_status read_span(struct zn_worker *w, const struct zn_scope *scope, const struct span *s,
                              struct goal *goal, const uint8_t **bytes, zipnn_error *err) {
    const struct zn_place *place = &scope->of->places[s->first];
    if (s->end - s->first == 1) {
        const bool whole = place->off == s->off && place->frame.orig_len == s->len;
        if (goal->out && whole && !(goal->slot = zn_shelf_find(&w->shelf, scope->of, s->first))) {
            *bytes = goal->out;
            return decode_to(w, scope, s->first, goal, err);
        }
        if (!goal->slot) ZN_TRY(have_chunk(w, scope, s->first, &goal->slot, err));
        *bytes = goal->slot->bytes + (s->off - place->off);
        return ZIPNN_OK;
    }
    ZN_TRY(prepare_chunks(w, scope, s, err));
    zipnn_status status = ZIPNN_OK;
    for (uint64_t i = s->first; i < s->end && status == ZIPNN_OK; i++) status = put_part(w, scope, s, i, goal, err);
    *bytes = goal->out;
    return status;
}

/* Reads a range of `from`. *bytes points to it: in the goal, on the shelf (goal->slot is then lent) or in the input.
 * `as` is the scope that wants it. */
static zipnn_status read_range(struct zn_worker *w, const struct zn_original *from, const struct zn_scope *as,
                               uint64_t off, uint32_t len, struct goal *goal, const uint8_t **bytes, zipnn_error *err) {
    const struct zn_scope scope = {from->archive, as->depth, as->referred};
    struct span span;
    if (!from->archive) {
        if (!zn_input_is_visible(&from->in)) ZN_TRY(reach(w, goal, err));
        return zn_fetch(w, &from->in, off, len, goal->out, bytes, err);
    }
    if (scope.depth >= w->n_levels)
        return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE, "references lead through more than %u archives", w->n_levels);
    ZN_TRY(find_span(&scope, off, len, &span, err));
    if (w->fetched) ZN_TRY(check_fetched(w, scope.of, &span, err));
    return read_span(w, &scope, &span, goal, bytes, err);
}

zipnn_status zn_original_lend(struct zn_worker *w, const struct zn_original *original, uint64_t off, uint32_t len,
                              struct zn_lent *lent, zipnn_error *err) {
    const struct zn_scope nobody = {NULL, 0, false};
    struct goal goal = {NULL, NULL};
    const zipnn_status status = read_range(w, original, &nobody, off, len, &goal, &lent->bytes, err);
    lent->slot = goal.slot;
    if (status != ZIPNN_OK) zn_shelf_return(goal.slot);
    return status;
}

/* ---- references that are made of parts --------------------------------------------------------------------------- */

/* A reference in the making. `scope` is the one that wants it. */
struct making {
    const struct zn_original *from;
    struct zn_scope scope;
    uint8_t *out; /* room for len bytes */
    uint32_t len, made;
    uint64_t next; /* where the last part ended in the original */
    uint64_t at;   /* of the chunk, for errors */
};

/* Makes a part out of bytes as they are, or cast, piece by piece. */
static zipnn_status make_from(struct zn_worker *w, const struct making *m, const struct zn_part *part,
                              zipnn_error *err) {
    enum { PIECE = 16 << 10 /* elements */ };
    const bool casts = part->form >= ZN_FORM_CAST;
    const struct zn_cast_widths one = {1, 1}, width = casts ? zn_casts[part->form - ZN_FORM_CAST] : one;
    const size_t n = part->len / width.to, most = casts ? PIECE : n;
    for (size_t i = 0; i < n; i += most) {
        const size_t some = ZN_MIN(most, n - i);
        uint8_t *to = m->out + m->made + i * width.to;
        struct goal goal = {casts ? NULL : to, NULL};
        const uint8_t *bytes = NULL;
        const zipnn_status status = read_range(w, m->from, &m->scope, part->off + i * width.from,
                                               (uint32_t)(some * width.from), &goal, &bytes, err);
        if (status == ZIPNN_OK && casts) zn_cast((enum zn_cast)(part->form - ZN_FORM_CAST), bytes, some, to);
        if (status == ZIPNN_OK && !casts && bytes != to) memcpy(to, bytes, some);
        zn_shelf_return(goal.slot);
        ZN_TRY(status);
    }
    return ZIPNN_OK;
}

/* Reads [off, off + len) to `to`. */
static zipnn_status make_piece(struct zn_worker *w, const struct making *m, uint64_t off, size_t len, uint8_t *to,
                               zipnn_error *err) {
    struct goal goal = {to, NULL};
    const uint8_t *bytes = NULL;
    const zipnn_status status = read_range(w, m->from, &m->scope, off, (uint32_t)len, &goal, &bytes, err);
    if (status == ZIPNN_OK && bytes != to) memcpy(to, bytes, len);
    zn_shelf_return(goal.slot);
    return status;
}

/* Row by row. */
static zipnn_status make_columns(struct zn_worker *w, const struct making *m, const struct zn_part *part,
                                 zipnn_error *err) {
    uint32_t in_row = part->skip;
    uint64_t row = part->off;
    for (uint32_t done = 0; done < part->len; row += part->stride) {
        const uint32_t some = ZN_MIN(part->row - in_row, part->len - done);
        ZN_TRY(make_piece(w, m, row + in_row, some, m->out + m->made + done, err));
        done += some;
        in_row = 0;
    }
    return ZIPNN_OK;
}

/* The columns that are wanted are read row by row, some rows' pieces at a time, and each element goes to its place. */
static zipnn_status make_turned(struct zn_worker *w, const struct making *m, const struct zn_part *part,
                                zipnn_error *err) {
    enum { PIECE = 512 };
    const uint32_t n = part->len / part->width, first = part->skip, end = first + n;
    const uint32_t from = first / part->row, to = (end - 1) / part->row + 1, at_once = PIECE / part->width;
    uint8_t piece[PIECE];
    for (uint32_t c = from; c < to; c += at_once)
        for (uint32_t r = 0; r < part->row; r++) {
            const uint32_t some = ZN_MIN(at_once, to - c);
            const uint64_t off = part->off + ((uint64_t)r * part->stride + c) * part->width;
            ZN_TRY(make_piece(w, m, off, (size_t)some * part->width, piece, err));
            for (uint32_t k = 0; k < some; k++) {
                const uint64_t place = (uint64_t)(c + k) * part->row + r;
                if (place >= first && place < end)
                    memcpy(m->out + m->made + (place - first) * part->width, piece + k * part->width, part->width);
            }
        }
    return ZIPNN_OK;
}

/* A reference to the archive itself is made of one part, which touches as few chunks as any other. */
static zipnn_status check_part(const struct making *m, const struct zn_part *part, unsigned n_parts, zipnn_error *err) {
    const uint64_t reads = zn_part_reads(part);
    struct span span;
    if (part->off > m->from->length || reads > m->from->length - part->off)
        return zn_fail(err, ZIPNN_E_CORRUPT, m->at, "a chunk refers to bytes up to %llu of an original of %llu bytes",
                       (unsigned long long)(part->off + reads), (unsigned long long)m->from->length);
    if (!m->scope.referred || !m->from->archive) return ZIPNN_OK;
    if (n_parts > 1 || reads > UINT32_MAX / 2 || part->form == ZN_FORM_COLUMNS || part->form == ZN_FORM_TURNED)
        return zn_fail(err, ZIPNN_E_CORRUPT, m->at, "a chunk refers to %u parts of its own archive, or to a view",
                       n_parts);
    const struct zn_scope scope = {m->from->archive, m->scope.depth, true};
    return find_span(&scope, part->off, (uint32_t)reads, &span, err);
}

static zipnn_status make_part(struct zn_worker *w, struct making *m, const struct zn_part *part, unsigned n_parts,
                              zipnn_error *err) {
    if (part->form == ZN_FORM_ZEROS) {
        memset(m->out + m->made, 0, part->len);
    } else {
        ZN_TRY(check_part(m, part, n_parts, err));
        ZN_TRY((part->form == ZN_FORM_COLUMNS  ? make_columns
                : part->form == ZN_FORM_TURNED ? make_turned
                                               : make_from)(w, m, part, err));
    }
    m->made += part->len;
    return ZIPNN_OK;
}

/* Makes the reference by the recipe that begins at body[*used]. The body may move when a part is read. *used is then
 * where the recipe ends. Bytes that were not fetched are listed for all parts, not only for the first. */
static zipnn_status make(struct zn_worker *w, struct stored *stored, const struct zn_chunk_body *body, size_t *used,
                         struct making *m, zipnn_error *err) {
    struct zn_cur cur = zn_cur_of(body->data + *used, body->len - *used);
    const unsigned n = zn_cur_u16(&cur);
    zipnn_status missing = ZIPNN_OK;
    *used += ZN_RECIPE_HEAD;
    if (n == 0 || n > ZN_MAX_PARTS)
        return zn_fail(err, ZIPNN_E_CORRUPT, m->at, "a reference of %u parts, 1 to %d are legal", n, ZN_MAX_PARTS);
    for (unsigned i = 0; i < n; i++) {
        struct zn_part part;
        ZN_TRY(keep_frame(w, stored, err));
        const uint8_t *data = stored->of ? stored->frame + ZN_FRAME_LEN : body->data;
        cur = zn_cur_of(data + *used, body->len - *used);
        ZN_TRY(zn_part_read(&cur, m->len - m->made, m->at, &m->next, &part, err));
        *used = body->len - zn_cur_left(&cur);
        const zipnn_status status = make_part(w, m, &part, n, err);
        if (status != ZIPNN_OK && !(w->fetched && status == ZIPNN_E_NOT_FOUND)) return status;
        if (status != ZIPNN_OK) m->made += part.len;
        if (missing == ZIPNN_OK) missing = status;
    }
    if (missing == ZIPNN_OK && m->made != m->len)
        return zn_fail(err, ZIPNN_E_CORRUPT, m->at, "the parts of a reference make %u bytes of %u", m->made, m->len);
    return missing;
}

zipnn_status zn_original_make(struct zn_worker *w, const struct zn_original *original, const uint8_t *recipe,
                              size_t recipe_len, uint32_t len, struct zn_lent *lent, zipnn_error *err) {
    struct stored stored = {.of = NULL};
    const struct zn_chunk_body body = {recipe, (uint32_t)recipe_len, 0, {0}, NULL};
    struct goal goal = {NULL, NULL};
    size_t used = 0;
    *lent = (struct zn_lent){NULL, NULL};
    ZN_TRY(reach(w, &goal, err));
    struct making m = {.from = original, .scope = {NULL, 0, false}, .out = goal.out, .len = len};
    const zipnn_status status = make(w, &stored, &body, &used, &m, err);
    if (status == ZIPNN_OK)
        *lent = (struct zn_lent){goal.out, goal.slot};
    else
        zn_shelf_return(goal.slot);
    return status;
}

/* ---- chunks with a reference ------------------------------------------------------------------------------------- */

/* Finds the original whose bytes are referred to. */
static zipnn_status find_source(const struct zn_scope *scope, const struct zn_reference *ref, uint64_t at,
                                const struct zn_original **source, zipnn_error *err) {
    const struct zn_archive *of = scope->of;
    const bool self = ref->source == ZN_SOURCE_SELF;
    if (!of || !(of->header.flags & (self ? ZN_FLAG_SELF : ZN_FLAG_BASES)))
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "the archive's header knows of no references such as this chunk's");
    if (self && scope->referred)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "a chunk refers to one that refers to this archive itself");
    if (self && of->self.archive && !of->places)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "a chunk repeats others: restoring takes random access");
    if (!self && ref->source > of->n_bases)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "a chunk refers to base %u, but the table lists %u", ref->source,
                       of->n_bases);
    *source = self ? &of->self : of->bases[ref->source - 1];
    if (!*source)
        return zn_fail(err, ZIPNN_E_BASE, at, "the chunk was made against \"%.100s\", which was not given",
                       of->records[ref->source - 1].name);
    if (!zn_method_makes(ref->method) && ref->off + ref->len > (*source)->length)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "a chunk refers to bytes up to %llu of an original of %llu bytes",
                       (unsigned long long)(ref->off + ref->len), (unsigned long long)(*source)->length);
    return ZIPNN_OK;
}

static zipnn_status check_bytes(const struct zn_kernels *k, const struct zn_reference *ref, const uint8_t *bytes,
                                uint64_t at, zipnn_error *err) {
    if (k->xxh3_64(bytes, ref->len) == ref->ref_check) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, at, "bytes %llu to %llu of %s, which a chunk refers to, have another checksum",
                   (unsigned long long)ref->off, (unsigned long long)(ref->off + ref->len),
                   ref->source == ZN_SOURCE_SELF ? "the original" : "the base");
}

/* The payload of the delta begins after `used` bytes of the body. */
static zipnn_status decode_delta(struct zn_worker *w, struct stored *stored, const struct zn_chunk_body *body,
                                 size_t used, const struct zn_reference *ref, const uint8_t *bytes, struct goal *goal,
                                 zipnn_error *err) {
    ZN_TRY(keep_frame(w, stored, err));
    const uint8_t *data = stored->of ? stored->frame + ZN_FRAME_LEN : body->data;
    const struct zn_chunk_body payload = {data + used, body->len - (uint32_t)used, body->at + used, body->ahead, NULL};
    const struct zn_delta_reference given = {bytes, ref->len};
    ZN_TRY(zn_delta_decode(&w->coder, &payload, given, goal->out, ZN_STORE_CACHED, err));
    if (w->e->k->xxh3_64(goal->out, ref->len) == ref->orig_check) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "a chunk decoded by its reference has another checksum");
}

/* Gets the bytes that the chunk refers to: reads them, or makes them. *used says how much of the body told which. */
static zipnn_status find_bytes(struct zn_worker *w, struct stored *stored, const struct zn_chunk_body *body,
                               const struct zn_scope *as, const struct zn_original *source,
                               const struct zn_reference *ref, size_t *used, struct goal *there, const uint8_t **bytes,
                               zipnn_error *err) {
    *used = ZN_REFERENCE_LEN;
    if (!zn_method_makes(ref->method)) return read_range(w, source, as, ref->off, ref->len, there, bytes, err);
    ZN_TRY(reach(w, there, err));
    struct making m = {.from = source, .scope = *as, .out = there->out, .len = ref->len, .at = body->at};
    ZN_TRY(make(w, stored, body, used, &m, err));
    *bytes = there->out;
    if (zn_method_copies(ref->method) && *used != body->len)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "bytes follow the recipe of a copy");
    return ZIPNN_OK;
}

/* Decodes the body of a chunk, which `stored` holds, to the goal. */
static zipnn_status refer(struct zn_worker *w, const struct zn_scope *scope, struct stored *stored,
                          const struct zn_chunk_body *body, uint32_t orig_len, struct goal *goal, zipnn_error *err) {
    struct zn_reference ref;
    const struct zn_original *source = NULL;
    ZN_TRY(zn_reference_read(body->data, body->len, orig_len, body->at, &ref, err));
    ZN_TRY(find_source(scope, &ref, body->at, &source, err));
    const struct zn_scope as = {scope->of, scope->depth, ref.source == ZN_SOURCE_SELF};
    const bool copies = zn_method_copies(ref.method);
    struct goal there = {copies ? goal->out : NULL, NULL};
    const uint8_t *bytes = NULL;
    size_t used;
    zipnn_status status = find_bytes(w, stored, body, &as, source, &ref, &used, &there, &bytes, err);
    if (status == ZIPNN_OK) status = check_bytes(w->e->k, &ref, bytes, body->at, err);
    if (status == ZIPNN_OK) status = reach(w, goal, err);
    if (status == ZIPNN_OK && !copies) status = decode_delta(w, stored, body, used, &ref, bytes, goal, err);
    if (status == ZIPNN_OK && copies && bytes != goal->out) memcpy(goal->out, bytes, ref.len);
    zn_shelf_return(there.slot);
    return status;
}

zipnn_status zn_reference_decode(struct zn_worker *w, const struct zn_scope *scope, const struct zn_chunk_body *body,
                                 uint8_t *out, uint32_t orig_len, zipnn_error *err) {
    struct stored stored = {.of = NULL};
    return refer(w, scope, &stored, body, orig_len, &(struct goal){out, NULL}, err);
}
