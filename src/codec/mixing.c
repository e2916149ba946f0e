#include "codec/mixing.h"

#include "codec/mixing_model.h"

/* Head of the stream: u8 width, u8 exponent bits, u8 head, u8 cut, u8 sign, u8 zeros, u32 length of runs, u32 length of
 * code; then head bytes, tail bytes, runs, code, plain bits. */
enum { HEAD_LEN = 14 };

size_t zn_mixing_size(void) {
    return sizeof(struct zn_mixing);
}

void zn_mixing_open(struct zn_mixing *m) {
    m->is_ready = false;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* squash(x) = 2^16 / (1 + e^(-x / 256)), from powers of e^(-1 / 256). */
static void make_squash(struct zn_mix_tables *t) {
    const uint64_t step = 4278222805u; /* 2^32 * e^(-1 / 256) */
    uint64_t power = (uint64_t)1 << 32;
    for (unsigned i = 0; i < 2048; i++, power = power * step >> 32) {
        const uint32_t p = (uint32_t)(((uint64_t)1 << 48) / (((uint64_t)1 << 32) + power));
        t->squash[2048 + i] = (uint16_t)ZN_MIN(p, 65536u - 16);
        t->squash[2048 - i] = (uint16_t)ZN_MAX(65536 - p, 16u);
    }
    t->squash[0] = t->squash[1];
}

/* stretch(p) is the least x for which squash(x) is above p. */
static void make_stretch(struct zn_mix_tables *t) {
    int x = -2047;
    for (unsigned p = 0; p < 4096; p++) {
        while (x < 2047 && t->squash[x + 2048] >> 4 < p) x++;
        t->stretch[p] = (int16_t)x;
    }
}

/* pull[i] = 2^((i - 512) / 128) - 1, and stays the same above 2.5 octaves. */
static void make_pull(struct zn_mix_tables *t) {
    const uint64_t step = 2159144272u; /* 2^31 * 2^(1 / 128) */
    const unsigned last = 512 + 320;
    uint64_t power = 1 << 20; /* 2^-4, times 2^24 */
    for (unsigned i = 0; i < 1024; i++) {
        t->pull[i] = (int32_t)(power >> 8) - 65536;
        if (i < last) power = power * step >> 31;
    }
}

void zn_mixing_reset(struct zn_mixing *m) {
    if (!m->is_ready) {
        make_squash(&m->tables);
        make_stretch(&m->tables);
        make_pull(&m->tables);
        for (unsigned n = 0; n < 256; n++) m->tables.reciprocal[n] = (uint16_t)((1u << 15) / (2 * n + 3));
        for (unsigned n = 1; n <= 300; n++) m->tables.share[n] = (uint16_t)((1u << 14) / n);
        m->is_ready = true;
    }
    zn_counter *c = &m->learnt.shape[0][0];
    const size_t n = offsetof(struct zn_mix_learnt, weights) / sizeof *c;
    for (size_t i = 0; i < n; i++) c[i] = 1u << 31;
    for (unsigned node = 0; node < ZN_MIX_NODES; node++)
        for (unsigned i = 0; i < ZN_MIX_INPUTS; i++) m->learnt.weights[node][i] = 3277; /* a fifth of 2^14 */
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

static uint32_t word_at(const uint8_t *p, unsigned width) {
    return width == 1 ? p[0] : width == 2 ? zn_get_u16(p) : zn_get_u32(p);
}

/* Finds what all words have in common. */
static struct zn_mix_format measure(const struct zn_mixing_words *words, const uint8_t *src, size_t n) {
    struct zn_mix_format f = {.width = words->width, .exponent = words->exponent};
    f.mantissa = 8 * f.width - 1 - f.exponent;
    const uint32_t sign = (uint32_t)1 << (8 * f.width - 1);
    uint32_t any = 0, all = UINT32_MAX;
    size_t zeros = 0;
    for (size_t i = 0; i < n; i++, src += f.width) {
        const uint32_t w = word_at(src, f.width);
        any |= w;
        all &= w;
        zeros += (w & ~sign) == 0;
    }
    while (f.cut < f.mantissa && (any >> f.cut & 1) == 0) f.cut++;
    f.sign = !(any & sign) ? ZN_MIX_SIGN_PLUS : all & sign ? ZN_MIX_SIGN_MINUS : ZN_MIX_SIGN_CODED;
    f.has_zeros = zeros > n / 512;
    return f;
}

static void put_number(struct zn_out *out, uint32_t v) {
    for (; v >= 128; v >>= 7) zn_out_u8(out, (uint8_t)(v | 128));
    zn_out_u8(out, (uint8_t)v);
}

static void write_head(struct zn_out *out, const struct zn_mixing_words *words, const struct zn_mix_format *f) {
    const uint8_t head[] = {(uint8_t)f->width, (uint8_t)f->exponent, (uint8_t)words->head,
                            (uint8_t)f->cut,   (uint8_t)f->sign,     f->has_zeros};
    zn_out_bytes(out, head, sizeof head);
}

bool zn_mixing_encode(struct zn_codec *c, const struct zn_mixing_words *words, const uint8_t *src, size_t n,
                      size_t limit, struct zn_out *out) {
    const size_t n_words = (n - words->head) / words->width, body = n_words * words->width;
    const struct zn_mix_format f = measure(words, src + words->head, n_words);
    struct zn_out to = zn_out_of(out->at, ZN_MIN(limit, zn_out_left(out)));
    write_head(&to, words, &f);
    uint8_t *lengths = zn_out_room(&to, 8);
    zn_out_bytes(&to, src, words->head);
    zn_out_bytes(&to, src + words->head + body, n - words->head - body);
    const uint8_t *runs = to.at;
    for (size_t i = 0; i < words->n_runs; i++) {
        const struct zn_mixing_run *run = &words->runs[i];
        const uint32_t numbers[] = {run->n, run->axis[1], run->axis[0], run->phase};
        for (unsigned j = 0; j < 4; j++) put_number(&to, numbers[j]);
    }
    if (to.full) return false;
    const size_t room = ZN_MIN(zn_out_left(&to), c->max_len), runs_len = (size_t)(to.at - runs);
    struct zn_range r;
    zn_range_begin(&r, ZN_ENCODE, (struct zn_range_bytes){c->renorm[0], 0, room},
                   (struct zn_range_bytes){c->escapes[0], 0, room});
    struct zn_cur cur = zn_cur_of(runs, runs_len);
    zn_mixing_reset(c->mixing);
    /* An encoder's walk only reads the words. */
    if (!zn_mixing_walk(c->mixing, &r, &f, &cur, (uint8_t *)(uintptr_t)(src + words->head), n_words)) return false;
    zn_range_flush(&r);
    if (zn_range_is_full(&r) || r.code.at + r.plain.at > zn_out_left(&to)) return false;
    zn_put_u32(lengths, (uint32_t)runs_len);
    zn_put_u32(lengths + 4, (uint32_t)r.code.at);
    zn_out_bytes(&to, r.code.data, r.code.at);
    zn_out_bytes(&to, r.plain.data, r.plain.at);
    out->at = to.at;
    return true;
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

static zipnn_status read_head(struct zn_cur *cur, uint64_t at, struct zn_mix_format *f, unsigned *head,
                              zipnn_error *err) {
    f->width = zn_cur_u8(cur);
    f->exponent = zn_cur_u8(cur);
    *head = zn_cur_u8(cur);
    f->cut = zn_cur_u8(cur);
    f->sign = zn_cur_u8(cur);
    const uint8_t zeros = zn_cur_u8(cur);
    if (f->width != 1 && f->width != 2 && f->width != 4)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "mixed words of %u bytes", f->width);
    if (f->exponent < ZN_MIXING_MIN_EXPONENT ||
        f->exponent > ZN_MIN(8 * f->width - 1, (unsigned)ZN_MIXING_MAX_EXPONENT))
        return zn_fail(err, ZIPNN_E_CORRUPT, at + 1, "mixed words of %u bytes with %u bits of exponent", f->width,
                       f->exponent);
    f->mantissa = 8 * f->width - 1 - f->exponent;
    f->has_zeros = zeros;
    if (*head >= f->width || f->cut > f->mantissa || f->sign == 1 || f->sign > ZN_MIX_SIGN_MINUS || zeros > 1)
        return zn_fail(err, ZIPNN_E_CORRUPT, at + 2, "mixed words: head %u, cut %u, sign %u, zeros %u", *head, f->cut,
                       f->sign, zeros);
    return ZIPNN_OK;
}

zipnn_status zn_mixing_decode(struct zn_codec *c, const struct zn_coded *in, uint8_t *out, size_t n, zipnn_error *err) {
    struct zn_cur cur = zn_cur_of(in->data, in->len);
    struct zn_mix_format f;
    unsigned head;
    ZN_TRY(read_head(&cur, in->at, &f, &head, err));
    const uint32_t runs_len = zn_cur_u32(&cur), code_len = zn_cur_u32(&cur);
    if (head > n) return zn_fail(err, ZIPNN_E_CORRUPT, in->at + 2, "mixed words begin after all %zu bytes", n);
    const size_t n_words = (n - head) / f.width, tail = (n - head) % f.width;
    const uint8_t *edges = zn_cur_take(&cur, head + tail);
    const uint8_t *runs_at = zn_cur_take(&cur, runs_len), *code = zn_cur_take(&cur, code_len);
    if (!zn_cur_ok(&cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "mixed words of %zu bytes are cut short", in->len);
    const size_t plain_len = zn_cur_left(&cur);
    const uint8_t *plain = zn_cur_take(&cur, plain_len);
    struct zn_range r; /* a decoder only reads its bytes */
    zn_range_begin(&r, ZN_DECODE, (struct zn_range_bytes){(uint8_t *)(uintptr_t)code, 0, code_len},
                   (struct zn_range_bytes){(uint8_t *)(uintptr_t)plain, 0, plain_len});
    struct zn_cur runs = zn_cur_of(runs_at, runs_len);
    enum { RESET = 1 << 10 }; /* a reset takes as long as coding this many bytes */
    c->slow += RESET + n;
    zn_mixing_reset(c->mixing);
    if (!zn_mixing_walk(c->mixing, &r, &f, &runs, out + head, n_words))
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "mixed words: their runs are malformed");
    if (!zn_range_is_spent(&r))
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "mixed words end before or after their code does");
    if (head) memcpy(out, edges, head);
    if (tail) memcpy(out + n - tail, edges + head, tail);
    return ZIPNN_OK;
}
