/* Finds which tensor of a base a tensor comes from: by name, or by a sample of its words if no name fits. What is found
 * nowhere as a tensor is looked for as bytes (elsewhere.c). */
#include <stdlib.h>

#include "delta/casts.h"
#include "jobs/elsewhere.h"
#include "jobs/likeness.h"
#include "jobs/relations.h"

enum {
    WORTH_A_LOOK = 4 << 10, /* bytes: shorter tensors go with their neighbours ... */
    WORTH_A_PART = 256,     /* ... unless a chunk may refer to several parts of a base */
    N_RUNS = 4,
    RUN = 64, /* words */
    N_WORDS = N_RUNS * RUN,
    MAX_COMPARED = 256, /* tensors of one type and length that are compared by content */
    MAX_RANKS = 64,     /* equal parts of a tensor, of which one may be the tensor looked for */
    /* What a view may cost, since each chunk of it may take all of the base's chunks that the matrix lies in. */
    MAX_TURNED = 16 << 20, /* bytes */
    MAX_SPREAD = 32        /* columns of the base for one of the tensor */
};

/* ZN_UNRELATED, which is less, means: compared, and too far away. */
#define NOT_MATCHED UINT32_MAX

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* Returns how many bytes of the tensor the file has. */
static uint64_t length_in(const struct zn_tensor *t, uint64_t file_len) {
    return t->off >= file_len ? 0 : ZN_MIN(t->len, file_len - t->off);
}

/* Returns the place of a run of a sample in `len` bytes of words. */
static uint64_t run_at(uint64_t len, unsigned word, unsigned i) {
    const uint64_t part = (len / word - RUN) / N_RUNS;
    return (part * i + part / 3) * word;
}

/* Takes a sample of [off, off + len): runs of words at places that follow from type and length alone. */
static zipnn_status sample(const struct zn_model *m, uint64_t off, uint64_t len, zipnn_dtype dtype, uint8_t *to,
                           zipnn_error *err) {
    const unsigned word = zn_likeness_word(dtype);
    const size_t run = (size_t)RUN * word;
    for (unsigned i = 0; i < N_RUNS; i++) ZN_TRY(m->read(m->user, off + run_at(len, word, i), run, to + i * run, err));
    return ZIPNN_OK;
}

static size_t sample_len(const struct zn_tensor *t, uint64_t len, bool parts) {
    const size_t word = zn_likeness_word(t->dtype);
    if (len < (parts ? WORTH_A_PART : WORTH_A_LOOK) || len < RUN * word) return 0;
    return (size_t)N_WORDS * word;
}

zipnn_status zn_matches_begin(const zipnn_allocator *alloc, const struct zn_model *model, bool parts,
                              struct zn_matches *m, zipnn_error *err) {
    const struct zn_plan *plan = model->plan;
    size_t total = 0, at = 0;
    *m = (struct zn_matches){.alloc = *alloc, .model = model, .with_parts = parts};
    zn_links_init(&m->parts, alloc);
    if (plan->n_tensors == 0) return ZIPNN_OK;
    m->match = zn_alloc(alloc, plan->n_tensors * sizeof *m->match);
    if (!m->match) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu tensors", plan->n_tensors);
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const uint64_t len = length_in(&plan->tensors[i], model->length);
        m->match[i] = (struct zn_match){.len = len, .distance = NOT_MATCHED};
        total += sample_len(&plan->tensors[i], len, parts);
    }
    m->memory = zn_alloc(alloc, ZN_MAX(total, (size_t)1));
    zipnn_status status = ZIPNN_OK;
    if (!m->memory) status = zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: samples of %zu bytes", total);
    for (size_t i = 0; status == ZIPNN_OK && i < plan->n_tensors; i++) {
        const size_t len = sample_len(&plan->tensors[i], m->match[i].len, parts);
        if (len == 0) continue;
        m->match[i].samples = (uint8_t *)m->memory + at;
        at += len;
        status = sample(model, plan->tensors[i].off, m->match[i].len, plan->tensors[i].dtype, m->match[i].samples, err);
    }
    if (status != ZIPNN_OK) zn_matches_end(m);
    return status;
}

