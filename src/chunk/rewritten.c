#include "chunk/rewritten.h"

#include "chunk/decoders.h"
#include "chunk/wrapped.h"

/* The parts of a body. */
struct parts {
    unsigned rule;
    uint32_t n_plain, n_marks;
    struct zn_cur marks, plain; /* bodies of chunks */
};

static zipnn_status read_parts(const struct zn_body *b, struct parts *p, zipnn_error *err) {
    struct zn_cur cur = b->rest;
    p->rule = zn_cur_u8(&cur);
    p->n_plain = zn_cur_u32(&cur);
    p->n_marks = zn_cur_u32(&cur);
    const uint32_t marks_len = zn_cur_u32(&cur);
    const uint8_t *marks = zn_cur_take(&cur, marks_len);
    if (!zn_cur_ok(&cur) || b->head) return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "rewritten chunk is too short");
    if (p->rule < ZN_LATIN1 || p->rule > ZN_GATHERED)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, b->at, "chunk rewritten by rule %u is not supported", p->rule);
    const bool fits = p->n_plain <= b->orig_len && (p->rule != ZN_GATHERED || p->n_plain == b->orig_len);
    if (!fits || p->n_plain == 0 || (p->rule == ZN_VARINTS && p->n_plain % 2) ||
        p->n_marks > b->orig_len / ZN_REWRITTEN_MARKS || (p->n_marks == 0 && marks_len > 0))
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "%u bytes and %u marks stand for %u bytes", p->n_plain, p->n_marks,
                       b->orig_len);
    p->marks = zn_cur_of(marks, marks_len);
    p->plain = cur;
    return ZIPNN_OK;
}

/* Turns distances into places. Returns false unless they ascend and stay below `end`. */
static bool add_up(uint8_t *marks, uint32_t n, uint32_t end) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t distance = zn_get_u32(marks + 4 * (size_t)i);
        at += distance;
        if (at >= end || (i > 0 && distance == 0)) return false;
        zn_put_u32(marks + 4 * (size_t)i, (uint32_t)at);
    }
    return true;
}

/* The chunk while it is written. */
struct output {
    uint8_t *at, *end;
};

/* Each returns false when the elements need more room than there is. */
static bool spell_latin1(const uint8_t *p, size_t n, struct output *out) {
    uint8_t *o = out->at;
    size_t i = 0;
    for (; i < n && out->end - o >= 2; i++) {
        const uint8_t b = p[i];
        o[0] = b < 0x80 ? b : (uint8_t)(0xc0 | b >> 6);
        o[1] = 0x80 | (b & 0x3f);
        o += 1 + (b >> 7);
    }
    for (; i < n && o < out->end && p[i] < 0x80; i++) *o++ = p[i];
    out->at = o;
    return i == n;
}

static bool spell_varints(const uint8_t *p, size_t n, struct output *out) {
    uint8_t *o = out->at;
    for (size_t i = 0; i < n; i++) {
        const uint16_t v = zn_get_u16(p + 2 * i);
        const unsigned len = 1u + (v >= 1u << 7) + (v >= 1u << 14);
        if ((size_t)(out->end - o) < len) return false;
        for (unsigned k = 0; k < len; k++) *o++ = (uint8_t)((v >> 7 * k & 0x7f) | (k + 1 < len ? 0x80 : 0));
    }
    out->at = o;
    return true;
}

/* Spells all elements. Those that are marked stand for their low byte. */
static bool spell(const struct parts *p, const uint8_t *plain, const uint8_t *marks, struct output *out) {
    const unsigned width = p->rule == ZN_VARINTS ? 2 : 1;
    const size_t n = p->n_plain / width;
    for (size_t i = 0, m = 0; i < n; m++) {
        const size_t end = m < p->n_marks ? zn_get_u32(marks + 4 * m) : n;
        const uint8_t *at = plain + width * i;
        if (!(width == 2 ? spell_varints(at, end - i, out) : spell_latin1(at, end - i, out))) return false;
        i = end;
        if (i == n) break;
        if (out->at == out->end || (width == 2 && plain[width * i + 1])) return false;
        *out->at++ = plain[width * i++];
    }
    return out->at == out->end;
}

/* Returns how many of the first `end` bytes lie in runs. */
static uint32_t run_bytes(const uint8_t *marks, uint32_t n_marks, uint32_t end) {
    uint32_t sum = 0;
    for (uint32_t m = 0; m < n_marks; m += 2) {
        const uint32_t from = zn_get_u32(marks + 4 * (size_t)m);
        sum += (m + 1 < n_marks ? zn_get_u32(marks + 4 * (size_t)m + 4) : end) - from;
    }
    return sum;
}

/* Puts runs and what lies between them in turn. */
static void scatter(const struct parts *p, const uint8_t *plain, const uint8_t *marks, uint8_t *out) {
    const uint8_t *run = plain, *gap = plain + run_bytes(marks, p->n_marks, p->n_plain);
    uint32_t at = 0;
    for (uint32_t m = 0; m <= p->n_marks; m++) {
        const uint32_t end = m < p->n_marks ? zn_get_u32(marks + 4 * (size_t)m) : p->n_plain;
        const uint8_t **from = m % 2 ? &run : &gap;
        memcpy(out + at, *from, end - at);
        *from += end - at;
        at = end;
    }
}

zipnn_status zn_rewritten_decode(struct zn_coder *coder, const struct zn_body *b, const struct zn_target *to,
                                 zipnn_error *err) {
    struct parts p;
    ZN_TRY(read_parts(b, &p, err));
    uint8_t *plain = zn_scratch_take(&coder->scratch, p.n_plain);
    uint8_t *marks = zn_scratch_take(&coder->scratch, 4 * (size_t)p.n_marks);
    if (p.n_marks) ZN_TRY(zn_inner_decode(coder, b, p.marks, marks, 4 * p.n_marks, err));
    ZN_TRY(zn_inner_decode(coder, b, p.plain, plain, p.n_plain, err));
    if (!add_up(marks, p.n_marks, p.rule == ZN_VARINTS ? p.n_plain / 2 : p.n_plain))
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "the marks of a rewritten chunk do not ascend");
    struct output out = {to->out, to->out + b->orig_len};
    if (p.rule == ZN_GATHERED)
        scatter(&p, plain, marks, out.at);
    else if (!spell(&p, plain, marks, &out))
        return zn_fail(err, ZIPNN_E_CORRUPT, b->at, "rewritten bytes do not make %u bytes", b->orig_len);
    return ZIPNN_OK;
}
