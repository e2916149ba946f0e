/* R16 tables: from the model as the format states it to what the loops look up. */
#include <string.h>

#include "kernels/kernels.h"

/* The slots of a table being dealt out, 8 at a time: the last step of an entry may reach past its slots, and is
 * overwritten by the next entry. */
struct deal {
    uint8_t freq[ZN_R16W_SLOTS + 8], bias[ZN_R16W_SLOTS + 8], sym[ZN_R16W_SLOTS + 8], rank[ZN_R16W_SLOTS + 8];
    unsigned first;
};

static void fill_8(uint8_t *to, uint8_t value) {
    uint64_t eight = value * UINT64_C(0x0101010101010101);
    memcpy(to, &eight, sizeof eight);
}

static void deal_out(struct deal *d, unsigned rank, unsigned freq, uint8_t sym) {
    static const uint8_t rising[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    uint64_t eight;
    memcpy(&eight, rising, sizeof eight);
    for (unsigned i = 0; i < freq; i += 8) {
        fill_8(d->freq + d->first + i, (uint8_t)freq);
        memcpy(d->bias + d->first + i, &eight, sizeof eight);
        eight += UINT64_C(0x0808080808080808);
        fill_8(d->sym + d->first + i, sym);
        fill_8(d->rank + d->first + i, (uint8_t)rank);
    }
    d->first += freq;
}

static void note_rank(struct zn_r16_table *t, unsigned rank, unsigned first, unsigned freq, uint8_t sym) {
    t->rank_freq[rank] = (uint8_t)freq;
    t->rank_first[rank] = (uint8_t)first;
    t->rank_sym[rank] = sym;
}

void zn_r16_table_build(struct zn_r16_table *table, const struct zn_r16_model *model, unsigned slots_log2,
                        uint8_t esc_mark) {
    const size_t slots = (size_t)1 << slots_log2;
    struct deal d;
    d.first = 0;
    memset(table->rank_freq, 0, sizeof table->rank_freq);
    memset(table->rank_first, 0, sizeof table->rank_first);
    memset(table->rank_sym, 0, sizeof table->rank_sym);
    for (unsigned r = 0; r < model->n; r++) {
        note_rank(table, r, d.first, model->freq[r], model->sym[r]);
        deal_out(&d, r, model->freq[r], model->sym[r]);
    }
    table->last = model->n;
    table->base = model->base;
    note_rank(table, model->n, d.first, model->esc_freq, esc_mark);
    deal_out(&d, model->n, model->esc_freq, esc_mark);
    memcpy(table->freq, d.freq, slots);
    memcpy(table->bias, d.bias, slots);
    memcpy(table->sym, d.sym, slots);
    memcpy(table->rank, d.rank, slots);
}

/* Division of a 16-bit state by freq as a multiplication by 17 bits: with shift = floor(log2 freq) the reciprocal
 *   m = floor((2^(17 + shift) - 1) / freq)   lies in [2^16, 2^17),
 * and (x * m >> 16) >> 1 >> shift is x + (x * (m - 2^16) >> 16), halved and shifted. The halving rounds up, which makes
 * up for m being too small. Exact for every freq and every state: test_r16_codes.c tries them all. */
struct code {
    uint16_t top, recip, shift, first, rest;
};

static struct code code_of(unsigned first, unsigned freq, unsigned slots) {
    const unsigned shift = 31u - (unsigned)__builtin_clz(freq);
    return (struct code){(uint16_t)(freq * (65536 / slots) - 1),
                         (uint16_t)((((UINT32_C(1) << (17 + shift)) - 1) / freq) & 0xffff), (uint16_t)shift,
                         (uint16_t)first, (uint16_t)(slots - freq)};
}

static void codes_set(struct zn_r16_codes *c, unsigned class, struct code code) {
    c->top[class] = code.top;
    c->recip[class] = code.recip;
    c->shift[class] = code.shift;
    c->first[class] = code.first;
    c->rest[class] = code.rest;
}

/* Makes every class an escape. Without an escape the classes get numbers that work, though nothing is coded with them.
 */
static void codes_begin(struct zn_r16_codes *codes, const struct zn_r16_model *model, unsigned slots) {
    const unsigned esc_freq = model->esc_freq ? model->esc_freq : 1;
    const struct code escape = code_of(slots - esc_freq, esc_freq, slots);
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) codes_set(codes, c, escape);
    codes->escaped = UINT32_MAX;
    codes->base = codes->last = 0;
}

void zn_r16_codes_build(struct zn_r16_codes *codes, const struct zn_r16_model *model, const uint8_t *class_of) {
    codes_begin(codes, model, ZN_R16_SLOTS);
    unsigned first = 0;
    for (unsigned r = 0; r < model->n; r++) {
        const unsigned c = class_of[model->sym[r]];
        codes_set(codes, c, code_of(first, model->freq[r], ZN_R16_SLOTS));
        codes->escaped &= ~(UINT32_C(1) << c);
        first += model->freq[r];
    }
}

void zn_r16w_codes_build(struct zn_r16_codes *codes, const struct zn_r16_model *model) {
    codes_begin(codes, model, ZN_R16W_SLOTS);
    codes->base = model->base;
    codes->last = model->n;
    unsigned first = 0;
    for (unsigned r = 0; r < model->n; r++) {
        codes_set(codes, r, code_of(first, model->freq[r], ZN_R16W_SLOTS));
        codes->escaped &= ~(UINT32_C(1) << r);
        first += model->freq[r];
    }
}
