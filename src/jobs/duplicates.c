/* Finds tensors that repeat an earlier one: first by length, then by samples, then by digest. */
#include <stdlib.h>

#include "jobs/relations.h"
#include "workers/digest.h"

enum {
    WORTH_A_COPY = 32 << 10, /* bytes: shorter tensors gain little, and even a look at them takes time */
    N_SAMPLES = 4,
    SAMPLE_LEN = 64,
    PIECE = 256 << 10
};

struct candidate {
    uint64_t off, len;
    uint8_t id[16]; /* first of samples, then of all bytes */
    bool ruled_out;
};

static int compare(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    const int order = memcmp(x->id, y->id, sizeof x->id);
    if (order) return order;
    return (x->off > y->off) - (x->off < y->off);
}

/* Tells whether a tensor holds a single value: then it costs next to nothing already. */
static bool is_plain(const uint8_t *samples, size_t len) {
    return memcmp(samples, samples + 8, len - 8) == 0;
}

/* Hashes n samples: one from the middle, or more with the first and the last bytes among them. */
static zipnn_status sample(const struct zn_engine *e, const struct zn_input *in, unsigned n, struct candidate *c,
                           zipnn_error *err) {
    uint8_t samples[N_SAMPLES * SAMPLE_LEN];
    for (unsigned i = 0; i < n; i++) {
        uint8_t *to = samples + (size_t)i * SAMPLE_LEN;
        const uint64_t off = n == 1 ? c->len / 2 : (c->len - SAMPLE_LEN) / (n - 1) * i;
        ZN_TRY(zn_input_copy(in, c->off + off, SAMPLE_LEN, to, err));
    }
    const size_t len = (size_t)n * SAMPLE_LEN;
    c->ruled_out = is_plain(samples, len);
    memset(c->id, 0, sizeof c->id);
    zn_put_u64(c->id, e->k->xxh3_64(samples, len));
    return ZIPNN_OK;
}

static zipnn_status digest(const struct zn_engine *e, const struct zn_input *in, uint8_t *piece, struct candidate *c,
                           zipnn_error *err) {
    struct zn_digest d;
    uint8_t unused[ZN_SHA256_LEN];
    zipnn_status status = ZIPNN_OK;
    zn_digest_begin(&d, e->k, false);
    for (uint64_t done = 0; status == ZIPNN_OK && done < c->len;) {
        const size_t len = (size_t)ZN_MIN(c->len - done, (uint64_t)PIECE);
        const uint8_t *bytes;
        status = zn_input_at(in, c->off + done, len, piece, &bytes, err);
        if (status == ZIPNN_OK) zn_digest_update(&d, bytes, len);
        done += len;
    }
    if (status == ZIPNN_OK) zn_digest_result(&d, c->id, unused);
    return status;
}

/* Returns the end of the run of sorted candidates that are alike so far. */
static size_t run_end(const struct candidate *c, size_t first, size_t n, bool by_id) {
    size_t end = first + 1;
    while (end < n && c[end].len == c[first].len && (!by_id || memcmp(c[end].id, c[first].id, sizeof c->id) == 0))
        end++;
    return end;
}

static zipnn_status link_repeats(const struct candidate *c, size_t n, struct zn_links *links, zipnn_error *err) {
    for (size_t i = 1; i < n; i++) {
        const struct zn_link link = {.off = c[i].off, .len = c[i].len, .ref_off = c[0].off, .likeness = ZN_LINK_EQUAL};
        ZN_TRY(zn_links_add(links, &link, err));
    }
    return ZIPNN_OK;
}

/* Compares candidates of one length with equal samples. */
static zipnn_status look_closely(const struct zn_engine *e, const struct zn_input *in, struct candidate *c, size_t n,
                                 struct zn_links *links, zipnn_error *err) {
    if (n < 2 || c->ruled_out) return ZIPNN_OK;
    uint8_t *piece = zn_alloc(&e->alloc, PIECE);
    if (!piece) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %d bytes", PIECE);
    zipnn_status status = ZIPNN_OK;
    for (size_t i = 0; status == ZIPNN_OK && i < n; i++) status = digest(e, in, piece, &c[i], err);
    zn_free(&e->alloc, piece);
    ZN_TRY(status);
    qsort(c, n, sizeof *c, compare);
    for (size_t i = 0, end; i < n; i = end) {
        end = run_end(c, i, n, true);
        ZN_TRY(link_repeats(c + i, end - i, links, err));
    }
    return ZIPNN_OK;
}

/* Compares candidates of one length with one equal sample. */
static zipnn_status look_again(const struct zn_engine *e, const struct zn_input *in, struct candidate *c, size_t n,
                               struct zn_links *links, zipnn_error *err) {
    if (n < 2) return ZIPNN_OK;
    for (size_t i = 0; i < n; i++) ZN_TRY(sample(e, in, N_SAMPLES, &c[i], err));
    qsort(c, n, sizeof *c, compare);
    for (size_t i = 0, end; i < n; i = end) {
        end = run_end(c, i, n, true);
        ZN_TRY(look_closely(e, in, c + i, end - i, links, err));
    }
    return ZIPNN_OK;
}

/* Compares candidates of one length. */
static zipnn_status look(const struct zn_engine *e, const struct zn_input *in, struct candidate *c, size_t n,
                         struct zn_links *links, zipnn_error *err) {
    if (n < 2) return ZIPNN_OK;
    for (size_t i = 0; i < n; i++) ZN_TRY(sample(e, in, 1, &c[i], err));
    qsort(c, n, sizeof *c, compare);
    for (size_t i = 0, end; i < n; i = end) {
        end = run_end(c, i, n, true);
        ZN_TRY(look_again(e, in, c + i, end - i, links, err));
    }
    return ZIPNN_OK;
}

static size_t collect(const struct zn_plan *plan, uint64_t file_len, struct candidate *c) {
    size_t n = 0;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct zn_tensor *t = &plan->tensors[i];
        const bool inside = t->off <= file_len && t->len <= file_len - t->off;
        if (t->len >= WORTH_A_COPY && inside) c[n++] = (struct candidate){.off = t->off, .len = t->len};
    }
    return n;
}

zipnn_status zn_relate_repeats(const struct zn_engine *e, const struct zn_plan *plan, const struct zn_input *in,
                               struct zn_links *links, zipnn_error *err) {
    if (plan->n_tensors < 2) return ZIPNN_OK;
    struct candidate *c = zn_alloc(&e->alloc, plan->n_tensors * sizeof *c);
    if (!c) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu tensors", plan->n_tensors);
    const size_t n = collect(plan, in->length, c);
    qsort(c, n, sizeof *c, compare);
    zipnn_status status = ZIPNN_OK;
    for (size_t i = 0, end; status == ZIPNN_OK && i < n; i = end) {
        end = run_end(c, i, n, false);
        status = look(e, in, c + i, end - i, links, err);
    }
    zn_free(&e->alloc, c);
    return status;
}
