/* Finds tensors of numbers of four bits that are packed in words or bytes, and the way in which their groups run: down
 * the columns, eight numbers in a word (GPTQ) or each number by itself (AWQ), or along the rows. A sample of the groups
 * tells what each way costs. The key of a group is at first its mean, which is about where its zero point lies, or the mean
 * of its magnitudes, if its numbers are floats of four bits. Then groups are clustered by what they cost. */
#include "chunk/keyed.h"
#include "chunk/layout.h"
#include "chunk/values.h"
#include "chunk/ways.h"
#include "codec/cost.h"
#include "plan/dtype.h"

enum {
    FEWEST = 4096,            /* bytes of a tensor; shorter ones are left to the rest */
    SAMPLED = 1 << 15,        /* numbers whose cost is found for each way */
    HALVES_SAMPLED = 1 << 13, /* bytes that show whether both halves are alike */
    GROUP = 128,              /* numbers of a group, as most programs have it */
    LEAST_GROUP = 32,         /* ... and the least that is tried */
    BLOCK = 12,
    TABLES = 12,
    ROUNDS = 4, /* log2 of the numbers that share a table; tables; rounds of clustering */
    N_NUMBERS = 16,
    N_KEYS = 16
};

/* How groups run. Of words of 32 bits, and of bytes. */
enum direction { DOWN_WORDS, DOWN_NUMBERS, DOWN_BYTES, ALONG, N_DIRECTIONS };

/* What the mean of a group is taken of: its numbers, or their lower three bits, the magnitudes of floats. */
enum { OF_NUMBERS = 15, OF_MAGNITUDES = 7 };

struct way {
    enum direction direction;
    unsigned group; /* numbers */
    unsigned mask;  /* OF_NUMBERS or OF_MAGNITUDES */
};

static unsigned unit_log2_of(enum direction direction) {
    return direction == DOWN_NUMBERS ? 0 : direction == DOWN_BYTES ? 1 : 3;
}

/* ---- runs ---- */

/* The part of a tensor that lies in the chunk. */
struct part {
    uint32_t at, len; /* bytes of the chunk */
    uint64_t from;    /* bytes of the tensor before it */
    uint64_t row;     /* bytes of a row of the tensor */
};

/* Appends the tiles of whole groups, and before and after them what lies in the chunk of groups that it divides. *gap
 * counts the bytes since the last run. */
static void add_rows(struct zn_keyed *k, uint32_t columns, uint32_t row_len, uint64_t row, uint32_t n, uint32_t rows,
                     uint32_t *gap, uint32_t *left) {
    while (n > 0) {
        const uint32_t within = (uint32_t)(row % rows), count = within || n < rows ? 1 : n / rows;
        const uint32_t take = within || n < rows ? ZN_MIN(n, rows - within) : rows;
        const struct zn_keyed_run run = {*gap, columns, (uint16_t)take, (uint16_t)ZN_MIN(count, (uint32_t)UINT16_MAX)};
        const uint32_t done = take * run.count;
        if (4 * take >= rows && zn_keyed_add(k, &run, left))
            *gap = 0;
        else
            *gap += done * row_len;
        row += done;
        n -= done;
    }
}

/* Appends the groups that lie along the rows, one behind the other. */
static void add_groups(struct zn_keyed *k, uint32_t n, const struct way *way, uint32_t *gap, uint32_t *left) {
    const struct zn_keyed_run run = {*gap, 1, (uint16_t)(way->group >> k->unit_log2), (uint16_t)n};
    if (n <= UINT16_MAX && zn_keyed_add(k, &run, left))
        *gap = 0;
    else
        *gap += n * (way->group / 2);
}

static void add_part(struct zn_keyed *k, const struct way *way, const struct part *p, uint32_t *gap, uint32_t *left) {
    const uint64_t row = way->direction == ALONG ? way->group / 2 : p->row;
    const uint64_t before = row ? (row - p->from % row) % row : 0;
    if (row == 0 || before + row > p->len) {
        *gap += p->len;
        return;
    }
    const uint32_t row_len = (uint32_t)row, n = (p->len - (uint32_t)before) / row_len;
    *gap += (uint32_t)before;
    if (way->direction == ALONG)
        add_groups(k, n, way, gap, left);
    else
        add_rows(k, 2 * row_len >> k->unit_log2, row_len, (p->from + before) / row, n, way->group >> k->unit_log2, gap,
                 left);
    *gap += p->len - (uint32_t)before - n * row_len;
}

