#include "chunk/joint.h"

#include "chunk/layout.h"
#include "codec/bits.h"
#include "codec/cost.h"
#include "codec/r16_fit.h"

/* body = kind | layout | head | flags | inner | bits | base | edges | records | planes, the symbols' last. */
enum {
    HEAD = ZN_CHUNK_LEN + 3,
    BITS = 1,        /* of mantissa in a symbol: the only number there is */
    MAX_BASE = 128,  /* an exponent of at most 127 is added to it */
    PIECE = 4096,    /* elements decoded at a time where no kernel does all */
    LEAST = 42 << 10 /* bytes of a body worth taking a check along: chunk_decode.c */
};

static bool is_inner(unsigned inner) {
    return zn_layout_is_of_floats(inner);
}

static enum zn_joint joint_of(unsigned inner) {
    return zn_joint_of_shape(zn_layouts[inner].shape);
}

unsigned zn_joint_planes(unsigned inner) {
    return is_inner(inner) ? zn_joint_info(joint_of(inner)).n_raw + 1u : 0;
}

unsigned zn_joint_bits(unsigned inner, unsigned p) {
    const struct zn_joint_info info = zn_joint_info(joint_of(inner));
    if (p == info.n_raw)
        return inner == ZN_LAYOUT_F16 ? 6 : 9; /* the exponent's top bit with it, which is not stored */
    return p == info.packed ? info.bits : 8;
}

/* ---- decoding ---- */

struct joint {
    enum zn_joint kind;
    struct zn_joint_info info;
    unsigned base;
    uint32_t head, tail;
    size_t n;
    const uint8_t *edges;
    const uint8_t *raw[3];
    struct zn_coded symbols;
};

static zipnn_status read_head(const struct zn_chunk_body *body, uint32_t orig_len, struct zn_cur *cur, struct joint *j,
                              zipnn_error *err) {
    const uint8_t kind = zn_cur_u8(cur);
    zn_cur_u8(cur);
    j->head = zn_cur_u8(cur);
    const uint8_t flags = zn_cur_u8(cur), inner = zn_cur_u8(cur), bits = zn_cur_u8(cur);
    j->base = zn_cur_u8(cur);
    if (!zn_cur_ok(cur)) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "chunk of %zu bytes is too short", body->len);
    if (kind != ZN_KIND_CHUNK || flags || !is_inner(inner) || bits != BITS)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, body->at,
                       "kind %u, flags 0x%02x, floats of layout %u in symbols with %u bits of mantissa: not supported",
                       kind, flags, inner, bits);
    j->kind = joint_of(inner);
    j->info = zn_joint_info(j->kind);
    if (j->base > (inner == ZN_LAYOUT_F16 ? 0 : MAX_BASE))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "exponents of layout %u count from %u", inner, j->base);
    if (j->head >= j->info.width || j->head > orig_len)
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at + 2, "%u bytes before the first element of %u bytes", j->head,
                       j->info.width);
    j->tail = (orig_len - j->head) % j->info.width;
    j->n = (orig_len - j->head) / j->info.width;
    j->edges = zn_cur_take(cur, j->head + j->tail);
    return ZIPNN_OK;
}

/* The numbers of a packed plane, whose unused bits are 0. */
static zipnn_status read_packed(struct joint *j, const struct zn_coded *in, zipnn_error *err) {
    const uint8_t mask = (uint8_t)((1u << j->info.bits) - 1);
    const size_t len = zn_joint_raw_len(j->kind, j->info.packed, j->n);
    if (in->len != ZN_BITS_HEAD + len || in->data[0] != mask || in->data[1] != 0)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "plane of %u bits an element has %zu bytes for %zu elements",
                       j->info.bits, in->len, j->n);
    j->raw[j->info.packed] = in->data + ZN_BITS_HEAD;
    const unsigned used = (unsigned)(j->n % 8 * j->info.bits % 8);
    if (used && in->data[in->len - 1] >> used)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "the unused bits of a packed plane are not 0");
    return ZIPNN_OK;
}

