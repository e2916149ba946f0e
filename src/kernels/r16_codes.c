/* R16 tables: from the model as the format states it to what the loops look up. */
#include <string.h>

#include "kernels/kernels.h"

/* Gives the slots from `first` on to one symbol of rank `rank`. */
static void table_fill(struct zn_r16_table *t, unsigned rank, unsigned first, unsigned freq, uint8_t sym) {
    for (unsigned i = 0; i < freq; i++) {
        t->freq[first + i] = (uint8_t)freq;
        t->bias[first + i] = (uint8_t)i;
        t->sym[first + i] = sym;
        t->rank[first + i] = (uint8_t)rank;
    }
    t->rank_freq[rank] = (uint8_t)freq;
    t->rank_first[rank] = (uint8_t)first;
    t->rank_sym[rank] = sym;
}

void zn_r16_table_build(struct zn_r16_table *table, const struct zn_r16_model *model, uint8_t esc_mark) {
    memset(table, 0, sizeof *table);
    unsigned first = 0;
    for (unsigned r = 0; r < model->n; r++) {
        table_fill(table, r, first, model->freq[r], model->sym[r]);
        first += model->freq[r];
    }
    table_fill(table, model->n, first, model->esc_freq, esc_mark);
}

/* Division of a 16-bit state by freq as a multiplication by 17 bits: with shift = floor(log2 freq) the reciprocal
 *   m = floor((2^(17 + shift) - 1) / freq)   lies in [2^16, 2^17),
 * and (x * m >> 16) >> 1 >> shift is x + (x * (m - 2^16) >> 16), halved and shifted. The halving rounds up, which makes
 * up for m being too small. Exact for every freq and every state: test_r16_codes.c tries them all. */
static void codes_fill(struct zn_r16_codes *c, unsigned class, unsigned first, unsigned freq) {
    unsigned shift = 0;
    while (freq >> (shift + 1)) shift++;
    c->top[class] = (uint16_t)(freq * 1024 - 1);
    c->recip[class] = (uint16_t)((((UINT32_C(1) << (17 + shift)) - 1) / freq) & 0xffff);
    c->shift[class] = (uint16_t)shift;
    c->first[class] = (uint16_t)first;
    c->rest[class] = (uint16_t)(ZN_R16_SLOTS - freq);
}

void zn_r16_codes_build(struct zn_r16_codes *codes, const struct zn_r16_model *model, const uint8_t *class_of) {
    /* Without an escape the classes not listed get numbers that work, though nothing is coded with them. */
    unsigned esc_freq = model->esc_freq ? model->esc_freq : 1;
    for (unsigned c = 0; c < ZN_R16_CLASSES; c++) codes_fill(codes, c, ZN_R16_SLOTS - esc_freq, esc_freq);
    codes->escaped = UINT32_MAX;
    unsigned first = 0;
    for (unsigned r = 0; r < model->n; r++) {
        unsigned c = class_of[model->sym[r]];
        codes_fill(codes, c, first, model->freq[r]);
        codes->escaped &= ~(UINT32_C(1) << c);
        first += model->freq[r];
    }
}