/* Finds the part of a tensor that is in the chunk. Returns false where there is too little of it, or where the tensor
 * is of another type. */
static bool part_of(const struct zn_encoder *e, const struct zn_tensor *t, struct part *p) {
    const uint64_t from = ZN_MAX(t->off, e->hint.off), to = ZN_MIN(t->off + t->len, e->hint.off + e->len);
    if (to < from + FEWEST || t->dtype != e->hint.dtype) return false;
    const uint64_t columns = t->rank < 2 ? 0 : e->hint.plan->dims[t->shape + t->rank - 1];
    *p = (struct part){(uint32_t)(from - e->hint.off), (uint32_t)(to - from), from - t->off,
                       columns > e->len ? 0 : columns * (zn_dtype_bits(t->dtype) / 8)};
    return true;
}

/* Returns whether lower and upper halves of bytes take about the same values, as two numbers in a byte do. Scales, which may
 * lie between the numbers, do not. */
static bool are_halves_alike(const struct zn_kernels *k, const uint8_t *bytes, size_t n) {
    uint32_t counts[256] = {0}, low[N_NUMBERS] = {0}, high[N_NUMBERS] = {0}, all = 0, apart = 0;
    k->byte_hist(bytes, n, zn_sample_step(n, HALVES_SAMPLED), counts);
    for (unsigned v = 0; v < 256; v++) {
        low[v % N_NUMBERS] += counts[v];
        high[v / N_NUMBERS] += counts[v];
        all += counts[v];
    }
    for (unsigned v = 0; v < N_NUMBERS; v++) apart += low[v] > high[v] ? low[v] - high[v] : high[v] - low[v];
    return apart < all / 2;
}

/* Returns whether a part of a tensor may hold numbers. */
static bool has_numbers(const struct zn_encoder *e, const struct part *p) {
    return zn_dtype_bits(e->hint.dtype) != 8 || are_halves_alike(e->coder->codec.k, e->src + p->at, p->len);
}

static void add_tensors(const struct zn_encoder *e, const struct way *way, struct zn_keyed *k) {
    const struct zn_plan *plan = e->hint.plan;
    uint32_t at = 0, gap = 0, left = e->len;
    for (size_t i = zn_plan_at(plan, e->hint.off); i < plan->n_tensors && plan->tensors[i].off < e->hint.off + e->len;
         i++) {
        struct part p;
        if (!part_of(e, &plan->tensors[i], &p) || !has_numbers(e, &p)) continue;
        gap += p.at - at;
        at = p.at + p.len;
        add_part(k, way, &p, &gap, &left);
    }
}

/* Makes the runs of a way. Returns false when they hold less than half of the chunk. Without a plan, the chunk is taken for
 * a part of a tensor whose rows are not known. */
static bool make_runs(const struct zn_encoder *e, const struct way *way, struct zn_keyed *k) {
    uint32_t gap = 0, left = e->len;
    k->unit_log2 = unit_log2_of(way->direction);
    k->n_runs = k->n_groups = k->n_numbers = k->tiles_len = 0;
    if (e->hint.plan)
        add_tensors(e, way, k);
    else
        add_part(k, way, &(struct part){0, e->len, 0, 0}, &gap, &left);
    return k->tiles_len >= e->len / 2;
}

/* ---- what a way costs ---- */

static unsigned number_of(const struct zn_keyed *k, const struct zn_keyed_run *r, const uint8_t *tile, uint32_t column,
                          uint32_t i) {
    const size_t row = i >> k->unit_log2, part = i & ((1u << k->unit_log2) - 1);
    const size_t at = ((row * r->columns + column) << k->unit_log2) + part;
    return tile[at / 2] >> at % 2 * 4 & 15u;
}

/* Returns the key of a group of n numbers with this sum: their mean, rounded. */
static uint8_t key_of(uint32_t sum, uint32_t n) {
    return (uint8_t)((sum + n / 2) / n);
}

