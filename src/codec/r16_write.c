#include "codec/r16_write.h"

#include "codec/codec.h"
#include "codec/r16_fit.h"
#include "codec/r16w_fit.h"

enum {
    HEAD_LEN = 8,
    SOME_LANES = 1 << 10 /* symbols; streams of this length or more have 32 lanes */
};

unsigned zn_r16_lanes_log2_of(size_t n) {
    if (n >= ZN_R16_FULL) return 7;
    if (n >= SOME_LANES) return 5;
    unsigned log2 = 0;
    while (log2 < 3 && n >> (log2 + 6)) log2++;
    return log2;
}

void zn_r16_write_model(struct zn_out *out, uint8_t first, const struct zn_r16_model *m) {
    zn_out_u8(out, first);
    zn_out_u8(out, m->n);
    unsigned bits = 0, n_bits = 0;
    for (unsigned i = 0; i < m->n; i++) {
        bits |= (m->freq[i] - 1u) << n_bits;
        n_bits += 6;
        for (; n_bits >= 8; n_bits -= 8, bits >>= 8) zn_out_u8(out, (uint8_t)bits);
    }
    if (n_bits) zn_out_u8(out, (uint8_t)bits);
}

void zn_r16_write_nested(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *p, size_t n,
                         struct zn_out *out) {
    struct zn_streams stream = zn_streams_begin(out, 1);
    if (!stream.head || zn_out_left(out) < n) {
        out->full = true;
        return;
    }
    struct zn_survey survey;
    zn_stream_survey(c, p, n, &survey);
    zn_streams_end(&stream, out, zn_stream_encode(c, depth + 1, effort, &survey, p, n, out));
}

/* The symbols to encode: n symbols of a plane, or of words. */
struct symbols {
    size_t n;
    const uint8_t *plane;
    const struct zn_words *words;
    bool wide; /* by R16W */
};

/* Encodes joint symbols. Returns false when they cannot express the exponent of a word. */
static bool run_joint(const struct zn_kernels *k, struct zn_r16_encoder *e, const struct zn_words *words) {
    const enum zn_joint joint = zn_joint_of_shape(words->shape, words->joint);
    if (k->joint->encode[joint]) return k->joint->encode[joint](e, words->at, words->raw, words->n);
    if (!k->joint->split[joint](words->at, words->n, words->raw, words->room)) return false;
    k->r16_encode(e, words->room, words->n);
    return true;
}

static bool run_kernel(const struct zn_kernels *k, struct zn_r16_encoder *e, const struct symbols *s) {
    if (s->words && s->words->joint) return run_joint(k, e, s->words);
    if (!s->words)
        k->r16_encode(e, s->plane, s->n);
    else if (s->words->shape == ZN_SHAPE_16R)
        k->r16_encode_16r(e, s->words->at, s->words->raw, s->n);
    else if (s->words->shape == ZN_SHAPE_F16)
        k->r16_encode_f16(e, s->words->at, s->words->raw, s->n);
    else
        k->r16_encode_32r(e, s->words->at, s->words->raw, s->n);
    return true;
}

static void build_codes(const struct zn_codec *c, unsigned depth, bool wide, struct zn_r16_codes *codes) {
    const struct zn_r16_fit *fit = c->fit[depth];
    for (unsigned t = 0; t < fit->n_tables; t++) {
        if (wide)
            zn_r16w_codes_build(&codes[t], &c->wide[depth]->models[t]);
        else
            zn_r16_codes_build(&codes[t], &fit->models[t], fit->class_of);
    }
}

static bool encode(struct zn_codec *c, unsigned depth, const struct symbols *s, struct zn_r16_encoder *e) {
    struct zn_r16_codes codes[ZN_R16_MAX_TABLES];
    const struct zn_r16_fit *fit = c->fit[depth];
    build_codes(c, depth, s->wide, codes);
    e->slots_log2 = s->wide ? ZN_R16W_SLOTS_LOG2 : ZN_R16_SLOTS_LOG2;
    for (unsigned i = 0; i < ZN_R16_LANES; i++) e->state[i] = ZN_R16_LOW;
    memcpy(e->class_of, fit->class_of, sizeof e->class_of);
    e->tables = codes;
    e->ids = fit->n_tables > 1 ? fit->ids : NULL;
    e->block_log2 = fit->block_log2;
    e->out = c->renorm[depth] + s->n + 2 * ZN_SLACK;
    e->esc = c->escapes[depth] + s->n + 2 * ZN_SLACK;
    e->ahead = c->ahead;
    c->ahead = (struct zn_ahead){0};
    const bool fits = run_kernel(c->k, e, s);
    e->tables = NULL;
    return fits;
}

