#include "chunk/mixed.h"

#include "chunk/layout.h"
#include "chunk/ways.h"
#include "plan/dtype.h"

enum { MAX_RUNS = 1024, MAX_AXES = 8 };

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* Finds the tensor's axes of more than one element, slowest first. If there are more than three, the shortest
 * neighbours are joined. Returns the number of axes. */
static unsigned axes_of(const struct zn_plan *plan, const struct zn_tensor *t, uint64_t axes[3]) {
    uint64_t all[MAX_AXES];
    unsigned n = 0;
    for (uint32_t i = 0; i < t->rank; i++) {
        const uint64_t dim = plan->dims[t->shape + i];
        if (dim == 1) continue;
        if (dim == 0 || dim > UINT32_MAX || n == MAX_AXES) return 0;
        all[n++] = dim;
    }
    for (; n > 3; n--) {
        unsigned least = 0;
        for (unsigned i = 1; i + 1 < n; i++)
            if (all[i] * all[i + 1] < all[least] * all[least + 1]) least = i;
        all[least] *= all[least + 1];
        if (all[least] > UINT32_MAX) return 0;
        memmove(&all[least + 1], &all[least + 2], (n - least - 2) * sizeof *all);
    }
    for (unsigned i = 0; i < n; i++) axes[i] = all[i];
    return n;
}

/* Returns the run of n elements of a tensor that starts at element `first`. An axis longer than the run never repeats
 * in it. */
static struct zn_mixing_run run_of(const struct zn_plan *plan, const struct zn_tensor *t, uint64_t first, uint32_t n) {
    struct zn_mixing_run run = {n, {1, 1}, 0};
    uint64_t axes[3];
    const unsigned n_axes = axes_of(plan, t, axes);
    const uint64_t longest = ZN_MIN(n, (uint32_t)ZN_MIXING_MAX_AXIS);
    if (n_axes >= 2 && axes[n_axes - 1] <= longest) run.axis[1] = (uint32_t)axes[n_axes - 1];
    if (n_axes >= 3 && axes[n_axes - 2] <= longest) run.axis[0] = (uint32_t)axes[n_axes - 2];
    /* The middle axis repeats only if the fastest one does. */
    if (run.axis[1] == 1) run.axis[0] = 1;
    run.phase = (uint32_t)(first % ((uint64_t)run.axis[0] * run.axis[1]));
    return run;
}

size_t zn_mixed_runs(const struct zn_plan *plan, uint64_t off, size_t n, unsigned width, struct zn_mixing_run *runs,
                     size_t max) {
    size_t n_runs = 0;
    for (size_t i = plan ? zn_plan_at(plan, off) : 0; plan && i < plan->n_tensors && n > 0; i++) {
        const struct zn_tensor *t = &plan->tensors[i];
        if (t->len == 0 || zn_dtype_word(t->dtype) != width) continue;
        if (t->off > off) { /* words before the tensor, and one that is partly in it */
            const uint64_t before = (t->off - off + width - 1) / width;
            if (before >= n || n_runs + 2 >= max) break;
            runs[n_runs++] = (struct zn_mixing_run){(uint32_t)before, {1, 1}, 0};
            off += before * width;
            n -= (size_t)before;
        }
        if (n_runs + 1 >= max) break;
        if (off >= t->off + t->len) continue;
        const uint64_t within = ZN_MIN((t->off + t->len - off) / width, (uint64_t)n);
        if (within == 0) continue;
        runs[n_runs++] = run_of(plan, t, (off - t->off) / width, (uint32_t)within);
        off += within * width;
        n -= (size_t)within;
    }
    if (n) runs[n_runs++] = (struct zn_mixing_run){(uint32_t)n, {1, 1}, 0};
    return n_runs;
}

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

/* Returns the format of a type's floats. The width is 0 if mixing does not know such an exponent. */
static struct zn_mixing_words words_of_dtype(const struct zn_chunk_hint *hint) {
    const struct zn_dtype_facts *type = zn_dtype_facts(hint->dtype);
    const bool floats = type->kind == ZN_KIND_FLOAT || type->kind == ZN_KIND_COMPLEX;
    if (!floats || type->bits % 8 || type->exponent < ZN_MIXING_MIN_EXPONENT ||
        type->exponent > ZN_MIXING_MAX_EXPONENT || type->exponent >= 8 * type->word)
        return (struct zn_mixing_words){.width = 0};
    return (struct zn_mixing_words){
        .width = type->word, .exponent = type->exponent, .head = type->word > 1 ? hint->head : 0};
}

/* Returns the format of the dtype's floats. Without a dtype it is that of the layout which measuring chose for the
 * draft. */
static struct zn_mixing_words words_of(const struct zn_chunk_hint *hint, const struct zn_body *body) {
    const struct zn_mixing_words words = words_of_dtype(hint);
    if (words.width || !zn_layout_is_of_floats(body->layout)) return words;
    return (struct zn_mixing_words){
        .width = body->width, .exponent = body->layout == ZN_LAYOUT_F16 ? 5 : 8, .head = body->head};
}

uint32_t zn_mixed_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    struct zn_mixing_run runs[MAX_RUNS];
    const struct zn_chunk_hint *hint = &e->hint;
    struct zn_mixing_words words = words_of(hint, &draft->body);
    const size_t body_len = draft->body.len;
    if (words.width == 0 || e->len < words.head + words.width || body_len <= ZN_ONE_PLANE) return 0;
    const size_t n = (e->len - words.head) / words.width, limit = body_len - ZN_ONE_PLANE;
    words.runs = runs;
    words.n_runs = zn_mixed_runs(hint->plan, hint->off + words.head, n, words.width, runs, MAX_RUNS);
    uint8_t *mixed = zn_scratch_take(&e->coder->scratch, limit);
    struct zn_out coded = zn_out_of(mixed, limit), out = zn_out_of(draft->to, body_len);
    if (!zn_mixing_encode(&e->coder->codec, &words, e->src, e->len, limit, &coded)) return 0;
    struct zn_streams plane = zn_body_begin_bytes(&out, e->src, e->len);
    zn_out_bytes(&out, mixed, zn_out_len(&coded));
    zn_streams_end(&plane, &out, ZN_CODEC_MIXING);
    return (uint32_t)zn_out_len(&out);
}