struct sample {
    unsigned mask; /* of the way */
    uint32_t counts[N_KEYS][N_NUMBERS], keys[N_KEYS], groups, numbers;
};

static void count_group(const struct zn_keyed *k, const struct zn_keyed_run *r, const uint8_t *tile, uint32_t column,
                        struct sample *s) {
    uint32_t counts[N_NUMBERS] = {0}, sum = 0;
    const uint32_t n = (uint32_t)r->rows << k->unit_log2;
    for (uint32_t i = 0; i < n; i++) {
        const unsigned v = number_of(k, r, tile, column, i);
        counts[v]++;
        sum += v & s->mask;
    }
    const unsigned key = key_of(sum, n);
    for (unsigned v = 0; v < N_NUMBERS; v++) s->counts[key][v] += counts[v];
    s->keys[key]++;
    s->groups++;
    s->numbers += n;
}

/* Returns the bytes that the tiles take, as a sample of their groups tells. */
static size_t cost_of(const struct zn_encoder *e, const struct zn_keyed *k, unsigned mask) {
    struct sample s = {.mask = mask};
    const uint8_t *at = e->src;
    const uint32_t step = ZN_MAX(k->n_numbers / SAMPLED, 1u);
    uint32_t column = 0;
    for (unsigned i = 0; i < k->n_runs; i++) {
        const struct zn_keyed_run *r = &k->run[i];
        at += r->gap;
        for (unsigned t = 0; t < r->count; t++, at += zn_keyed_tile_len(k, r)) {
            for (; column < r->columns; column += step) count_group(k, r, at, column, &s);
            column -= r->columns;
        }
    }
    uint64_t numbers = 0, used = 0;
    for (unsigned key = 0; key < N_KEYS; key++) {
        numbers += zn_entropy(s.counts[key], N_NUMBERS);
        for (unsigned v = 0; v < N_NUMBERS; v++) used += s.counts[key][v] != 0;
    }
    numbers += used * ZN_COST_UNSEEN;
    if (s.groups == 0) return SIZE_MAX;
    return (size_t)((numbers * k->n_numbers / s.numbers + zn_entropy(s.keys, N_KEYS) * k->n_groups / s.groups) /
                    (8 * ZN_COST_ONE));
}

/* Returns the bytes that what lies between the tiles takes: by its own entropy, as scales of few values do, or as much for
 * each byte as in a body of body_len bytes. */
static size_t cost_of_rest(const struct zn_encoder *e, const struct zn_keyed *k, size_t body_len) {
    const struct zn_kernels *kernels = e->coder->codec.k;
    const uint8_t *at = e->src, *end = e->src + e->len;
    uint32_t counts[256] = {0}, used = 0;
    for (unsigned i = 0; i < k->n_runs; i++) {
        const struct zn_keyed_run *r = &k->run[i];
        kernels->byte_hist(at, r->gap, 1, counts);
        at += r->gap + (size_t)zn_keyed_tile_len(k, r) * r->count;
    }
    kernels->byte_hist(at, (size_t)(end - at), 1, counts);
    for (unsigned v = 0; v < 256; v++) used += counts[v] != 0;
    const size_t own = (size_t)((zn_entropy(counts, 256) + used * ZN_COST_UNSEEN) / (8 * ZN_COST_ONE));
    return ZN_MIN(own, (size_t)((uint64_t)(e->len - k->tiles_len) * body_len / e->len));
}

/* Tries the groups of one direction, long ones first, as long as shorter ones are cheaper. *least is the cost of the best
 * way so far. */
static void try_direction(const struct zn_encoder *e, size_t body_len, struct way way, struct zn_keyed *k,
                          struct way *best, size_t *least) {
    size_t before = SIZE_MAX;
    for (way.group = GROUP; way.group >= LEAST_GROUP; way.group /= 2) {
        if (!make_runs(e, &way, k)) return;
        const size_t tiles = cost_of(e, k, way.mask);
        const size_t whole = tiles == SIZE_MAX ? SIZE_MAX : tiles + cost_of_rest(e, k, body_len);
        if (whole >= before) return;
        before = whole;
        if (whole >= *least) continue;
        *least = whole;
        *best = way;
    }
}

