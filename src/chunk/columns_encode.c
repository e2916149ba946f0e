/* Finds the rows of a matrix among the words of a chunk, and how fast its columns are learnt. */
#include "chunk/columns.h"
#include "chunk/layout.h"
#include "chunk/mixed.h"
#include "chunk/ways.h"
#include "codec/bits.h"
#include "codec/cost.h"

enum {
    MOST_RUNS = 64,
    MOST_STRIDES = 6,
    FEWEST_ROWS = 8,
    MOST_ROWS = 64,     /* of a sample */
    MOST_COLUMNS = 128, /* of a sample */
    CLIP = 16,          /* symbols; what is farther from the middle counts as this */
    PART = 256,         /* units of a variance */
    LEAST_GAIN = 64,    /* units of a variance that columns must explain; it is worth 0.07 % of bf16 */
    CLEARLY = 2048,     /* a body must save 1/2048 of the chunk, since it takes longer to decode ... */
    QUICKLY = 128,      /* ... or 1/128 at levels that are for speed */
    NEARLY = 64,        /* what would save less than 1/64 is noise */
    LOW_BITS = 63,      /* of the mantissa, below the symbols */
    SLOWER = 4          /* a mean moves by at most 1/16 of the distance in the end */
};

/* The sums over a sample of rows and columns: of all symbols, of their squares, and of the squares of the columns' sums. */
struct sample {
    uint64_t rows, columns, squares, of_columns;
    int64_t all;
};

static uint8_t middle_of(const struct zn_kernels *k, const uint8_t *symbols, size_t n) {
    uint32_t counts[256] = {0}, total = 0, below = 0;
    unsigned middle = 0;
    k->byte_hist(symbols, n, zn_sample_step(n / 64 + 1, 64), counts);
    for (unsigned s = 0; s < 256; s++) total += counts[s];
    while (middle < 255 && (below += counts[middle]) < total / 2) middle++;
    return (uint8_t)middle;
}

static struct sample sample_of(const uint8_t *symbols, size_t n, size_t stride, uint8_t middle) {
    const size_t n_rows = n / stride;
    struct sample s = {.rows = ZN_MIN(n_rows, (size_t)MOST_ROWS), .columns = ZN_MIN(stride, (size_t)MOST_COLUMNS)};
    for (size_t c = 0; c < s.columns; c++) {
        const uint8_t *column = symbols + c * stride / s.columns;
        int64_t sum = 0;
        for (size_t r = 0; r < s.rows; r++) {
            const int it = column[r * n_rows / s.rows * stride] - middle, v = ZN_MAX(-CLIP, ZN_MIN(it, CLIP));
            sum += v;
            s.squares += (uint64_t)(v * v);
        }
        s.all += sum;
        s.of_columns += (uint64_t)(sum * sum);
    }
    return s;
}

/* Sets how fast columns are learnt at first: the more their means differ, the fewer rows tell more than the middle of all
 * columns does. Returns false when the means tell too little. */
static bool tell_something(const struct sample *s, size_t n_rows, uint8_t *fast) {
    const uint64_t R = s->rows, C = s->columns;
    const uint64_t within = PART * (R * s->squares - s->of_columns) / (R * C * (R - 1));
    const uint64_t between = PART * (C * s->of_columns - (uint64_t)(s->all * s->all)) / (R * C * (C - 1));
    if (between <= within) return false;
    const uint64_t means = (between - within) / R, known = n_rows / 2 * means;
    if (means * known / (within + known + 1) < LEAST_GAIN) return false;
    for (*fast = 0; *fast < ZN_SLOWEST_COLUMN && means << *fast < within;) ++*fast;
    return true;
}

/* The words of a chunk, and what they become. */
struct source {
    const struct zn_encoder *e;
    const struct zn_body *cut;
    const struct zn_words *words;
    uint8_t *symbols, *differences;
    uint16_t *mean;
};