static zipnn_status read_plane(struct joint *j, unsigned p, const struct zn_coded *in, zipnn_error *err) {
    const uint8_t codec = p == j->info.n_raw ? ZN_CODEC_R16 : p == j->info.packed ? ZN_CODEC_BITS : ZN_CODEC_RAW;
    if (in->codec != codec)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, in->at, "codec %u in plane %u of joint symbols is not supported",
                       in->codec, p);
    if (p == j->info.packed) return read_packed(j, in, err);
    if (p < j->info.n_raw && in->len != j->n)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "raw stream has %zu bytes for %zu", in->len, j->n);
    if (p < j->info.n_raw)
        j->raw[p] = in->data;
    else
        j->symbols = *in;
    return ZIPNN_OK;
}

static zipnn_status read_body(const struct zn_chunk_body *body, uint32_t orig_len, struct joint *j, zipnn_error *err) {
    struct zn_cur cur = zn_cur_of(body->data, body->len);
    struct zn_coded coded[4];
    ZN_TRY(read_head(body, orig_len, &cur, j, err));
    for (unsigned p = 0; p <= j->info.n_raw; p++) {
        coded[p].codec = zn_cur_u8(&cur);
        coded[p].len = zn_cur_u32(&cur);
    }
    for (unsigned p = 0; p <= j->info.n_raw; p++) {
        coded[p].data = zn_cur_take(&cur, coded[p].len);
        if (!zn_cur_ok(&cur))
            return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "chunk of %zu bytes ends inside plane %u", body->len, p);
        coded[p].at = body->at + (uint64_t)(coded[p].data - body->data);
    }
    if (zn_cur_left(&cur))
        return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "chunk has %zu bytes past its last plane", zn_cur_left(&cur));
    for (unsigned p = 0; p <= j->info.n_raw; p++) ZN_TRY(read_plane(j, p, &coded[p], err));
    return ZIPNN_OK;
}

/* Adds the base to the exponents that are not 0. */
static void add_base(const struct joint *j, uint8_t *out, size_t n) {
    if (j->info.width == 2) {
        for (size_t i = 0; i < n; i++) {
            const unsigned w = zn_get_u16(out + 2 * i);
            zn_put_u16(out + 2 * i, (uint16_t)(w + (w & 0x7f80 ? j->base << 7 : 0)));
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t w = zn_get_u32(out + 4 * i);
        zn_put_u32(out + 4 * i, w + (w & 0x7f800000 ? (uint32_t)j->base << 23 : 0));
    }
}

static bool within(const uint8_t *symbols, size_t n, uint8_t most) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) all |= symbols[i];
    return all <= most;
}

static bool is_fused(const struct zn_kernels *k, const struct joint *j, const struct zn_r16_reader *r) {
    return k->joint->decode[j->kind] && r->d.lanes_log2 == 7 && j->base == 0 &&
           (j->kind != ZN_JOINT_F16 || zn_r16_highest(r) < 64);
}

/* Elements [from, from + n), from being a multiple of PIECE. */
static zipnn_status decode_part(struct zn_coder *coder, const struct joint *j, struct zn_r16_reader *r, size_t from,
                                size_t n, uint8_t *out, enum zn_store store, zipnn_error *err) {
    const struct zn_joint_kernels *k = coder->codec.k->joint;
    const uint8_t *raw[3];
    for (unsigned p = 0; p < j->info.n_raw; p++) raw[p] = j->raw[p] + zn_joint_raw_len(j->kind, p, from);
    if (is_fused(coder->codec.k, j, r))
        return k->decode[j->kind](&r->d, raw, out, n, store) ? ZIPNN_OK : zn_r16_ran_out(r, j->symbols.at, err);
    for (size_t done = 0, len; done < n; done += len) {
        const uint8_t *at[3];
        len = ZN_MIN(n - done, (size_t)PIECE);
        for (unsigned p = 0; p < j->info.n_raw; p++) at[p] = raw[p] + zn_joint_raw_len(j->kind, p, done);
        if (!coder->codec.k->r16_decode(&r->d, coder->piece, len)) return zn_r16_ran_out(r, j->symbols.at, err);
        if (j->kind == ZN_JOINT_F16 && !within(coder->piece, len, 63))
            return zn_fail(err, ZIPNN_E_CORRUPT, j->symbols.at, "a joint symbol of fp16 is above 63");
        k->merge[j->kind](at, coder->piece, len, out + done * j->info.width);
        if (j->base) add_base(j, out + done * j->info.width, len);
    }
    return ZIPNN_OK;
}