static void write_tables(const struct zn_r16_fit *fit, struct zn_out *out) {
    zn_out_bytes(out, fit->classes, fit->n_classes);
    for (unsigned t = 0; t < fit->n_tables; t++) zn_r16_write_model(out, fit->first[t], &fit->models[t]);
}

/* The tables of R16W: which symbols each lists, and then the frequencies of all tables. */
static void write_wide_tables(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, struct zn_out *out) {
    const struct zn_r16w_fit *fit = c->wide[depth];
    uint8_t freqs[ZN_R16_MAX_TABLES * ZN_R16W_MAX_LISTED];
    size_t n = 0;
    for (unsigned t = 0; t < c->fit[depth]->n_tables; t++) {
        const struct zn_r16_model *m = &fit->models[t];
        zn_out_u8(out, m->base);
        zn_out_u8(out, m->n);
        for (unsigned i = 0; i < m->n; i++) freqs[n++] = (uint8_t)(m->freq[i] - 1);
    }
    if (n) zn_r16_write_nested(c, depth, effort, freqs, n, out);
}

/* Appends the escapes of a plane coded by R16W. They are many, and of many symbols, so that R16W suits them, too. */
static bool write_wide_escapes(struct zn_codec *c, const struct zn_effort *effort, const uint8_t *esc, size_t n,
                               struct zn_out *out) {
    enum { FEW = 1 << 10 };
    struct zn_streams stream = zn_streams_begin(out, 1);
    uint32_t counts[256] = {0};
    c->k->byte_hist(esc, n, 1, counts);
    if (n < FEW || !stream.head ||
        zn_r16w_fit(c, 1, effort, esc, n, counts) >= zn_r16_fit(c, 1, effort, esc, n, counts) ||
        !zn_r16w_write(c, 1, effort, esc, n, out))
        return false;
    zn_streams_end(&stream, out, ZN_CODEC_R16W);
    return true;
}

/* Appends the escapes. */
static void write_escapes(struct zn_codec *c, unsigned depth, bool wide, const struct zn_effort *effort,
                          const uint8_t *esc, size_t n, struct zn_out *out) {
    struct zn_out o = *out;
    if (depth == 0 && wide && write_wide_escapes(c, effort, esc, n, &o))
        *out = o;
    else
        zn_r16_write_nested(c, depth, effort, esc, n, out);
}

static bool write(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const struct symbols *s,
                  struct zn_out *out) {
    const size_t n = s->n;
    const struct zn_r16_fit *fit = c->fit[depth];
    struct zn_r16_encoder e;
    struct zn_out o = zn_out_of(out->at, ZN_MIN(zn_out_left(out), n - 1));
    e.lanes_log2 = zn_r16_lanes_log2_of(n);
    if (!encode(c, depth, s, &e)) return false;
    size_t n_renorm = (size_t)(c->renorm[depth] + n + 2 * ZN_SLACK - e.out);
    size_t n_escapes = (size_t)(c->escapes[depth] + n + 2 * ZN_SLACK - e.esc);

    zn_out_u8(&o, (uint8_t)e.lanes_log2);
    zn_out_u8(&o, (uint8_t)(fit->n_tables > 1 ? fit->block_log2 : 0));
    zn_out_u8(&o, (uint8_t)fit->n_tables);
    if (!s->wide) zn_out_u8(&o, (uint8_t)fit->n_classes);
    zn_out_u32(&o, (uint32_t)n_escapes);
    if (s->wide)
        write_wide_tables(c, depth, effort, &o);
    else
        write_tables(fit, &o);
    if (fit->n_tables > 1) zn_r16_write_nested(c, depth, effort, fit->ids, fit->n_blocks, &o);
    if (n_escapes) write_escapes(c, depth, s->wide, effort, e.esc, n_escapes, &o);
    for (unsigned i = 0; i < 1u << e.lanes_log2; i++) zn_out_u16(&o, e.state[i]);
    zn_out_bytes(&o, e.out, n_renorm);
    if (o.full) return false;
    out->at = o.at;
    return true;
}

bool zn_r16_write(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                  struct zn_out *out) {
    return write(c, depth, effort, &(struct symbols){n, plane, NULL, false}, out);
}

bool zn_r16_write_words(struct zn_codec *c, const struct zn_effort *effort, const struct zn_words *words,
                        struct zn_out *out) {
    return write(c, 0, effort, &(struct symbols){words->n, NULL, words, words->joint == 2}, out);
}

bool zn_r16w_write(struct zn_codec *c, unsigned depth, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                   struct zn_out *out) {
    return write(c, depth, effort, &(struct symbols){n, plane, NULL, true}, out);
}