/* Finds the longest run of one tensor's elements in the chunk, and writes the lengths of rows that its two fastest axes
 * make. Without axes, rows may have any power of two. Returns how many lengths there are. */
static unsigned strides_of(const struct source *s, uint32_t strides[MOST_STRIDES]) {
    struct zn_mixing_run runs[MOST_RUNS];
    const struct zn_mixing_run *longest = NULL;
    const struct zn_body *cut = s->cut;
    const size_t n_runs =
        zn_mixed_runs(s->e->hint.plan, s->e->hint.off + cut->head, cut->n, cut->width, runs, MOST_RUNS);
    unsigned n = 0;
    for (size_t i = 0; i < n_runs; i++)
        if (runs[i].axis[1] > 1 && (!longest || runs[i].n > longest->n)) longest = &runs[i];
    for (; !longest && n < MOST_STRIDES; n++) strides[n] = (uint32_t)ZN_LEAST_STRIDE << n;
    if (!longest) return n;
    const uint64_t axes[2] = {longest->axis[1], (uint64_t)longest->axis[0] * longest->axis[1]};
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t stride = axes[i] * ((ZN_LEAST_STRIDE + axes[i] - 1) / axes[i]);
        if (stride > cut->n / FEWEST_ROWS || (n && strides[0] == stride)) continue;
        strides[n++] = (uint32_t)stride;
    }
    return n;
}

static uint64_t walk(const struct source *s, const struct zn_columns_head *head) {
    struct zn_columns columns = zn_columns_begin(head, s->words->n, s->mean);
    return zn_columns_take(&columns, s->e->coder->codec.k->joint, s->symbols, s->words->n, s->differences);
}

/* Chooses rows and rates by which symbols lie nearest to what their columns foretell. Returns false when none tell
 * something. */
static bool choose(const struct source *s, struct zn_columns_head *best) {
    uint32_t strides[MOST_STRIDES];
    const size_t n = s->words->n;
    const unsigned n_strides = strides_of(s, strides);
    const uint8_t middle = middle_of(s->e->coder->codec.k, s->symbols, n);
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < n_strides; i++) {
        struct zn_columns_head head = {.start = middle, .stride = strides[i]};
        if (n / strides[i] < FEWEST_ROWS) continue;
        const struct sample sample = sample_of(s->symbols, n, strides[i], middle);
        if (!tell_something(&sample, n / strides[i], &head.fast)) continue;
        for (head.slow = ZN_MAX(head.fast, (uint8_t)SLOWER); head.slow <= ZN_SLOWEST_COLUMN; head.slow++) {
            const uint64_t distances = walk(s, &head);
            if (distances >= least) continue;
            least = distances;
            *best = head;
        }
    }
    return least < UINT64_MAX;
}

/* Appends a plane below the symbols, which has at most n bytes. Most are noise, maybe except for a sign that is always the
 * same. */
static enum zn_codec_id write_plane(const struct source *s, const uint8_t *plane, struct zn_out *out) {
    struct zn_codec *codec = &s->e->coder->codec;
    const size_t n = s->words->n;
    struct zn_survey survey;
    zn_stream_survey(codec, plane, n, &survey);
    const struct zn_bits bits = zn_bits_find(plane, n);
    const uint64_t noise = survey.sampled * (unsigned)__builtin_popcount(bits.mask) * ZN_COST_ONE;
    if (bits.mask == 0 || bits.mask == 255 || survey.order0 < noise - noise / NEARLY)
        return zn_stream_encode(codec, 0, s->e->effort, &survey, plane, n, out);
    zn_bits_write(codec->k, bits, plane, n, out);
    return ZN_CODEC_BITS;
}

/* Writes the planes below the symbols, and then the symbols, for which tables were fitted last; other planes need the
 * tables, too, so that the symbols are written first. */