zipnn_status zn_joint_decode(struct zn_coder *coder, const struct zn_chunk_body *body, uint8_t *out, uint32_t orig_len,
                             enum zn_store store, zipnn_error *err) {
    struct joint j;
    struct zn_r16_reader *r;
    ZN_TRY(read_body(body, orig_len, &j, err));
    if (j.n == 0) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "joint symbols of no elements");
    ZN_TRY(zn_r16_open(&coder->codec, 0, &j.symbols, j.n, &r, err));
    if (is_fused(coder->codec.k, &j, r) && body->check)
        r->d.check = body->check; /* and nothing is fetched, which would be in its way */
    else
        r->d.ahead = zn_ahead_paced(body->ahead, j.n);
    ZN_TRY(decode_part(coder, &j, r, 0, j.n, out + j.head, store, err));
    ZN_TRY(zn_r16_finish(r, j.symbols.at, err));
    if (store == ZN_STORE_STREAM) coder->codec.k->settle();
    if (j.head) memcpy(out, j.edges, j.head);
    if (j.tail) memcpy(out + orig_len - j.tail, j.edges + j.head, j.tail);
    return ZIPNN_OK;
}

bool zn_joint_takes_check(const struct zn_chunk_body *body, uint32_t orig_len) {
    struct joint j;
    return body->len >= LEAST && read_body(body, orig_len, &j, NULL) == ZIPNN_OK && j.base == 0;
}

zipnn_status zn_joint_compare(struct zn_coder *coder, const struct zn_chunk_body *body, const uint8_t *original,
                              uint32_t orig_len, uint8_t *room, bool *same, zipnn_error *err) {
    struct joint j;
    struct zn_r16_reader *r;
    ZN_TRY(read_body(body, orig_len, &j, err));
    if (j.n == 0) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "joint symbols of no elements");
    ZN_TRY(zn_r16_open(&coder->codec, 0, &j.symbols, j.n, &r, err));
    *same =
        memcmp(j.edges, original, j.head) == 0 && memcmp(j.edges + j.head, original + orig_len - j.tail, j.tail) == 0;
    for (size_t done = 0, n; done < j.n; done += n) {
        n = ZN_MIN(j.n - done, (size_t)PIECE);
        ZN_TRY(decode_part(coder, &j, r, done, n, room, ZN_STORE_CACHED, err));
        *same &= memcmp(room, original + j.head + done * j.info.width, n * j.info.width) == 0;
    }
    return zn_r16_finish(r, j.symbols.at, err);
}

/* ---- encoding ---- */

/* Whether joint symbols may take less than exponents and a bit, judged by the counts of a sample: few need an escape
 * since there are more symbols than classes, and the bit is not quite random. */
static bool may_pay(const uint32_t counts[256]) {
    enum { STRANGERS = 256 };
    uint8_t class_of[256], classes[256];
    uint32_t exponents[256] = {0}, total = 0, strangers = 0;
    unsigned n_classes, used = 0;
    zn_r16_choose_classes(counts, ZN_R16_RARE_SHIFT, ZN_MAX_LISTABLE, class_of, classes, &n_classes);
    for (unsigned s = 0; s < 256; s++) {
        total += counts[s];
        exponents[s / 2] += counts[s];
        used += counts[s] != 0;
        strangers += class_of[s] == ZN_R16_CLASSES - 1 ? counts[s] : 0;
    }
    for (unsigned s = 0; s < 128; s++) used -= exponents[s] != 0;
    return strangers <= total / STRANGERS &&
           zn_entropy(counts, 256) + used * ZN_COST_UNSEEN < zn_entropy(exponents, 256) + (uint64_t)total * ZN_COST_ONE;
}

