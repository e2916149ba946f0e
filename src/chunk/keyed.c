#include "chunk/keyed.h"

#include "chunk/decoders.h"
#include "chunk/values.h"
#include "chunk/wrapped.h"

/* The parts of a body. */
struct parts {
    struct zn_keyed k;
    struct zn_coded keys, numbers;
    struct zn_cur rest; /* the body of a chunk */
    uint32_t rest_len;  /* its original bytes */
};

static zipnn_status too_short(const struct zn_body *b, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "chunk of layout %s is too short", zn_layouts[b->layout].name);
}

static zipnn_status read_runs(const struct zn_body *b, struct zn_cur *cur, unsigned n_runs, struct parts *p,
                              zipnn_error *err) {
    uint32_t left = b->orig_len;
    for (unsigned i = 0; i < n_runs; i++) {
        struct zn_keyed_run run;
        run.gap = zn_cur_u32(cur);
        run.rows = zn_cur_u16(cur);
        run.count = zn_cur_u16(cur);
        run.columns = zn_cur_u32(cur);
        if (!zn_cur_ok(cur)) return too_short(b, err);
        if (!zn_keyed_add(&p->k, &run, &left))
            return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "run %u: %u bytes, then %u tiles of %u x %u elements", i,
                           run.gap, run.count, run.rows, run.columns);
    }
    p->rest_len = b->orig_len - p->k.tiles_len;
    return ZIPNN_OK;
}

static zipnn_status read_parts(const struct zn_body *b, struct parts *p, zipnn_error *err) {
    struct zn_cur cur = b->rest;
    p->k.unit_log2 = zn_cur_u8(&cur);
    const unsigned n_runs = zn_cur_u16(&cur);
    zn_coded_head(&cur, &p->keys);
    zn_coded_head(&cur, &p->numbers);
    if (!zn_cur_ok(&cur)) return too_short(b, err);
    if (p->k.unit_log2 > ZN_KEYED_MAX_UNIT)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, b->at, "elements of 2^%u numbers are not supported", p->k.unit_log2);
    if (b->head || n_runs == 0 || n_runs > ZN_KEYED_RUNS)
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "%u runs of numbers after %u bytes", n_runs, b->head);
    ZN_TRY(read_runs(b, &cur, n_runs, p, err));
    if (!zn_coded_take(&cur, b->data, b->at, &p->keys) || !zn_coded_take(&cur, b->data, b->at, &p->numbers))
        return too_short(b, err);
    p->rest = cur;
    if (!p->rest_len && zn_cur_left(&cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "%zu bytes for no rest", zn_cur_left(&cur));
    return ZIPNN_OK;
}

/* The rest is decoded first, to the end of the output, and the scratch for it is given back. */
static zipnn_status decode_rest(struct zn_coder *coder, const struct zn_body *b, const struct parts *p, uint8_t *out,
                                zipnn_error *err) {
    if (!p->rest_len) return ZIPNN_OK;
    const size_t mark = zn_scratch_mark(&coder->scratch);
    const zipnn_status status = zn_inner_decode(coder, b, p->rest, out + (b->orig_len - p->rest_len), p->rest_len, err);
    zn_scratch_back(&coder->scratch, mark);
    return status;
}

static zipnn_status decode_numbers(struct zn_coder *coder, const struct zn_body *b, const struct zn_coded *coded,
                                   uint8_t *numbers, size_t n, zipnn_error *err) {
    uint8_t all = 0;
    if (zn_values_are_escapes_many(coded->codec, coded->data, coded->len, b->orig_len))
        return zn_fail(err, ZIPNN_E_CORRUPT, coded->at, "more escapes than the chunk has bytes, %u", b->orig_len);
    ZN_TRY(zn_stream_decode(&coder->codec, 0, coded, numbers, n, err));
    for (size_t i = 0; i < n; i++) all |= numbers[i];
    if (all > 15) return zn_fail(err, ZIPNN_E_CORRUPT, coded->at, "a number has more than four bits");
    return ZIPNN_OK;
}

/* Gaps are taken from the rest, which lies at the end of the output. Tiles never overtake it, since what is left of the
 * rest is never more than what is left of the output. */
zipnn_status zn_keyed_decode(struct zn_coder *coder, const struct zn_body *b, const struct zn_target *to,
                             zipnn_error *err) {
    struct parts p = {.k = {.n_runs = 0}};
    ZN_TRY(read_parts(b, &p, err));
    ZN_TRY(decode_rest(coder, b, &p, to->out, err));
    uint8_t *keys = zn_scratch_take(&coder->scratch, p.k.n_groups);
    uint8_t *numbers = zn_scratch_take(&coder->scratch, p.k.n_numbers);
    uint32_t *places = zn_scratch_take(&coder->scratch, p.k.n_groups * sizeof *places);
    ZN_TRY(zn_stream_decode(&coder->codec, 0, &p.keys, keys, p.k.n_groups, err));
    ZN_TRY(decode_numbers(coder, b, &p.numbers, numbers, p.k.n_numbers, err));
    zn_keyed_places(&p.k, keys, places);
    uint8_t *out = to->out, *rest = out + (b->orig_len - p.rest_len);
    for (unsigned i = 0; i < p.k.n_runs; i++) {
        const struct zn_keyed_run *r = &p.k.run[i];
        memmove(out, rest, r->gap);
        out += r->gap;
        rest += r->gap;
        zn_keyed_give(&p.k, r, numbers, places, out);
        places += (size_t)r->columns * r->count;
        out += (size_t)zn_keyed_tile_len(&p.k, r) * r->count;
    }
    return ZIPNN_OK;
}
