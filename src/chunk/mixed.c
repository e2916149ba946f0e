#include "chunk/mixed.h"

#include "plan/dtype.h"

enum { MAX_RUNS = 1024, MAX_AXES = 8 };

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* The tensor's axes of more than one element; of more than three those are joined that make the shortest. Slowest
 * first; answers their number. */
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

/* A run of n elements of a tensor from element `first` on. An axis longer than the run does not come round again. */
static struct zn_mixing_run run_of(const struct zn_plan *plan, const struct zn_tensor *t, uint64_t first, uint32_t n) {
    struct zn_mixing_run run = {n, {1, 1}, 0};
    uint64_t axes[3];
    const unsigned n_axes = axes_of(plan, t, axes);
    const uint64_t longest = ZN_MIN(n, (uint32_t)ZN_MIXING_MAX_AXIS);
    if (n_axes >= 2 && axes[n_axes - 1] <= longest) run.axis[1] = (uint32_t)axes[n_axes - 1];
    if (n_axes >= 3 && axes[n_axes - 2] <= longest) run.axis[0] = (uint32_t)axes[n_axes - 2];
    /* The middle axis comes round by way of the fastest only. */
    if (run.axis[1] == 1) run.axis[0] = 1;
    run.phase = (uint32_t)(first % ((uint64_t)run.axis[0] * run.axis[1]));
    return run;
}

/* The first tensor that ends after `off`. */
static size_t find_tensor(const struct zn_plan *plan, uint64_t off) {
    size_t low = 0, high = plan->n_tensors;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (plan->tensors[mid].off + plan->tensors[mid].len <= off)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

size_t zn_mixed_runs(const struct zn_plan *plan, uint64_t off, size_t n, unsigned width, struct zn_mixing_run *runs,
                     size_t max) {
    size_t n_runs = 0;
    for (size_t i = plan ? find_tensor(plan, off) : 0; plan && i < plan->n_tensors && n > 0; i++) {
        const struct zn_tensor *t = &plan->tensors[i];
        if (t->len == 0 || zn_dtype_word(t->dtype) != width) continue;
        if (t->off > off) { /* words before the tensor, one that is partly its own among them */
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

/* The floats of a dtype; where there is none, as the layout was measured of the body there is. width 0: no floats. */
static struct zn_mixing_words words_of(const struct zn_chunk_hint *hint, const uint8_t *body) {
    switch (hint->dtype) {
        case ZIPNN_BF16:
            return (struct zn_mixing_words){.width = 2, .exponent = 8, .head = hint->head};
        case ZIPNN_F16:
        case ZIPNN_C32:
            return (struct zn_mixing_words){.width = 2, .exponent = 5, .head = hint->head};
        case ZIPNN_F32:
        case ZIPNN_C64:
            return (struct zn_mixing_words){.width = 4, .exponent = 8, .head = hint->head};
        case ZIPNN_F8_E4M3:
        case ZIPNN_F8_E4M3FNUZ:
            return (struct zn_mixing_words){.width = 1, .exponent = 4};
        case ZIPNN_F8_E5M2:
        case ZIPNN_F8_E5M2FNUZ:
            return (struct zn_mixing_words){.width = 1, .exponent = 5};
        default:
            break;
    }
    switch (body[1]) {
        case ZN_LAYOUT_16R:
            return (struct zn_mixing_words){.width = 2, .exponent = 8, .head = body[2]};
        case ZN_LAYOUT_F16:
            return (struct zn_mixing_words){.width = 2, .exponent = 5, .head = body[2]};
        case ZN_LAYOUT_32R:
            return (struct zn_mixing_words){.width = 4, .exponent = 8, .head = body[2]};
        default:
            return (struct zn_mixing_words){.width = 0};
    }
}

uint32_t zn_mixed_encode(struct zn_coder *coder, const struct zn_chunk_hint *hint, const uint8_t *src, uint32_t len,
                         uint8_t *body, uint32_t body_len) {
    enum { HEAD = ZN_CHUNK_LEN + ZN_PLANE_LEN };
    struct zn_mixing_run runs[MAX_RUNS];
    struct zn_mixing_words words = words_of(hint, body);
    if (words.width == 0 || len < words.head + words.width || body_len <= HEAD) return body_len;
    const size_t n = (len - words.head) / words.width;
    words.runs = runs;
    words.n_runs = zn_mixed_runs(hint->plan, hint->off + words.head, n, words.width, runs, MAX_RUNS);
    struct zn_out out = zn_out_of(coder->planes, body_len - HEAD);
    if (!zn_mixing_encode(&coder->codec, &words, src, len, body_len - HEAD, &out)) return body_len;
    const uint8_t head[ZN_CHUNK_LEN] = {ZN_KIND_CHUNK, ZN_LAYOUT_8, 0, 0};
    const uint32_t coded = (uint32_t)zn_out_len(&out);
    memcpy(body, head, sizeof head);
    body[ZN_CHUNK_LEN] = ZN_CODEC_MIXING;
    zn_put_u32(body + ZN_CHUNK_LEN + 1, coded);
    memcpy(body + HEAD, coder->planes, coded);
    return HEAD + coded;
}