/* Finds the cheapest way, and leaves its runs in *k. Returns false when none is cheaper than a body of body_len bytes
 * which takes as much for each byte. */
static bool find_way(const struct zn_encoder *e, size_t body_len, struct zn_keyed *k, struct way *best) {
    const bool bytes = zn_dtype_bits(e->hint.dtype) == 8;
    size_t least = SIZE_MAX;
    *best = (struct way){N_DIRECTIONS, GROUP, OF_NUMBERS};
    for (unsigned d = 0; d < N_DIRECTIONS; d++) {
        if (d != ALONG && (d == DOWN_BYTES) != bytes) continue;
        try_direction(e, body_len, (struct way){(enum direction)d, GROUP, OF_NUMBERS}, k, best, &least);
        /* Floats of four bits are kept in bytes. */
        if (bytes) try_direction(e, body_len, (struct way){(enum direction)d, GROUP, OF_MAGNITUDES}, k, best, &least);
    }
    if (least >= body_len - body_len / 256) {
        e->coder->codec.declined |= least < body_len;
        return false;
    }
    return make_runs(e, best, k);
}

/* ---- keys ---- */

/* The groups of a chunk, all numbers by position, while their keys are found. */
struct groups {
    const struct zn_keyed *k;
    const uint8_t *numbers;
    uint8_t *keys;
    int16_t (*counts)[N_NUMBERS]; /* by group */
};

static void count_numbers(const uint8_t *numbers, uint32_t n, int16_t counts[N_NUMBERS]) {
    uint16_t even[N_NUMBERS] = {0}, odd[N_NUMBERS] = {0}; /* equal numbers in a row would wait for one counter */
    for (uint32_t i = 0; i + 1 < n; i += 2) {
        even[numbers[i]]++;
        odd[numbers[i + 1]]++;
    }
    if (n % 2) even[numbers[n - 1]]++;
    for (unsigned v = 0; v < N_NUMBERS; v++) counts[v] = (int16_t)(even[v] + odd[v]);
}

/* Counts the numbers of each group, and makes their mean its key. */
static void count_groups(const struct groups *g, unsigned mask) {
    const uint8_t *numbers = g->numbers;
    size_t at = 0;
    for (unsigned i = 0; i < g->k->n_runs; i++) {
        const uint32_t group = (uint32_t)g->k->run[i].rows << g->k->unit_log2;
        for (uint32_t n = g->k->run[i].columns * g->k->run[i].count; n > 0; n--, numbers += group, at++) {
            uint32_t sum = 0;
            count_numbers(numbers, group, g->counts[at]);
            for (unsigned v = 0; v < N_NUMBERS; v++) sum += (uint32_t)g->counts[at][v] * (v & mask);
            g->keys[at] = key_of(sum, group);
        }
    }
}

/* What the clusters cost: each number, and the key. */
struct prices {
    int16_t number[N_NUMBERS][N_KEYS];
    int32_t key[N_KEYS];
};

/* Finds the prices of the present keys. A key that no group has is too dear for any. */
static void find_prices(const struct groups *g, struct prices *p) {
    enum { DEAREST = 14 * ZN_COST_ONE };
    uint32_t counts[N_KEYS][N_NUMBERS] = {{0}}, groups[N_KEYS] = {0};
    for (uint32_t i = 0; i < g->k->n_groups; i++) {
        const uint8_t key = g->keys[i];
        for (unsigned v = 0; v < N_NUMBERS; v++) counts[key][v] += (uint16_t)g->counts[i][v];
        groups[key]++;
    }
    for (unsigned key = 0; key < N_KEYS; key++) {
        uint32_t all = 0;
        for (unsigned v = 0; v < N_NUMBERS; v++) all += counts[key][v];
        for (unsigned v = 0; v < N_NUMBERS; v++) {
            const uint32_t c = counts[key][v];
            p->number[v][key] = (int16_t)(c ? ZN_MIN(zn_log2(all) - zn_log2(c), (uint32_t)DEAREST) : DEAREST);
        }
        p->key[key] = groups[key] ? (int32_t)(zn_log2(g->k->n_groups) - zn_log2(groups[key])) : INT32_MAX / 2;
    }
}

