#include "jobs/refer.h"

#include "archive/references.h"
#include "delta/delta.h"
#include "format/recipe.h"

static const struct zn_original *source_of(const struct zn_relations *relations, const struct zn_original *itself,
                                           const struct zn_link *link) {
    return link->source == ZN_SOURCE_SELF ? itself : relations->bases[link->source - 1];
}

/* Returns whether the chunk's link alone leads to bytes that resemble all of it, as they are. */
static bool is_one_range(const struct zn_likely *chunk) {
    const struct zn_link *link = chunk->link;
    const uint64_t into = chunk->off - link->off;
    return !zn_link_casts(link) && !link->view && into <= link->len && chunk->len <= link->len - into;
}

/* Reads the bytes that the chunk resembles. lent->bytes is NULL if there are none. */
static zipnn_status fetch(struct zn_worker *w, const struct zn_original *from, const struct zn_likely *chunk,
                          const struct zn_reference *ref, struct zn_lent *lent, zipnn_error *err) {
    *lent = (struct zn_lent){NULL, NULL};
    if (!is_one_range(chunk)) return ZIPNN_OK;
    if (ref->off > from->length || ref->len > from->length - ref->off) return ZIPNN_OK;
    w->toll.original += chunk->len;
    return zn_original_lend(w, from, ref->off, ref->len, lent, err);
}

/* ---- references that are made of parts --------------------------------------------------------------------------- */

enum { RECIPE_SHARE = 16 /* a recipe that takes more than 1/16 of the chunk gains nothing */ };

/* Makes the part one of the link's view that begins at `at`. */
static void set_view(const struct zn_link *link, uint64_t at, struct zn_part *part) {
    const uint64_t into = at - link->off;
    part->form = link->view;
    part->row = link->row;
    part->stride = link->stride;
    part->width = link->width;
    part->skip = (uint32_t)(link->view == ZN_FORM_TURNED ? into / link->width : into % link->row);
    if (link->view == ZN_FORM_COLUMNS) part->off += into / link->row * link->stride;
}

/* Makes the part of the recipe for the chunk's bytes from `at` on: what the link says that begins there or before, or
 * zeros up to the next link. Returns its length; 0: nothing can be made. */
static uint32_t make_part(const struct zn_likely *chunk, const struct zn_link *link, uint64_t at, uint64_t base_len,
                          struct zn_part *part) {
    const uint64_t end = chunk->off + chunk->len;
    *part = (struct zn_part){.form = ZN_FORM_ZEROS, .len = (uint32_t)(end - at)};
    if (!link || link->off >= end) return part->len;
    if (link->off > at) {
        part->len = (uint32_t)(link->off - at);
        return part->len;
    }
    part->len = (uint32_t)ZN_MIN(end - at, link->off + link->len - at);
    part->form = (uint8_t)(zn_link_casts(link) ? ZN_FORM_CAST + link->cast : ZN_FORM_RANGE);
    part->off = zn_link_ref(link, at);
    if (link->source != chunk->link->source) {
        part->form = ZN_FORM_ZEROS;
        return part->len;
    }
    if (link->view) set_view(link, at, part);
    if (link->view == ZN_FORM_TURNED && ((at - link->off) % link->width || part->len % link->width)) return 0;
    if (zn_link_casts(link) && ((at - link->off) % link->to || part->len % link->to)) return 0;
    const uint64_t reads = zn_part_reads(part);
    return part->off <= base_len && reads <= base_len - part->off ? part->len : 0;
}

/* Writes the recipe of the chunk's reference. Returns its length, 0 if it cannot be made of parts, or not in cap
 * bytes. */
static uint32_t write_recipe(const struct zn_relations *relations, const struct zn_likely *chunk, uint64_t base_len,
                             uint8_t *to, uint32_t cap) {
    const struct zn_link *link = chunk->link, *last = relations->links.link + relations->links.n;
    struct zn_out out = zn_out_of(to, cap);
    uint64_t next = 0;
    unsigned n = 0;
    zn_out_u16(&out, 0);
    for (uint64_t at = chunk->off; at < chunk->off + chunk->len; n++) {
        struct zn_part part;
        while (link < last && link->off + link->len <= at) link++;
        const uint32_t len = make_part(chunk, link < last ? link : NULL, at, base_len, &part);
        if (len == 0 || n == ZN_MAX_PARTS || zn_out_left(&out) < ZN_MAX_PART) return 0;
        zn_part_write(&out, &part, &next);
        at += len;
    }
    if (out.full || (chunk->link->source == ZN_SOURCE_SELF && n > 1)) return 0;
    zn_put_u16(to, (uint16_t)n);
    return (uint32_t)zn_out_len(&out);
}

/* Makes the reference of the chunk. lent->bytes is NULL if there is none. The recipe stands at `recipe`. */
static zipnn_status make(struct zn_worker *w, const struct zn_relations *relations, const struct zn_original *from,
                         const struct zn_likely *chunk, uint8_t *recipe, uint32_t *recipe_len, struct zn_lent *lent,
                         zipnn_error *err) {
    *lent = (struct zn_lent){NULL, NULL};
    *recipe_len = 0;
    if (!relations->links.parts) return ZIPNN_OK;
    *recipe_len = write_recipe(relations, chunk, from->length, recipe, ZN_MAX(chunk->len / RECIPE_SHARE, 64u));
    if (*recipe_len == 0) return ZIPNN_OK;
    w->toll.original += chunk->len;
    return zn_original_make(w, from, recipe, *recipe_len, chunk->len, lent, err);
}