void zn_matches_end(struct zn_matches *m) {
    if (m->match) zn_free(&m->alloc, m->match);
    if (m->memory) zn_free(&m->alloc, m->memory);
    zn_links_free(&m->parts);
    m->match = NULL;
    m->memory = NULL;
}

/* ---- a base ------------------------------------------------------------------------------------------------------ */

/* The tensors of a base in two orders. */
struct candidate {
    const struct zn_tensor *t;
    const char *name;
    uint64_t len;
    uint8_t *samples;
};

struct base {
    const struct zn_model *model;
    struct zn_matches sampled; /* of its own tensors */
    uint8_t source;
    struct candidate *by_name, *by_kind;
    size_t n;
};

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct candidate *)a)->name, ((const struct candidate *)b)->name);
}

static int compare_kinds(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->t->dtype != y->t->dtype) return x->t->dtype < y->t->dtype ? -1 : 1;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return (x->t->off > y->t->off) - (x->t->off < y->t->off);
}

static void take(struct zn_match *match, const uint8_t *samples, const struct candidate *c) {
    const uint32_t d = zn_likeness_distance(samples, c->samples, N_WORDS, c->t->dtype);
    if (d >= match->distance) return;
    match->distance = d;
    match->ref_off = c->t->off;
    match->at = 0;
    match->run = c->len;
}