/* Computes what a group costs with each key. The compiler makes vector code of the inner loop. */
static void find_costs(const struct prices *restrict p, const int16_t *restrict counts, int32_t *restrict costs) {
    memcpy(costs, p->key, sizeof p->key);
    for (unsigned v = 0; v < N_NUMBERS; v++)
        for (unsigned key = 0; key < N_KEYS; key++) costs[key] += counts[v] * p->number[v][key];
}

/* Gives each group the key with which it costs least, the key included; so rare keys are left by their groups. */
static void move_groups(const struct groups *g) {
    struct prices prices;
    find_prices(g, &prices);
    for (uint32_t i = 0; i < g->k->n_groups; i++) {
        int32_t costs[N_KEYS];
        unsigned best = 0;
        find_costs(&prices, g->counts[i], costs);
        for (unsigned key = 1; key < N_KEYS; key++) best = costs[key] < costs[best] ? key : best;
        g->keys[i] = (uint8_t)best;
    }
}

/* Gives each group its key; the numbers of all groups stand by position. */
static void find_keys(struct zn_scratch *scratch, const struct zn_keyed *k, unsigned mask, const uint8_t *numbers,
                      uint8_t *keys) {
    enum { PASSES = 3 };
    const size_t mark = zn_scratch_mark(scratch);
    const struct groups g = {k, numbers, keys, zn_scratch_take(scratch, k->n_groups * sizeof *g.counts)};
    count_groups(&g, mask);
    for (unsigned i = 0; i < PASSES; i++) move_groups(&g);
    zn_scratch_back(scratch, mark);
}

/* ---- the body ---- */

/* A chunk while it is encoded. */
struct source {
    const struct zn_encoder *e;
    const struct zn_keyed *k;
    uint8_t *keys, *numbers; /* numbers in the order of the keys */
    uint8_t *rest;
    uint32_t counts[256]; /* of the numbers */
};

/* Takes the tiles apart: numbers by position, what is between the tiles to the rest. */
static void take_tiles(const struct source *s, const uint32_t *places, uint8_t *numbers) {
    const uint8_t *at = s->e->src;
    uint8_t *rest = s->rest;
    for (unsigned i = 0; i < s->k->n_runs; i++) {
        const struct zn_keyed_run *r = &s->k->run[i];
        memcpy(rest, at, r->gap);
        rest += r->gap;
        at += r->gap;
        zn_keyed_take(s->k, r, at, places, numbers);
        places += (size_t)r->columns * r->count;
        at += (size_t)zn_keyed_tile_len(s->k, r) * r->count;
    }
    memcpy(rest, at, (size_t)(s->e->src + s->e->len - at));
}

static void sort_groups(const struct source *s, const uint32_t *places, const uint8_t *numbers) {
    size_t g = 0;
    for (unsigned i = 0; i < s->k->n_runs; i++) {
        const uint32_t group = (uint32_t)s->k->run[i].rows << s->k->unit_log2;
        for (uint32_t n = s->k->run[i].columns * s->k->run[i].count; n > 0; n--, numbers += group)
            memcpy(s->numbers + places[g++], numbers, group);
    }
}

static void take_apart(struct source *s, unsigned mask) {
    struct zn_scratch *scratch = &s->e->coder->scratch;
    s->keys = zn_scratch_take(scratch, s->k->n_groups);
    s->numbers = zn_scratch_take(scratch, s->k->n_numbers);
    s->rest = zn_scratch_take(scratch, s->e->len - s->k->tiles_len);
    const size_t mark = zn_scratch_mark(scratch);
    uint32_t *places = zn_scratch_take(scratch, s->k->n_groups * sizeof *places);
    uint8_t *unsorted = zn_scratch_take(scratch, s->k->n_numbers);
    zn_keyed_places(s->k, NULL, places);
    take_tiles(s, places, unsorted);
    find_keys(scratch, s->k, mask, unsorted, s->keys);
    zn_keyed_places(s->k, s->keys, places);
    sort_groups(s, places, unsorted);
    zn_scratch_back(scratch, mark);
    s->e->coder->codec.k->byte_hist(s->numbers, s->k->n_numbers, 1, s->counts);
}