/* The least exponent but 0, and the greatest. */
static void find_range(const struct zn_joint_source *s, unsigned width, unsigned *least, unsigned *most) {
    uint32_t low = UINT32_MAX, high = 0;
    const uint8_t *at = s->src + s->head;
    for (size_t i = 0; i < s->n; i++) {
        const uint32_t e = width == 2 ? zn_get_u16(at + 2 * i) >> 7 & 255 : zn_get_u32(at + 4 * i) >> 23 & 255;
        low = ZN_MIN(low, e - 1); /* 0 becomes the greatest number there is */
        high = ZN_MAX(high, e);
    }
    *least = low == UINT32_MAX ? 1 : low + 1;
    *most = high;
}

/* Copies the words with a base taken off exponents that are not 0. */
static void take_base(const struct zn_joint_source *s, unsigned width, unsigned base, uint8_t *to) {
    const uint8_t *at = s->src + s->head;
    for (size_t i = 0; i < s->n && width == 2; i++) {
        const unsigned w = zn_get_u16(at + 2 * i);
        zn_put_u16(to + 2 * i, (uint16_t)(w - (w & 0x7f80 ? base << 7 : 0)));
    }
    for (size_t i = 0; i < s->n && width == 4; i++) {
        const uint32_t w = zn_get_u32(at + 4 * i);
        zn_put_u32(to + 4 * i, w - (w & 0x7f800000 ? (uint32_t)base << 23 : 0));
    }
}

/* A base that brings all exponents below 128 without one becoming 0; false when there is none. */
static bool find_base(const struct zn_joint_source *s, unsigned width, unsigned *base) {
    unsigned least, most;
    find_range(s, width, &least, &most);
    *base = most > 127 ? most - 127 : 0;
    return *base < least;
}

static void write_head(struct zn_out *out, const struct zn_joint_source *s, const struct zn_joint_info *info,
                       unsigned base) {
    const uint32_t tail = s->len - s->head - (uint32_t)(s->n * info->width);
    zn_out_u8(out, ZN_KIND_CHUNK);
    zn_out_u8(out, ZN_LAYOUT_JOINT);
    zn_out_u8(out, (uint8_t)s->head);
    zn_out_u8(out, 0);
    zn_out_u8(out, s->layout);
    zn_out_u8(out, BITS);
    zn_out_u8(out, (uint8_t)base);
    zn_out_bytes(out, s->src, s->head);
    zn_out_bytes(out, s->src + s->len - tail, tail);
}

/* Answers the length of the body, 0 when there is no room or an exponent is beyond joint symbols. */
static uint32_t write_body(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_joint_source *s,
                           struct zn_words *words, unsigned base, struct zn_out out) {
    const enum zn_joint kind = zn_joint_of_shape(words->shape);
    const struct zn_joint_info info = zn_joint_info(kind);
    uint8_t *raw[3];
    write_head(&out, s, &info, base);
    uint8_t *record = zn_out_room(&out, (info.n_raw + 1) * (size_t)ZN_PLANE_LEN);
    if (!record) return 0;
    for (unsigned p = 0; p < info.n_raw; p++, record += ZN_PLANE_LEN) {
        const size_t len = zn_joint_raw_len(kind, p, s->n), head = p == info.packed ? ZN_BITS_HEAD : 0;
        record[0] = p == info.packed ? ZN_CODEC_BITS : ZN_CODEC_RAW;
        zn_put_u32(record + 1, (uint32_t)(head + len));
        if (head) zn_out_u16(&out, (uint16_t)((1u << info.bits) - 1));
        raw[p] = zn_out_room(&out, len);
        if (!raw[p]) return 0;
    }
    const size_t before = zn_out_len(&out);
    words->raw = raw;
    coder->codec.ahead = zn_ahead_paced(s->ahead, s->n);
    if (!zn_r16_write_words(&coder->codec, effort, words, &out)) return 0;
    record[0] = ZN_CODEC_R16;
    zn_put_u32(record + 1, (uint32_t)(zn_out_len(&out) - before));
    return (uint32_t)zn_out_len(&out);
}