static uint32_t write_body(const struct source *s, unsigned base, const struct zn_columns_head *columns,
                           struct zn_out out) {
    struct zn_coder *coder = s->e->coder;
    const struct zn_words *words = s->words;
    struct zn_body body = {.orig_len = s->e->len,
                           .layout = ZN_LAYOUT_COLUMNS,
                           .head = s->cut->head,
                           .inner = (uint8_t)s->cut->layout,
                           .joint = 2,
                           .base = (uint8_t)base,
                           .columns = *columns};
    uint8_t *planes[ZN_MAX_PLANES], *coded = zn_scratch_take(&coder->scratch, words->n);
    struct zn_out symbols = zn_out_of(coded, words->n);
    if (!zn_r16w_write(&coder->codec, 0, s->e->effort, s->differences, words->n, &symbols)) return 0;
    const enum zn_codec_id codec = zn_joint_finer(coder, s->e->effort, s->differences, words->n, coded, &symbols);
    zn_body_measure(&body);
    struct zn_streams streams = zn_body_begin(&out, &body, s->e->src);
    for (unsigned p = 0; p < body.width; p++) planes[p] = zn_scratch_take(&coder->scratch, words->n);
    coder->codec.k->split[words->shape](words->at, words->n, planes);
    for (size_t i = 0; i < words->n; i++) planes[body.width - 2][i] &= LOW_BITS;
    for (unsigned p = 0; p + 1 < body.width; p++) {
        if (out.full || zn_out_left(&out) < words->n) return 0;
        zn_streams_end(&streams, &out, write_plane(s, planes[p], &out));
    }
    zn_out_bytes(&out, coded, zn_out_len(&symbols));
    zn_streams_end(&streams, &out, codec);
    return out.full ? 0 : (uint32_t)zn_out_len(&out);
}

/* Fits tables to the differences. Returns the bytes that they are expected to take. */
static size_t fit(const struct source *s, const struct zn_columns_head *columns) {
    struct zn_codec *codec = &s->e->coder->codec;
    const size_t n = s->words->n;
    (void)walk(s, columns);
    for (size_t i = 0; i < n; i++) s->symbols[i] = s->differences[i] / 2;
    return zn_r16w_fit_blocks(codec, s->e->effort, s->differences, s->symbols, n);
}

/* Encodes the words to `out`. */
static uint32_t encode(const struct zn_encoder *e, const struct zn_body *whole, struct zn_out out) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const struct zn_joint_source source = {e, whole, NULL};
    struct zn_body cut;
    struct zn_words words;
    struct zn_columns_head columns;
    unsigned base;
    if (!zn_joint2_find(&source, &cut, &words, &base)) return 0;
    const size_t n = words.n;
    const struct source s = {e,
                             &cut,
                             &words,
                             words.room,
                             zn_scratch_take(scratch, n),
                             zn_scratch_take(scratch, n / FEWEST_ROWS * sizeof(uint16_t))};
    e->coder->codec.k->joint->symbols(zn_joint_of_shape(words.shape, 2), words.at, n, s.symbols);
    if (!choose(&s, &columns) || fit(&s, &columns) >= zn_out_left(&out)) return 0;
    return write_body(&s, base, &columns, out);
}

uint32_t zn_columns_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    struct zn_scratch *scratch = &e->coder->scratch;
    const size_t least = e->len / (e->effort->level >= ZIPNN_LEVEL_HIGH ? CLEARLY : QUICKLY);
    const enum zn_layout layout = zn_layout_of_dtype(e->hint.dtype);
    if (!zn_may_write(e->effort, ZN_LAYOUT_COLUMNS) || draft->body.len <= least ||
        (layout != ZN_LAYOUT_16R && layout != ZN_LAYOUT_32R))
        return 0;
    const struct zn_body cut = zn_body_of_words(layout, e->hint.head, e->len);
    if (cut.n < ZN_R16_FULL) return 0;
    const size_t cap = ZN_MIN(draft->body.len - least, (size_t)e->coder->max_chunk);
    uint8_t *rival = zn_scratch_take(scratch, cap);
    const uint32_t len = encode(e, &cut, zn_out_of(rival, cap));
    if (len) memcpy(draft->to, rival, len);
    return len;
}
