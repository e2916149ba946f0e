#include "codec/r16_read.h"
#include "codec/r32_stream.h"

struct zn_r32 {
    struct zn_r32_decoder d;
    struct zn_r32_table tables[ZN_R32_MAX_TABLES];
};

size_t zn_r32_size(void) {
    return sizeof(struct zn_r32);
}

static zipnn_status corrupt(const struct zn_coded *in, zipnn_error *err, const char *what, unsigned long long value) {
    return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R32 stream: %s %llu", what, value);
}

void zn_r32_frequencies(const uint8_t size[ZN_R32_ENTRIES], uint16_t freq[ZN_R32_ENTRIES]) {
    uint64_t sum = 0;
    unsigned given = 0, most = 0;
    for (unsigned i = 0; i < ZN_R32_ENTRIES; i++) {
        sum += zn_r32_weight(size[i]);
        most = size[i] > size[most] ? i : most;
    }
    for (unsigned i = 0; i < ZN_R32_ENTRIES; i++) {
        const uint64_t due = ((uint64_t)zn_r32_weight(size[i]) * ZN_R32_SLOTS + sum / 2) / sum;
        freq[i] = (uint16_t)(size[i] ? ZN_MAX(due, (uint64_t)1) : 0);
        given += freq[i];
    }
    freq[most] = (uint16_t)(freq[most] + ZN_R32_SLOTS - given);
}

/* Sets a table from the differences of its sizes. */
static zipnn_status set_table(struct zn_r32_table *t, const struct zn_coded *in, const uint8_t *steps,
                              zipnn_error *err) {
    uint8_t size[ZN_R32_ENTRIES] = {0};
    uint16_t freq[ZN_R32_ENTRIES];
    unsigned any = 0;
    for (unsigned i = 0; i <= t->n; i++) {
        size[i] = (uint8_t)(steps[i] + (i < ZN_R32_SIZE_STEP ? 0 : size[i - ZN_R32_SIZE_STEP]));
        if (size[i] > ZN_R32_MOST_SIZE) return corrupt(in, err, "the size of an entry is", size[i]);
        any |= size[i];
    }
    if (!any) return corrupt(in, err, "no entry of a table has slots; it lists", t->n);
    zn_r32_frequencies(size, freq);
    zn_r32_table_build(t, freq);
    return ZIPNN_OK;
}

static zipnn_status read_tables(struct zn_codec *c, struct zn_cur *cur, const struct zn_coded *in, unsigned n_tables,
                                zipnn_error *err) {
    struct zn_r32_table *tables = c->fine->tables;
    uint8_t steps[ZN_R32_MAX_TABLES * ZN_R32_ENTRIES], *at = steps;
    size_t n = n_tables;
    for (unsigned t = 0; t < n_tables; t++) {
        tables[t].base = zn_cur_u8(cur);
        tables[t].n = zn_cur_u8(cur);
        if (tables[t].n >= ZN_R32_ENTRIES || tables[t].base + tables[t].n > 256)
            return corrupt(in, err, "a table lists symbols up to", tables[t].base + tables[t].n);
        n += tables[t].n;
    }
    if (!zn_cur_ok(cur)) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R32 stream ends inside a table");
    ZN_TRY(zn_r16_read_nested(c, 0, cur, in, steps, n, err));
    for (unsigned t = 0; t < n_tables; at += tables[t++].n + 1) ZN_TRY(set_table(&tables[t], in, at, err));
    return ZIPNN_OK;
}

/* Reads the states and the words, which end the stream. */
static zipnn_status read_states(struct zn_cur *cur, const struct zn_coded *in, struct zn_r32_decoder *d,
                                zipnn_error *err) {
    const uint8_t *states = zn_cur_take(cur, 4 * ZN_R32_LANES);
    if (!states) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R32 stream ends before its states");
    for (unsigned i = 0; i < ZN_R32_LANES; i++) {
        d->state[i] = zn_get_u32(states + 4 * i);
        if (d->state[i] < ZN_R32_LOW) return corrupt(in, err, "an initial state is", d->state[i]);
    }
    d->in = cur->at;
    d->in_end = cur->end;
    return ZIPNN_OK;
}

zipnn_status zn_r32_open(struct zn_codec *c, const struct zn_coded *in, size_t n, struct zn_r32_decoder **decoder,
                         zipnn_error *err) {
    enum { MIN_BLOCK = 7, MAX_BLOCK = 24, ONE_BLOCK = 31 };
    struct zn_r32_decoder *d = &c->fine->d;
    struct zn_cur cur = zn_cur_of(in->data, in->len);
    const unsigned block_log2 = zn_cur_u8(&cur), n_tables = zn_cur_u8(&cur);
    const uint32_t n_escapes = zn_cur_u32(&cur);
    if (n == 0) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R32 stream of no symbols");
    if (!zn_cur_ok(&cur)) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R32 stream of %zu bytes is too short", in->len);
    if (n_tables < 1 || n_tables > ZN_R32_MAX_TABLES) return corrupt(in, err, "number of tables is", n_tables);
    if (n_tables == 1 ? block_log2 != 0 : block_log2 < MIN_BLOCK || block_log2 > MAX_BLOCK)
        return corrupt(in, err, "log2 of the block size is", block_log2);
    if (n_escapes > ZN_MIN(n, ZN_MOST_ESCAPES(c->max_len))) return corrupt(in, err, "number of escapes is", n_escapes);
    ZN_TRY(read_tables(c, &cur, in, n_tables, err));
    *d = (struct zn_r32_decoder){.tables = c->fine->tables, .block_log2 = ONE_BLOCK};
    if (n_tables > 1) {
        d->block_log2 = block_log2;
        ZN_TRY(zn_r16_read_ids(c, 0, &cur, in, ((n - 1) >> block_log2) + 1, n_tables, err));
        d->ids = c->reader[0].ids;
    }
    d->esc = c->reader[0].esc;
    d->esc_end = d->esc + n_escapes;
    if (n_escapes) ZN_TRY(zn_r16_read_nested(c, 0, &cur, in, c->reader[0].esc, n_escapes, err));
    ZN_TRY(read_states(&cur, in, d, err));
    *decoder = d;
    return ZIPNN_OK;
}

zipnn_status zn_r32_finish(const struct zn_r32_decoder *d, uint64_t at, zipnn_error *err) {
    if (d->in != d->in_end || d->esc != d->esc_end)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "R32 stream: %zu bytes and %zu escapes are left over",
                       (size_t)(d->in_end - d->in), (size_t)(d->esc_end - d->esc));
    for (unsigned i = 0; i < ZN_R32_LANES; i++)
        if (d->state[i] != ZN_R32_LOW)
            return zn_fail(err, ZIPNN_E_CORRUPT, at, "R32 stream: lane %u ends in state %u", i, d->state[i]);
    return ZIPNN_OK;
}

zipnn_status zn_r32_ran_out(const struct zn_r32_decoder *d, uint64_t at, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_CORRUPT, at, "R32 stream ran out of words or escapes near symbol %zu", d->pos);
}