static enum zn_codec_id write_keys(const struct source *s, struct zn_out *out) {
    struct zn_codec *codec = &s->e->coder->codec;
    struct zn_survey survey;
    zn_stream_survey(codec, s->keys, s->k->n_groups, &survey);
    return zn_stream_encode(codec, 0, s->e->effort, &survey, s->keys, s->k->n_groups, out);
}

/* Appends the numbers by R16W, which lists all of them. Returns false when that does not make them smaller. */
static bool write_numbers(const struct source *s, struct zn_out *out) {
    struct zn_effort own = *s->e->effort;
    struct zn_codec *codec = &s->e->coder->codec;
    const uint8_t *start = out->at;
    own.block_log2 = BLOCK;
    own.max_tables = TABLES;
    own.rounds = ROUNDS;
    (void)zn_r16w_fit(codec, 0, &own, s->numbers, s->k->n_numbers, s->counts);
    return zn_r16w_write(codec, 0, &own, s->numbers, s->k->n_numbers, out) &&
           !zn_values_are_escapes_many(ZN_CODEC_R16W, start, (size_t)(out->at - start), s->e->len);
}

/* Returns false when there may be no room. */
static bool write_rest(const struct source *s, struct zn_out *out) {
    const uint32_t len = s->e->len - s->k->tiles_len;
    const struct zn_encoder inner = {s->e->coder, s->e->effort, {.dtype = s->e->hint.dtype}, s->rest, len};
    if (out->full || zn_out_left(out) < zn_chunk_bound(len)) return false;
    if (len) out->at += zn_ways_encode(&inner, ZN_STAGE_PLAIN, out->at);
    return true;
}

/* Returns the length of the body, 0 when it has none. */
static uint32_t write_body(const struct source *s, struct zn_out *out) {
    zn_body_begin_chunks(out, ZN_LAYOUT_KEYED, 0);
    zn_out_u8(out, (uint8_t)s->k->unit_log2);
    zn_out_u16(out, (uint16_t)s->k->n_runs);
    struct zn_streams streams = zn_streams_begin(out, 2);
    for (unsigned i = 0; i < s->k->n_runs; i++) {
        zn_out_u32(out, s->k->run[i].gap);
        zn_out_u16(out, s->k->run[i].rows);
        zn_out_u16(out, s->k->run[i].count);
        zn_out_u32(out, s->k->run[i].columns);
    }
    streams.start = out->at;
    zn_streams_end(&streams, out, write_keys(s, out));
    if (!write_numbers(s, out)) return 0;
    zn_streams_end(&streams, out, ZN_CODEC_R16W);
    return write_rest(s, out) ? (uint32_t)zn_out_len(out) : 0;
}

/* Returns whether the chunk may be integers with numbers of four bits: such a chunk keeps more than half of its bytes in
 * any layout. */
static bool may_be_numbers(const struct zn_encoder *e, const struct zn_draft *draft) {
    const struct zn_dtype_facts *type = zn_dtype_facts(e->hint.dtype);
    const bool integers = type->kind == ZN_KIND_SIGNED || type->kind == ZN_KIND_UNSIGNED;
    return integers && (type->bits == 32 || type->bits == 8) && e->len >= 2 * FEWEST && draft->body.len > e->len / 2;
}

uint32_t zn_keyed_encode(const struct zn_encoder *e, struct zn_draft *draft) {
    struct zn_keyed k;
    if (!zn_may_write(e->effort, ZN_LAYOUT_KEYED) || !may_be_numbers(e, draft)) return 0;
    if (!has_numbers(e, &(struct part){0, e->len, 0, 0})) return 0;
    struct way way;
    if (!find_way(e, draft->body.len, &k, &way)) return 0;
    struct source s = {.e = e, .k = &k};
    take_apart(&s, way.mask);
    const size_t cap = (size_t)zn_chunk_bound(e->len) + ZN_CHUNK_GROWTH + ZN_KEYED_RUNS * ZN_KEYED_RUN_LEN;
    struct zn_out out = zn_out_of(zn_scratch_take(&e->coder->scratch, cap), cap);
    const uint32_t len = write_body(&s, &out);
    if (len == 0 || len >= draft->body.len) return 0;
    memcpy(draft->to, out.start, len);
    return len;
}
