/* R32 in portable C: the definition of the bitstream. */
#include <string.h>

#include "base/bytes.h"
#include "kernels/r16/r16_feed.h"
#include "kernels/r32/r32.h"

/* Entries that fill less than their own bucket share it with entries that have more slots than one bucket. Both are
 * taken in ascending order; a large entry that falls below a bucket shares its own next. The slots that an entry has
 * elsewhere are its last ones. */
void zn_r32_table_build(struct zn_r32_table *t, const uint16_t freq[ZN_R32_ENTRIES]) {
    enum { FULL = ZN_R32_SLOTS / ZN_R32_ENTRIES };
    unsigned rest[ZN_R32_ENTRIES], large = 0;
    for (unsigned i = 0; i < ZN_R32_ENTRIES; i++) {
        rest[i] = t->freq[i] = freq[i];
        t->first[i] = FULL;
        t->other[i] = (uint16_t)i;
        t->off[i] = 0;
        t->other_freq[i] = freq[i];
    }
    for (unsigned i = 0; i < ZN_R32_ENTRIES; i++) {
        for (unsigned small = i; freq[i] < FULL && rest[small] < FULL; small = large) {
            while (rest[large] <= FULL) large++;
            const unsigned had = rest[small];
            rest[large] -= FULL - had;
            t->first[small] = (uint16_t)had;
            t->other[small] = (uint16_t)large;
            t->off[small] = (uint16_t)(rest[large] - had);
            t->other_freq[small] = freq[large];
        }
    }
}

/* Decodes n symbols of one table. A word and a byte for each must be readable, whether they are used or not. */
static void decode_burst(struct zn_r32_decoder *d, const struct zn_r32_table *t, struct zn_r16_cursors *c, uint8_t *out,
                         size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t *state = &d->state[(d->pos + i) % ZN_R32_LANES], rank;
        const unsigned entry = zn_r32_entry(t, *state % ZN_R32_SLOTS, &rank);
        uint32_t x = t->freq[entry] * (*state >> ZN_R32_SLOTS_LOG2) + rank;
        const bool low = x < ZN_R32_LOW, escaped = entry == t->n;
        x = low ? x << 16 | zn_get_u16(c->in) : x;
        c->in += low ? 2 : 0;
        *state = x;
        out[i] = (uint8_t)(t->base + entry + (escaped ? *c->esc : 0));
        c->esc += escaped;
    }
    d->pos += n;
}

bool zn_r32_decode_scalar(struct zn_r32_decoder *d, uint8_t *out, size_t n) {
    const size_t block = (size_t)1 << d->block_log2;
    struct zn_r16_feed in, esc;
    zn_r16_feed_start(&in, d->in, d->in_end);
    zn_r16_feed_start(&esc, d->esc, d->esc_end);
    for (size_t done = 0, len; done < n; done += len) {
        /* To the end of the block, whose table this is. A symbol takes at most one word and one byte. */
        len = ZN_MIN(ZN_MIN(n - done, block - (d->pos & (block - 1))), (size_t)ZN_R16_REACH / 2);
        zn_r16_feed_reach(&in);
        zn_r16_feed_reach(&esc);
        struct zn_r16_cursors c = {in.p, esc.p};
        decode_burst(d, d->tables + (d->ids ? d->ids[d->pos >> d->block_log2] : 0), &c, out + done, len);
        if (!zn_r16_feed_take(&in, c.in) || !zn_r16_feed_take(&esc, c.esc)) return false;
    }
    d->in = d->in_end - in.left;
    d->esc = d->esc_end - esc.left;
    return true;
}
