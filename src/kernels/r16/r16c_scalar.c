/* R16 given a context, in portable C: r16_scalar.c with the table chosen for each symbol. */
#include <string.h>

#include "base/bytes.h"
#include "kernels/r16/r16.h"
#include "kernels/r16/r16_feed.h"
#include "kernels/r16/r16_one.h"

void zn_r16_contexts_build(struct zn_r16_contexts *contexts, unsigned model) {
    memset(contexts->table_of[model], 0, sizeof contexts->table_of[model]);
    for (unsigned i = 0; i + 1 < contexts->n; i++)
        for (unsigned c = contexts->cuts[model][i]; c < 256; c++) contexts->table_of[model][c]++;
}

bool zn_r16c_decode_scalar(struct zn_r16_decoder *d, const struct zn_r16_contexts *contexts, const uint8_t *context,
                           uint8_t *out, size_t n) {
    const size_t block = (size_t)1 << d->block_log2, lane_mask = ((size_t)1 << d->lanes_log2) - 1;
    const uint8_t esc_mark = d->esc_mark;
    struct zn_r16_feed in, esc;
    zn_r16_feed_start(&in, d->in, d->in_end);
    zn_r16_feed_start(&esc, d->esc, d->esc_end);
    size_t pos = d->pos;
    for (size_t i = 0; i < n;) {
        const size_t end = i + ZN_MIN(ZN_MIN(n - i, block - (pos & (block - 1))), ZN_R16_REACH);
        const unsigned model = d->ids ? d->ids[pos >> d->block_log2] : 0;
        const struct zn_r16_table *tables = d->tables + (size_t)model * contexts->n;
        const uint8_t *table_of = contexts->table_of[model];
        zn_r16_feed_reach(&in);
        zn_r16_feed_reach(&esc);
        struct zn_r16_cursors c = {in.p, esc.p};
        for (; i < end; i++)
            out[i] = (uint8_t)zn_r16_decode_one(tables + table_of[context[i]], ZN_R16_SLOTS_LOG2, esc_mark,
                                                &d->state[pos++ & lane_mask], &c);
        if (!zn_r16_feed_take(&in, c.in) || !zn_r16_feed_take(&esc, c.esc)) return false;
    }
    d->in = d->in_end - in.left;
    d->esc = d->esc_end - esc.left;
    d->pos = pos;
    return true;
}

void zn_r16c_encode_range_scalar(struct zn_r16_encoder *e, const struct zn_r16_contexts *contexts,
                                 const uint8_t *context, const uint8_t *src, size_t from, size_t to) {
    const size_t lane_mask = ((size_t)1 << e->lanes_log2) - 1;
    struct zn_r16_ends ends = {e->out, e->esc};
    for (size_t i = to; i-- > from;) {
        const unsigned model = e->ids ? e->ids[i >> e->block_log2] : 0;
        const struct zn_r16_codes *t = e->tables + (size_t)model * contexts->n + contexts->table_of[model][context[i]];
        zn_r16_encode_one(t, e->class_of[src[i]], src[i], &e->state[i & lane_mask], &ends);
    }
    e->out = ends.out;
    e->esc = ends.esc;
}

void zn_r16c_encode_scalar(struct zn_r16_encoder *e, const struct zn_r16_contexts *contexts, const uint8_t *context,
                           const uint8_t *src, size_t n) {
    zn_r16c_encode_range_scalar(e, contexts, context, src, 0, n);
}