enum { SAMPLED = 1 << 12 }; /* words that tell what joint symbols may take */

static bool sample_may_pay(const struct zn_coder *coder, const struct zn_words *words, uint32_t counts[256]) {
    memset(counts, 0, 256 * sizeof *counts);
    coder->codec.k->joint->sample(zn_joint_of_shape(words->shape), words->at, words->n,
                                  ZN_MAX(words->n / SAMPLED, (size_t)1), counts);
    return may_pay(counts);
}

/* Chooses tables for joint symbols; false when exponents alone are better, for which there are tables then. Where it is
 * a near thing, these get clusters of their own. */
static bool fit(struct zn_coder *coder, const struct zn_effort *effort, const struct zn_joint_source *s,
                const struct zn_words *words, const uint32_t counts[256], size_t *cost) {
    const struct zn_joint_costs costs = zn_r16_fit_joint(&coder->codec, effort, words, counts);
    if (zn_joint_is_clear(&costs)) return true;
    const struct zn_words plain = {.shape = words->shape, .at = s->src + s->head, .n = s->n};
    *cost = zn_r16_fit_words(&coder->codec, effort, &plain, s->exponents->counts);
    if (*cost + s->n / 8 <= costs.joint) return false;
    zn_r16_fit_joint(&coder->codec, effort, words, counts);
    return true;
}

/* With exponents counted from a base: such words are made behind the room for symbols. */
static enum zn_joint_answer encode_based(struct zn_coder *coder, const struct zn_effort *effort,
                                         const struct zn_joint_source *s, struct zn_words *words, struct zn_out out,
                                         size_t *cost, uint32_t *body_len) {
    const unsigned width = zn_layouts[s->layout].width;
    uint8_t *const based = coder->planes + (s->n + ZN_SLACK - 1) / ZN_SLACK * ZN_SLACK;
    uint32_t counts[256];
    unsigned base;
    if (s->layout == ZN_LAYOUT_F16 || !find_base(s, width, &base) || base == 0) return ZN_JOINT_NOTHING;
    take_base(s, width, base, based);
    words->at = based;
    if (!sample_may_pay(coder, words, counts)) return ZN_JOINT_NOTHING;
    if (!fit(coder, effort, s, words, counts, cost)) return ZN_JOINT_FITTED;
    *body_len = write_body(coder, effort, s, words, base, out);
    return *body_len ? ZN_JOINT_WRITTEN : ZN_JOINT_NOTHING;
}

static bool is_beyond(const struct zn_survey *exponents) {
    uint32_t any = 0;
    for (unsigned e = 128; e < 256; e++) any |= exponents->counts[e];
    return any != 0;
}

enum zn_joint_answer zn_joint_encode(struct zn_coder *coder, const struct zn_effort *effort,
                                     const struct zn_joint_source *s, struct zn_out out, size_t *cost,
                                     uint32_t *body_len) {
    struct zn_words words = {
        .shape = zn_layouts[s->layout].shape, .joint = true, .at = s->src + s->head, .n = s->n, .room = coder->planes};
    uint32_t counts[256];
    if (is_beyond(s->exponents)) return encode_based(coder, effort, s, &words, out, cost, body_len);
    if (!sample_may_pay(coder, &words, counts)) return ZN_JOINT_NOTHING;
    if (!fit(coder, effort, s, &words, counts, cost)) return ZN_JOINT_FITTED;
    *body_len = write_body(coder, effort, s, &words, 0, out);
    return *body_len ? ZN_JOINT_WRITTEN : encode_based(coder, effort, s, &words, out, cost, body_len);
}