/* Returns the first candidate that is not less than the key. */
static size_t lower(const struct candidate *c, size_t n, const struct candidate *key,
                    int (*compare)(const void *, const void *)) {
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (compare(&c[mid], key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool same_kind(const struct candidate *c, const struct candidate *key) {
    return c->t->dtype == key->t->dtype && c->len == key->len;
}

/* A tensor of the model and one of the base that has its name and type, but another length: rows were added or taken
 * away. The shorter one lies `shift` bytes behind the front of the longer one. */
struct lengths {
    const struct zn_model *model, *base;
    const struct candidate *tensor, *other;
};

static zipnn_status try_shift(const struct lengths *l, uint64_t shift, struct zn_match *match, zipnn_error *err) {
    uint8_t here[N_WORDS * sizeof(uint64_t)], there[N_WORDS * sizeof(uint64_t)];
    const zipnn_dtype dtype = l->tensor->t->dtype;
    const bool grew = l->tensor->len > l->other->len;
    const uint64_t len = ZN_MIN(l->tensor->len, l->other->len);
    const uint64_t at = grew ? shift : 0, ref_off = l->other->t->off + (grew ? 0 : shift);
    ZN_TRY(sample(l->model, l->tensor->t->off + at, len, dtype, here, err));
    ZN_TRY(sample(l->base, ref_off, len, dtype, there, err));
    const uint32_t d = zn_likeness_distance(here, there, N_WORDS, dtype);
    if (d < match->distance)
        *match = (struct zn_match){
            .len = match->len, .ref_off = ref_off, .distance = d, .at = at, .run = len, .samples = match->samples};
    return ZIPNN_OK;
}

/* Tries the front, the end, and, as the part of a rank, the multiples of the shorter length. */
static zipnn_status match_rows(const struct lengths *l, struct zn_match *match, zipnn_error *err) {
    const uint64_t longer = ZN_MAX(l->tensor->len, l->other->len), shorter = ZN_MIN(l->tensor->len, l->other->len);
    const unsigned word = zn_likeness_word(l->tensor->t->dtype);
    if ((longer - shorter) % word) return ZIPNN_OK;
    ZN_TRY(try_shift(l, 0, match, err));
    ZN_TRY(try_shift(l, longer - shorter, match, err));
    if (longer % shorter || longer / shorter > MAX_RANKS) return ZIPNN_OK;
    for (uint64_t shift = shorter; shift < longer - shorter; shift += shorter) ZN_TRY(try_shift(l, shift, match, err));
    return ZIPNN_OK;
}

/* ---- casts ------------------------------------------------------------------------------------------------------- */

/* The cast of a base's elements that the model's tensor may hold. */
struct casting {
    zipnn_dtype from, to;
    enum zn_cast cast;
};

static const struct casting castings[] = {
    {ZIPNN_F32, ZIPNN_BF16, ZN_CAST_F32_BF16}, {ZIPNN_F32, ZIPNN_BF16, ZN_CAST_F32_BF16_CUT},
    {ZIPNN_F32, ZIPNN_F16, ZN_CAST_F32_F16},   {ZIPNN_BF16, ZIPNN_F32, ZN_CAST_BF16_F32},
    {ZIPNN_F16, ZIPNN_F32, ZN_CAST_F16_F32},   {ZIPNN_BF16, ZIPNN_F16, ZN_CAST_BF16_F16},
    {ZIPNN_F16, ZIPNN_BF16, ZN_CAST_F16_BF16},
};

/* Compares the tensor with a candidate of as many elements, cast. The sample is taken where the tensor's was. */
static zipnn_status take_cast(const struct zn_model *base, const struct candidate *key, const struct casting *c,
                              const struct candidate *other, struct zn_match *match, zipnn_error *err) {
    uint8_t there[RUN * sizeof(uint32_t)], cast[N_WORDS * sizeof(uint32_t)];
    const struct zn_cast_widths w = zn_casts[c->cast];
    for (unsigned i = 0; i < N_RUNS; i++) {
        const uint64_t at = run_at(key->len, w.to, i) / w.to * w.from;
        ZN_TRY(base->read(base->user, other->t->off + at, (size_t)RUN * w.from, there, err));
        zn_cast(c->cast, there, RUN, cast + (size_t)i * RUN * w.to);
    }
    const uint32_t d = zn_likeness_distance(match->samples, cast, N_WORDS, c->to);
    if (d < match->distance)
        *match = (struct zn_match){.len = match->len,
                                   .ref_off = other->t->off,
                                   .distance = d,
                                   .run = key->len,
                                   .samples = match->samples,
                                   .cast = {(uint8_t)c->cast, w.from, w.to}};
    return ZIPNN_OK;
}

/* Looks for a tensor of another type of floats: by name, then among all that have as many elements. */
static zipnn_status match_cast(const struct base *b, const struct candidate *key, const struct candidate *named,
                               const struct casting *c, struct zn_match *match, zipnn_error *err) {
    const struct zn_cast_widths w = zn_casts[c->cast];
    const struct zn_tensor first = {.off = 0, .dtype = c->from};
    const struct candidate least = {&first, "", key->len / w.to * w.from, NULL};
    if (key->len % w.to) return ZIPNN_OK;
    if (named && same_kind(named, &least)) ZN_TRY(take_cast(b->model, key, c, named, match, err));
    size_t i = lower(b->by_kind, b->n, &least, compare_kinds);
    for (size_t n = 0; n < MAX_COMPARED && i < b->n && same_kind(&b->by_kind[i], &least); n++, i++) {
        if (match->distance <= ZN_LIKENESS_SCALE) return ZIPNN_OK;
        ZN_TRY(take_cast(b->model, key, c, &b->by_kind[i], match, err));
    }
    return ZIPNN_OK;
}

static zipnn_status match_casts(const struct base *b, const struct candidate *key, const struct candidate *named,
                                struct zn_match *match, zipnn_error *err) {
    for (size_t i = 0; i < sizeof castings / sizeof castings[0]; i++)
        if (castings[i].to == key->t->dtype) ZN_TRY(match_cast(b, key, named, &castings[i], match, err));
    return ZIPNN_OK;
}

/* ---- views ------------------------------------------------------------------------------------------------------- */

/* A matrix of the model, and one of the base that has its name and type. */
struct matrices {
    const struct zn_model *model, *base;
    const struct candidate *tensor, *other;
    uint64_t rows, columns, other_rows, other_columns;
    unsigned word;
};

static bool is_matrix(const struct zn_model *m, const struct candidate *c, uint64_t *rows, uint64_t *columns) {
    const struct zn_tensor *t = c->t;
    const unsigned word = zn_likeness_word(t->dtype);
    uint64_t n, len;
    if (t->rank != 2 || t->meaning & (ZN_COLUMN_MAJOR | ZN_UNREADABLE) || zn_dtype_word(t->dtype) != word) return false;
    *rows = m->plan->dims[t->shape];
    *columns = m->plan->dims[t->shape + 1];
    return *rows && *columns && *rows <= ZN_MAX_VIEW && *columns <= ZN_MAX_VIEW && zn_mul(*rows, *columns, &n) &&
           zn_mul(n, word, &len) && len == c->len && len <= ZN_MAX_VIEW;
}

/* Reads a run of a row of the tensor. */
static zipnn_status read_row(const struct matrices *x, unsigned i, uint64_t *row, uint8_t *to, zipnn_error *err) {
    *row = x->rows * (2 * i + 1) / (2 * N_RUNS);
    return x->model->read(x->model->user, x->tensor->t->off + *row * x->columns * x->word, (size_t)RUN * x->word, to,
                          err);
}

/* Compares with columns of the other matrix, from column `from` on. */
static zipnn_status try_columns(const struct matrices *x, uint64_t from, struct zn_match *match, zipnn_error *err) {
    uint8_t here[N_WORDS * sizeof(uint64_t)], there[N_WORDS * sizeof(uint64_t)];
    const size_t run = (size_t)RUN * x->word;
    for (unsigned i = 0; i < N_RUNS; i++) {
        uint64_t row;
        ZN_TRY(read_row(x, i, &row, here + i * run, err));
        const uint64_t off = x->other->t->off + (row * x->other_columns + from) * x->word;
        ZN_TRY(x->base->read(x->base->user, off, run, there + i * run, err));
    }
    const uint32_t d = zn_likeness_distance(here, there, N_WORDS, x->tensor->t->dtype);
    if (d >= match->distance) return ZIPNN_OK;
    *match = (struct zn_match){.len = match->len,
                               .ref_off = x->other->t->off + from * x->word,
                               .distance = d,
                               .run = x->tensor->len,
                               .samples = match->samples,
                               .view = {ZN_FORM_COLUMNS, (uint8_t)x->word, (uint32_t)(x->columns * x->word),
                                        (uint32_t)(x->other_columns * x->word)}};
    return ZIPNN_OK;
}

/* Compares with the other matrix turned over: row by column. */
static zipnn_status try_turned(const struct matrices *x, struct zn_match *match, zipnn_error *err) {
    uint8_t here[N_WORDS * sizeof(uint64_t)], there[N_WORDS * sizeof(uint64_t)];
    const size_t run = (size_t)RUN * x->word;
    for (unsigned i = 0; i < N_RUNS; i++) {
        uint64_t row;
        ZN_TRY(read_row(x, i, &row, here + i * run, err));
        for (unsigned k = 0; k < RUN; k++)
            ZN_TRY(x->base->read(x->base->user, x->other->t->off + (k * x->other_columns + row) * x->word, x->word,
                                 there + i * run + (size_t)k * x->word, err));
    }
    const uint32_t d = zn_likeness_distance(here, there, N_WORDS, x->tensor->t->dtype);
    if (d >= match->distance) return ZIPNN_OK;
    *match = (struct zn_match){
        .len = match->len,
        .ref_off = x->other->t->off,
        .distance = d,
        .run = x->tensor->len,
        .samples = match->samples,
        .view = {ZN_FORM_TURNED, (uint8_t)x->word, (uint32_t)x->other_rows, (uint32_t)x->other_columns}};
    return ZIPNN_OK;
}

/* Looks for the matrix in one of its name: turned over, or among the columns: in front, at the end, as a rank's part. */
static zipnn_status match_views(struct matrices *x, struct zn_match *match, zipnn_error *err) {
    x->word = zn_likeness_word(x->tensor->t->dtype);
    if (x->other->t->dtype != x->tensor->t->dtype || !is_matrix(x->model, x->tensor, &x->rows, &x->columns) ||
        !is_matrix(x->base, x->other, &x->other_rows, &x->other_columns) || x->columns < RUN)
        return ZIPNN_OK;
    if (x->rows == x->other_columns && x->columns == x->other_rows)
        return x->tensor->len <= MAX_TURNED ? try_turned(x, match, err) : ZIPNN_OK;
    if (x->other_columns / x->columns > MAX_SPREAD) return ZIPNN_OK;
    if (x->rows != x->other_rows || x->columns >= x->other_columns || x->columns * x->word < ZN_LEAST_ROW)
        return ZIPNN_OK;
    ZN_TRY(try_columns(x, 0, match, err));
    ZN_TRY(try_columns(x, x->other_columns - x->columns, match, err));
    if (x->other_columns % x->columns) return ZIPNN_OK;
    for (uint64_t from = x->columns; from < x->other_columns - x->columns; from += x->columns)
        ZN_TRY(try_columns(x, from, match, err));
    return ZIPNN_OK;
}

/* Matches a tensor by name, and by content too if that one is not near. */
static zipnn_status match_tensor(const struct zn_matches *m, const struct base *b, const struct candidate *key,
                                 struct zn_match *match, zipnn_error *err) {
    const uint32_t far = zn_likeness_far(key->t->dtype);
    const struct zn_tensor first = {.off = 0, .dtype = key->t->dtype};
    const struct candidate least = {&first, "", key->len, NULL};
    struct zn_match found = {.distance = NOT_MATCHED, .samples = match->samples, .len = match->len};
    const size_t named = lower(b->by_name, b->n, key, compare_names);
    const bool has_name = named < b->n && strcmp(b->by_name[named].name, key->name) == 0;
    const struct candidate *other = has_name ? &b->by_name[named] : NULL;
    if (other && same_kind(other, key)) take(&found, match->samples, other);
    if (found.distance > far) {
        size_t i = lower(b->by_kind, b->n, &least, compare_kinds);
        for (size_t n = 0; n < MAX_COMPARED && i < b->n && same_kind(&b->by_kind[i], key); n++, i++)
            take(&found, match->samples, &b->by_kind[i]);
    }
    if (found.distance > far && other && other->t->dtype == key->t->dtype && other->len != key->len) {
        const struct lengths lengths = {m->model, b->model, key, other};
        ZN_TRY(match_rows(&lengths, &found, err));
    }
    if (found.distance > far && m->with_parts && other) {
        struct matrices matrices = {.model = m->model, .base = b->model, .tensor = key, .other = other};
        ZN_TRY(match_views(&matrices, &found, err));
    }
    if (found.distance > far && m->with_parts) ZN_TRY(match_casts(b, key, other, &found, err));
    if (found.distance >= match->distance) return ZIPNN_OK;
    *match = found;
    match->source = b->source;
    return ZIPNN_OK;
}

static zipnn_status open_base(const zipnn_allocator *alloc, const struct zn_model *model, uint8_t source, bool parts,
                              struct base *b, zipnn_error *err) {
    const struct zn_plan *plan = model->plan;
    *b = (struct base){.model = model, .source = source};
    ZN_TRY(zn_matches_begin(alloc, model, parts, &b->sampled, err));
    const size_t size = ZN_MAX(plan->n_tensors, (size_t)1) * sizeof *b->by_name;
    b->by_name = zn_alloc(alloc, size);
    b->by_kind = zn_alloc(alloc, size);
    if (!b->by_name || !b->by_kind) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu bytes", size);
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct zn_tensor *t = &plan->tensors[i];
        const struct zn_match *m = &b->sampled.match[i];
        if (m->samples) b->by_name[b->n++] = (struct candidate){t, plan->names + t->name, m->len, m->samples};
    }
    if (b->n == 0) return ZIPNN_OK;
    memcpy(b->by_kind, b->by_name, b->n * sizeof *b->by_name);
    qsort(b->by_name, b->n, sizeof *b->by_name, compare_names);
    qsort(b->by_kind, b->n, sizeof *b->by_kind, compare_kinds);
    return ZIPNN_OK;
}

zipnn_status zn_matches_add(struct zn_matches *m, const struct zn_model *base, uint8_t source, zipnn_error *err) {
    const struct zn_plan *plan = m->model->plan;
    struct base b;
    zipnn_status status = open_base(&m->alloc, base, source, m->with_parts, &b, err);
    for (size_t i = 0; status == ZIPNN_OK && i < plan->n_tensors; i++) {
        const struct zn_tensor *t = &plan->tensors[i];
        const struct candidate key = {t, plan->names + t->name, m->match[i].len, NULL};
        if (m->match[i].samples) status = match_tensor(m, &b, &key, &m->match[i], err);
    }
    zn_matches_end(&b.sampled);
    zn_free(&m->alloc, b.by_name);
    zn_free(&m->alloc, b.by_kind);
    return status;
}

void zn_matches_reset(struct zn_matches *m) {
    for (size_t i = 0; i < m->model->plan->n_tensors; i++) {
        m->match[i].distance = NOT_MATCHED;
        m->match[i].source = 0;
    }
}

/* Lists what no base resembles yet: tensors and the rest of those that are longer than what was found; without tensors
 * the file. */
static zipnn_status list_gaps(const struct zn_matches *m, struct zn_gaps *gaps, zipnn_error *err) {
    const struct zn_plan *plan = m->model->plan;
    if (plan->n_tensors == 0) return zn_gaps_add(gaps, 0, m->model->length, ZIPNN_DTYPE_UNKNOWN, err);
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct zn_tensor *t = &plan->tensors[i];
        const struct zn_match *match = &m->match[i];
        const bool found = match->source && match->distance <= zn_likeness_far(t->dtype);
        const uint64_t at = found ? match->at : match->len, run = found ? match->run : 0;
        ZN_TRY(zn_gaps_add(gaps, t->off, at, t->dtype, err));
        ZN_TRY(zn_gaps_add(gaps, t->off + at + run, match->len - at - run, t->dtype, err));
    }
    return ZIPNN_OK;
}

zipnn_status zn_matches_gaps(struct zn_matches *m, struct zn_gaps *gaps, zipnn_error *err) {
    *gaps = (struct zn_gaps){.alloc = m->alloc};
    return list_gaps(m, gaps, err);
}

zipnn_status zn_matches_add_parts(struct zn_matches *m, const struct zn_model *base, uint8_t source,
                                  struct zn_gaps *gaps, zipnn_error *err) {
    return zn_parts_find(m->model, base, source, gaps, &m->parts, err);
}

uint64_t zn_matches_gain(const struct zn_matches *m) {
    uint64_t gain = 0;
    for (size_t i = 0; i < m->model->plan->n_tensors; i++) {
        const struct zn_match *match = &m->match[i];
        const uint32_t far = zn_likeness_far(m->model->plan->tensors[i].dtype);
        if (match->source && match->distance < far) gain += match->run / far * (far - match->distance);
    }
    return gain;
}

/* Links the small tensors before the first link, too, if they lie before it in the base as well. The file's own header
 * is not linked, so that names can be read without the base. */
static zipnn_status link_first(const struct zn_plan *plan, struct zn_links *links, zipnn_error *err) {
    const struct zn_link *first = NULL;
    for (size_t i = 0; i < links->n; i++)
        if (links->link[i].source && (!first || links->link[i].off < first->off)) first = &links->link[i];
    if (!first || zn_link_casts(first) || first->view || first->off != first->ref_off ||
        first->off <= plan->tensors[0].off)
        return ZIPNN_OK;
    const uint64_t off = plan->tensors[0].off;
    const struct zn_link link = {.off = off,
                                 .len = first->off - off,
                                 .ref_off = off,
                                 .source = first->source,
                                 .likeness = ZN_LINK_SIMILAR,
                                 .distance = ZN_UNRELATED};
    return zn_links_add(links, &link, err);
}

zipnn_status zn_matches_link(const struct zn_matches *m, struct zn_links *links, zipnn_error *err) {
    for (size_t i = 0; i < m->model->plan->n_tensors; i++) {
        const struct zn_tensor *t = &m->model->plan->tensors[i];
        const struct zn_match *match = &m->match[i];
        if (match->source == 0 || match->distance > zn_likeness_far(t->dtype)) continue;
        const struct zn_link link = {.off = t->off + match->at,
                                     .len = match->run,
                                     .ref_off = match->ref_off,
                                     .source = match->source,
                                     .likeness = ZN_LINK_SIMILAR,
                                     .distance = match->distance,
                                     .cast = match->cast.number,
                                     .from = match->cast.from,
                                     .to = match->cast.to,
                                     .view = match->view.form,
                                     .width = match->view.width,
                                     .row = match->view.row,
                                     .stride = match->view.stride};
        ZN_TRY(zn_links_add(links, &link, err));
    }
    for (size_t i = 0; i < m->parts.n; i++) ZN_TRY(zn_links_add(links, &m->parts.link[i], err));
    return m->model->plan->n_tensors ? link_first(m->model->plan, links, err) : ZIPNN_OK;
}