/* Encodes the difference and, unless the caller turned verification off, decodes and compares it. Returns its length, 0
 * if it saves nothing. */
static uint32_t encode_delta(const struct zn_job *job, struct zn_worker *w, const struct zn_likely *chunk,
                             const uint8_t *ref, uint8_t *payload) {
    const struct zn_chunk_hint hint = {.dtype = chunk->dtype, .head = chunk->head};
    const struct zn_encoder encoder = {&w->coder, &job->effort, hint, chunk->bytes, chunk->len};
    if (chunk->link->likeness == ZN_LINK_EQUAL) return 0;
    const uint32_t len = zn_delta_encode(&encoder, ref, payload);
    if (len == 0 || job->verify != ZIPNN_VERIFY_DEFAULT) return len;
    const struct zn_chunk_body body = {payload, len, chunk->off, {0}, NULL};
    const struct zn_delta_reference given = {ref, chunk->len};
    const zipnn_status status = zn_delta_decode(&w->coder, &body, given, w->check, ZN_STORE_CACHED, NULL);
    return status == ZIPNN_OK && memcmp(w->check, chunk->bytes, chunk->len) == 0 ? len : 0;
}

/* Writes the body, given the bytes that the chunk resembles. A recipe of recipe_len bytes (0: none) belongs before the
 * payload, and the caller puts it there. Returns the body's length, 0 if it saves nothing. */
static uint32_t encode(const struct zn_job *job, struct zn_worker *w, const struct zn_likely *chunk,
                       const uint8_t *bytes, uint32_t recipe_len, struct zn_reference *ref, uint8_t *body) {
    const bool equal = memcmp(bytes, chunk->bytes, chunk->len) == 0;
    uint32_t body_len = ZN_REFERENCE_LEN + recipe_len;
    ref->method = recipe_len ? ZN_METHOD_MADE_COPY : ZN_METHOD_COPY;
    ref->ref_check = ref->orig_check = w->e->k->xxh3_64(bytes, ref->len);
    if (!equal) {
        const uint32_t len = encode_delta(job, w, chunk, bytes, body + ZN_REFERENCE_LEN);
        if (len == 0 || (recipe_len && len + recipe_len >= chunk->len)) return 0;
        memmove(body + ZN_REFERENCE_LEN + recipe_len, body + ZN_REFERENCE_LEN, len);
        ref->method = recipe_len ? ZN_METHOD_MADE_DELTA : ZN_METHOD_DELTA;
        ref->orig_check = w->e->k->xxh3_64(chunk->bytes, chunk->len);
        body_len += len;
    }
    zn_reference_write(body, ref);
    return body_len;
}

static zipnn_status refer_to_range(const struct zn_job *job, struct zn_worker *w, const struct zn_original *from,
                                   const struct zn_likely *chunk, uint8_t *body, uint32_t *body_len, zipnn_error *err) {
    struct zn_reference ref = {
        .source = chunk->link->source, .len = chunk->len, .off = zn_link_ref(chunk->link, chunk->off)};
    struct zn_lent lent;
    ZN_TRY(fetch(w, from, chunk, &ref, &lent, err));
    if (lent.bytes) *body_len = encode(job, w, chunk, lent.bytes, 0, &ref, body);
    zn_shelf_return(lent.slot);
    return ZIPNN_OK;
}

/* The recipe is written twice: the payload is coded where it stood, since the room there is measured for payloads. */
static zipnn_status refer_to_parts(const struct zn_job *job, struct zn_worker *w, const struct zn_relations *relations,
                                   const struct zn_original *from, const struct zn_likely *chunk, uint8_t *body,
                                   uint32_t *body_len, zipnn_error *err) {
    struct zn_reference ref = {.source = chunk->link->source, .len = chunk->len};
    uint8_t *recipe = body + ZN_REFERENCE_LEN;
    uint32_t recipe_len;
    struct zn_lent lent;
    ZN_TRY(make(w, relations, from, chunk, recipe, &recipe_len, &lent, err));
    if (lent.bytes) *body_len = encode(job, w, chunk, lent.bytes, recipe_len, &ref, body);
    if (*body_len) write_recipe(relations, chunk, from->length, recipe, recipe_len + ZN_MAX_PART);
    zn_shelf_return(lent.slot);
    return ZIPNN_OK;
}

zipnn_status zn_refer(const struct zn_job *job, struct zn_worker *w, const struct zn_relations *relations,
                      const struct zn_input *in, const struct zn_likely *chunk, uint8_t *body, uint32_t *body_len,
                      zipnn_error *err) {
    const struct zn_original itself = zn_original_plain(in), *from = source_of(relations, &itself, chunk->link);
    *body_len = 0;
    if (is_one_range(chunk)) return refer_to_range(job, w, from, chunk, body, body_len, err);
    return refer_to_parts(job, w, relations, from, chunk, body, body_len, err);
}
