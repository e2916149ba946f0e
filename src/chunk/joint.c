#include "chunk/joint.h"

#include "chunk/columns.h"
#include "chunk/decoders.h"
#include "chunk/layout.h"
#include "codec/bits.h"
#include "codec/cost.h"
#include "codec/r16_fit.h"
#include "codec/r32_stream.h"

static enum zn_joint joint_of(unsigned inner, unsigned bits) {
    return zn_joint_of_shape(zn_layout_shape(inner), bits);
}

/* Returns what the kernels add to an exponent that is not 0. */
static unsigned usual_base(enum zn_joint kind) {
    return zn_joint_is_wide(kind) ? ZN_JOINT2_BASE : 0;
}

static enum zn_codec_id codec_of(enum zn_joint kind) {
    return zn_joint_is_wide(kind) ? ZN_CODEC_R16W : ZN_CODEC_R16;
}

/* ---- decoding ---- */

struct joint {
    const struct zn_body *body;
    enum zn_joint kind;
    struct zn_joint_info info;
    const uint8_t *raw[3];
    struct zn_coded symbols;
    const struct zn_kernels *k;
    struct zn_r16_reader *stream; /* of the symbols ... */
    struct zn_r32_decoder *fine;  /* ... or this one, by R32 */
    uint8_t *piece;               /* ZN_PIECE of them */
    struct zn_columns columns;    /* of COLUMNS: what their columns foretell */
};

/* Checks the head and the length of a packed plane, and that its unused bits are 0. */
static zipnn_status read_packed(struct joint *j, const struct zn_coded *in, zipnn_error *err) {
    const uint8_t mask = (uint8_t)((1u << j->info.bits) - 1);
    const size_t len = zn_joint_raw_len(j->kind, j->info.packed, j->body->n);
    if (in->len != ZN_BITS_HEAD + len || in->data[0] != mask || in->data[1] != 0)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "plane of %u bits an element has %zu bytes for %zu elements",
                       j->info.bits, in->len, j->body->n);
    j->raw[j->info.packed] = in->data + ZN_BITS_HEAD;
    const unsigned used = (unsigned)(j->body->n % 8 * j->info.bits % 8);
    if (used && in->data[in->len - 1] >> used)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "the unused bits of a packed plane are not 0");
    return ZIPNN_OK;
}

static zipnn_status check_codec(const struct joint *j, unsigned p, const struct zn_coded *in, zipnn_error *err) {
    if (j->body->layout == ZN_LAYOUT_COLUMNS && p < j->info.n_raw) return ZIPNN_OK;
    if (p == j->info.n_raw && in->codec == ZN_CODEC_R32 && zn_joint_is_wide(j->kind)) return ZIPNN_OK;
    const unsigned codec = p == j->info.n_raw ? codec_of(j->kind) : p == j->info.packed ? ZN_CODEC_BITS : ZN_CODEC_RAW;
    if (in->codec != codec)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, in->at, "codec %u in plane %u of joint symbols is not supported",
                       in->codec, p);
    return ZIPNN_OK;
}

/* Reads a plane of COLUMNS below the symbols. Any codec may code it; usual planes need no work. */
static zipnn_status read_any(struct zn_coder *coder, struct joint *j, unsigned p, const struct zn_coded *in,
                             zipnn_error *err) {
    const unsigned bits = p == j->info.packed ? j->info.bits : 8;
    if (bits < 8 && in->codec == ZN_CODEC_BITS && in->len > 0 && in->data[0] == (1u << bits) - 1)
        return read_packed(j, in, err);
    return zn_columns_plane(coder, in, j->body->n, bits, &j->raw[p], err);
}

static zipnn_status read_plane(struct zn_coder *coder, struct joint *j, unsigned p, const struct zn_coded *in,
                               zipnn_error *err) {
    if (j->body->layout == ZN_LAYOUT_COLUMNS && p < j->info.n_raw) return read_any(coder, j, p, in, err);
    if (p == j->info.packed) return read_packed(j, in, err);
    if (p < j->info.n_raw && in->len != j->body->n)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "raw stream has %zu bytes for %zu", in->len, j->body->n);
    if (p < j->info.n_raw)
        j->raw[p] = in->data;
    else
        j->symbols = *in;
    return ZIPNN_OK;
}

static zipnn_status read_planes(struct zn_coder *coder, const struct zn_body *body, struct joint *j, zipnn_error *err) {
    j->body = body;
    j->kind = joint_of(body->inner, body->joint);
    j->info = zn_joint_info(j->kind);
    if (body->n == 0) return zn_fail(err, ZIPNN_E_CORRUPT, body->at, "joint symbols of no elements");
    for (unsigned p = 0; p < body->n_planes; p++) ZN_TRY(check_codec(j, p, &body->plane[p], err));
    for (unsigned p = 0; p < body->n_planes; p++) ZN_TRY(read_plane(coder, j, p, &body->plane[p], err));
    return ZIPNN_OK;
}

static bool within(const uint8_t *symbols, size_t n, uint8_t most) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) all |= symbols[i];
    return all <= most;
}

static bool is_fused(const struct joint *j) {
    return !j->fine && j->k->joint->decode[j->kind] && !j->columns.mean && j->stream->d.lanes_log2 == 7 &&
           j->body->base == usual_base(j->kind) && (j->kind != ZN_JOINT_F16 || zn_r16_highest(j->stream) < 64);
}

static zipnn_status ran_out(const struct joint *j, zipnn_error *err) {
    return j->fine ? zn_r32_ran_out(j->fine, j->symbols.at, err) : zn_r16_ran_out(j->stream, j->symbols.at, err);
}

static zipnn_status finish(const struct joint *j, zipnn_error *err) {
    return j->fine ? zn_r32_finish(j->fine, j->symbols.at, err) : zn_r16_finish(j->stream, j->symbols.at, err);
}

/* Decodes the next n symbols. */
static bool decode_symbols(struct joint *j, size_t n) {
    return j->fine ? j->k->r32_decode(j->fine, j->piece, n) : j->k->r16_decode(&j->stream->d, j->piece, n);
}

/* Decodes the elements [from, from + n). `from` is a multiple of ZN_PIECE. */
static zipnn_status decode_part(struct joint *j, size_t from, size_t n, uint8_t *out, enum zn_store store,
                                zipnn_error *err) {
    const struct zn_joint_kernels *k = j->k->joint;
    uint8_t *const piece = j->piece;
    const uint8_t *raw[3];
    for (unsigned p = 0; p < j->info.n_raw; p++) raw[p] = j->raw[p] + zn_joint_raw_len(j->kind, p, from);
    if (is_fused(j)) return k->decode[j->kind](&j->stream->d, raw, out, n, store) ? ZIPNN_OK : ran_out(j, err);
    for (size_t done = 0, len; done < n; done += len) {
        const uint8_t *at[3];
        len = ZN_MIN(n - done, (size_t)ZN_PIECE);
        for (unsigned p = 0; p < j->info.n_raw; p++) at[p] = raw[p] + zn_joint_raw_len(j->kind, p, done);
        if (!decode_symbols(j, len)) return ran_out(j, err);
        if (j->kind == ZN_JOINT_F16 && !within(piece, len, 63))
            return zn_fail(err, ZIPNN_E_CORRUPT, j->symbols.at, "a joint symbol of fp16 is above 63");
        if (j->columns.mean) zn_columns_add(&j->columns, k, piece, len);
        k->merge[j->kind](at, piece, len, out + done * j->info.width);
        const int more = (int)j->body->base - (int)usual_base(j->kind); /* the kernels have added the usual base */
        if (more != 0) k->add_base(j->info.width, out + done * j->info.width, len, more);
    }
    return ZIPNN_OK;
}

/* Prepares a body for decoding its first symbol. */
static zipnn_status begin(struct zn_coder *coder, const struct zn_body *body, struct joint *j, zipnn_error *err) {
    j->k = coder->codec.k;
    j->piece = zn_scratch_take(&coder->scratch, ZN_PIECE);
    j->columns = (struct zn_columns){.mean = NULL};
    ZN_TRY(read_planes(coder, body, j, err));
    if (body->layout == ZN_LAYOUT_COLUMNS) {
        uint16_t *mean = zn_scratch_take(&coder->scratch, ZN_MIN(body->columns.stride, body->n) * sizeof *mean);
        j->columns = zn_columns_begin(&body->columns, body->n, mean);
    }
    j->fine = NULL;
    if (j->symbols.codec == ZN_CODEC_R32) return zn_r32_open(&coder->codec, &j->symbols, body->n, &j->fine, err);
    return zn_r16_open(&coder->codec, 0, &j->symbols, body->n, &j->stream, err);
}

bool zn_joint_is_usual(const struct zn_body *body) {
    return body->layout == ZN_LAYOUT_JOINT && body->base == usual_base(joint_of(body->inner, body->joint));
}

zipnn_status zn_joint_decode(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                             zipnn_error *err) {
    struct joint j;
    ZN_TRY(begin(coder, body, &j, err));
    if (is_fused(&j) && to->check)
        j.stream->d.check = to->check; /* with a check, nothing is prefetched: the two would slow each other down */
    else if (!j.fine)
        j.stream->d.ahead = zn_ahead_paced(to->ahead, body->n);
    ZN_TRY(decode_part(&j, 0, body->n, to->out + body->head, to->store, err));
    return finish(&j, err);
}

zipnn_status zn_joint_compare(struct zn_coder *coder, const struct zn_body *body, const struct zn_comparison *with,
                              bool *done, zipnn_error *err) {
    struct joint j;
    ZN_TRY(begin(coder, body, &j, err));
    *done = *with->same = true;
    for (size_t i = 0, n; i < body->n; i += n) {
        n = ZN_MIN(body->n - i, (size_t)ZN_PIECE);
        ZN_TRY(decode_part(&j, i, n, with->room, ZN_STORE_CACHED, err));
        *with->same &= memcmp(with->room, with->original + body->head + i * body->width, n * body->width) == 0;
    }
    return finish(&j, err);
}

/* ---- encoding ---- */

/* Returns whether joint symbols may take less than exponents and a stored bit, by the counts of a sample. Few symbols
 * may need an escape, since there are more symbols than classes, and the bit must not be quite random. */
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

/* Copies the words, and subtracts `off` from every exponent that is not 0. The result stays within the exponent. */
static void take_base(const struct zn_joint_source *s, unsigned width, unsigned off, uint8_t *to) {
    memcpy(to, s->e->src + s->cut->head, s->cut->n * width);
    s->e->coder->codec.k->joint->add_base(width, to, s->cut->n, -(int)off);
}

/* Finds a base that brings all exponents into the range of the symbols and makes none of them 0: the usual one if it
 * does, or the least. Returns false when there is none. */
static bool find_base(const struct zn_joint_source *s, enum zn_joint kind, unsigned *base) {
    const unsigned range = zn_joint_is_wide(kind) ? 63 : 127;
    unsigned least, most;
    s->e->coder->codec.k->joint->range(s->cut->width, s->e->src + s->cut->head, s->cut->n, &least, &most);
    *base = usual_base(kind);
    if (most <= *base + range && *base < least) return true;
    *base = most > range ? most - range : 0;
    return *base < least;
}

enum zn_codec_id zn_joint_finer(struct zn_coder *coder, const struct zn_effort *effort, const uint8_t *symbols,
                                size_t n, uint8_t *coded, struct zn_out *out) {
    const size_t len = (size_t)(out->at - coded);
    if (effort->level < ZIPNN_LEVEL_FINE) return ZN_CODEC_R16W;
    uint8_t *rival = zn_scratch_take(&coder->scratch, len);
    struct zn_out finer = zn_out_of(rival, len);
    if (!zn_r32_write(&coder->codec, effort, symbols, n, &finer) || zn_out_len(&finer) == len) return ZN_CODEC_R16W;
    memcpy(coded, rival, zn_out_len(&finer));
    out->at = coded + zn_out_len(&finer);
    return ZN_CODEC_R32;
}

/* Codes the symbols by R32, too, where the level allows that much time. Where they take less, they replace those at `coded`,
 * which end at *out. Returns the codec. */
static enum zn_codec_id write_finer(const struct zn_joint_source *s, const struct zn_words *words, uint8_t *coded,
                                    struct zn_out *out) {
    struct zn_coder *coder = s->e->coder;
    if (s->e->effort->level < ZIPNN_LEVEL_FINE) return ZN_CODEC_R16W;
    uint8_t *symbols = zn_scratch_take(&coder->scratch, words->n);
    coder->codec.k->joint->symbols(zn_joint_of_shape(words->shape, 2), words->at, words->n, symbols);
    return zn_joint_finer(coder, s->e->effort, symbols, words->n, coded, out);
}

/* Returns the length of the body; 0 when it does not fit, or when joint symbols cannot express an exponent. */
static uint32_t write_body(const struct zn_joint_source *s, struct zn_words *words, unsigned base, struct zn_out out) {
    const enum zn_joint kind = zn_joint_of_shape(words->shape, words->joint);
    const struct zn_joint_info info = zn_joint_info(kind);
    struct zn_body body = {.layout = ZN_LAYOUT_JOINT,
                           .head = s->cut->head,
                           .inner = (uint8_t)s->cut->layout,
                           .joint = (uint8_t)words->joint,
                           .base = (uint8_t)base};
    struct zn_codec *codec = &s->e->coder->codec;
    uint8_t *raw[3];
    body.orig_len = s->e->len;
    zn_body_measure(&body);
    struct zn_streams planes = zn_body_begin(&out, &body, s->e->src);
    for (unsigned p = 0; p < info.n_raw; p++) {
        if (p == info.packed) zn_out_u16(&out, (uint16_t)((1u << info.bits) - 1));
        raw[p] = zn_out_room(&out, zn_joint_raw_len(kind, p, s->cut->n));
        if (!raw[p]) return 0;
        zn_streams_end(&planes, &out, p == info.packed ? ZN_CODEC_BITS : ZN_CODEC_RAW);
    }
    words->raw = raw;
    codec->ahead = zn_ahead_paced(s->e->hint.ahead, s->cut->n);
    uint8_t *const coded = out.at;
    if (!zn_r16_write_words(codec, s->e->effort, words, &out)) return 0;
    zn_streams_end(&planes, &out, zn_joint_is_wide(kind) ? write_finer(s, words, coded, &out) : codec_of(kind));
    return (uint32_t)zn_out_len(&out);
}

enum { SAMPLED = 1 << 12 }; /* words whose counts show what joint symbols may take */

static bool sample_may_pay(const struct zn_coder *coder, const struct zn_words *words, uint32_t counts[256]) {
    memset(counts, 0, 256 * sizeof *counts);
    coder->codec.k->joint->sample(zn_joint_of_shape(words->shape, 1), words->at, words->n,
                                  zn_sample_step(words->n, SAMPLED), counts);
    return may_pay(counts);
}

/* Fits tables to joint symbols. Returns false when exponents alone are better; the tables are then fitted to those. In
 * a close case the joint symbols are fitted again, with clusters of their own. */
static bool fit(const struct zn_joint_source *s, const struct zn_words *words, const uint32_t counts[256],
                size_t *cost) {
    struct zn_codec *codec = &s->e->coder->codec;
    const struct zn_effort *effort = s->e->effort;
    const struct zn_joint_costs costs = zn_r16_fit_joint(codec, effort, words, counts);
    *cost = costs.joint;
    if (zn_joint_is_clear(&costs)) return true;
    const struct zn_words plain = {.shape = words->shape, .at = s->e->src + s->cut->head, .n = s->cut->n};
    *cost = zn_r16_fit_words(codec, effort, &plain, s->exponents->counts);
    if (*cost + s->cut->n / 8 <= costs.joint) return false;
    *cost = zn_r16_fit_joint(codec, effort, words, counts).joint;
    return true;
}

/* Estimates whether the symbols, of about `cost` bytes, and the planes below fit. When another body must be beaten,
 * most bodies that are too long are given up here, before they are written. */
static bool has_room(const struct zn_out *out, const struct zn_joint_source *s, size_t cost) {
    enum { DOUBT = 128 };
    const enum zn_joint kind = joint_of(s->cut->layout, 1);
    size_t len = cost - cost / DOUBT;
    for (unsigned p = 0; p < zn_joint_info(kind).n_raw; p++) len += zn_joint_raw_len(kind, p, s->cut->n);
    return len <= zn_out_left(out);
}

/* Encodes a copy of the words whose exponents count from a base. */
static enum zn_joint_answer encode_based(const struct zn_joint_source *s, struct zn_words *words, struct zn_out out,
                                         size_t *cost, uint32_t *body_len) {
    const unsigned width = s->cut->width;
    uint32_t counts[256];
    unsigned base;
    if (s->cut->layout == ZN_LAYOUT_F16 || !find_base(s, joint_of(s->cut->layout, 1), &base) || base == 0)
        return ZN_JOINT_NOTHING;
    uint8_t *based = zn_scratch_take(&s->e->coder->scratch, s->cut->n * width);
    take_base(s, width, base, based);
    words->at = based;
    if (!sample_may_pay(s->e->coder, words, counts)) return ZN_JOINT_NOTHING;
    if (!fit(s, words, counts, cost)) return ZN_JOINT_FITTED;
    *body_len = write_body(s, words, base, out);
    return *body_len ? ZN_JOINT_WRITTEN : ZN_JOINT_NOTHING;
}

static bool is_beyond(const struct zn_survey *exponents) {
    uint32_t any = 0;
    for (unsigned e = 128; e < 256; e++) any |= exponents->counts[e];
    return any != 0;
}

static enum zn_joint_answer encode(const struct zn_joint_source *s, struct zn_words *words, struct zn_out out,
                                   size_t *cost, uint32_t *body_len) {
    uint32_t counts[256];
    if (is_beyond(s->exponents)) return encode_based(s, words, out, cost, body_len);
    if (!sample_may_pay(s->e->coder, words, counts)) return ZN_JOINT_NOTHING;
    if (!fit(s, words, counts, cost)) return ZN_JOINT_FITTED;
    if (!has_room(&out, s, *cost)) return ZN_JOINT_NOTHING;
    *body_len = write_body(s, words, 0, out);
    return *body_len ? ZN_JOINT_WRITTEN : encode_based(s, words, out, cost, body_len);
}

enum zn_joint_answer zn_joint_encode(const struct zn_joint_source *s, struct zn_out out, size_t *cost,
                                     uint32_t *body_len) {
    struct zn_scratch *scratch = &s->e->coder->scratch;
    const size_t mark = zn_scratch_mark(scratch);
    struct zn_words words = {.shape = zn_layout_shape(s->cut->layout),
                             .joint = 1,
                             .at = s->e->src + s->cut->head,
                             .n = s->cut->n,
                             .room = zn_scratch_take(scratch, s->cut->n)};
    const enum zn_joint_answer answer = encode(s, &words, out, cost, body_len);
    zn_scratch_back(scratch, mark);
    return answer;
}

/* ---- encoding with two bits of the mantissa ---- */

/* Returns whether symbols lose little by frequencies of 1/128, by tables of 31 symbols, and by the rest, and take clearly
 * less than symbols with one bit. Otherwise, and in short chunks, whose estimates are coarse, other ways may be better.
 * TABLES bytes are what any tables take. */
static bool are_clear(const struct zn_joint2_costs *costs, size_t n) {
    enum { LITTLE = 600, TABLES = 150, CLEARLY = 2048, FEWEST = 3 << 15 };
    return n >= FEWEST && costs->two <= costs->ideal + n / LITTLE + TABLES && costs->two + n / CLEARLY <= costs->one;
}

/* Returns how many words at the front of a chunk hold exponents that the usual base does not bring into range, up to the
 * last such word that the head has room for. Text before the first tensor of a file looks so. */
static size_t unusual_front(const struct zn_body *cut, const uint8_t *at) {
    const unsigned width = cut->width;
    size_t front = 0;
    for (size_t i = 0; i < (UINT8_MAX - cut->head) / width; i++) {
        const uint32_t e = width == 2 ? zn_get_u16(at + 2 * i) >> 7 & 255 : zn_get_u32(at + 4 * i) >> 23 & 255;
        if (e > 2 * ZN_JOINT2_BASE - 1 || (e > 0 && e <= ZN_JOINT2_BASE)) front = i + 1;
    }
    return front;
}

/* Finds a base, for what follows an unusual front where there is none for all. The front becomes a part of the head. */
static bool find_cut(const struct zn_joint_source *s, struct zn_body *cut, unsigned *base) {
    if (find_base(s, joint_of(cut->layout, 2), base) && *base == ZN_JOINT2_BASE) return true;
    const size_t front = unusual_front(cut, s->e->src + cut->head);
    const struct zn_body whole = *cut;
    cut->head += (uint32_t)front * cut->width;
    zn_body_measure(cut);
    if (front > 0 && cut->n >= ZN_R16_FULL && find_base(s, joint_of(cut->layout, 2), base)) return true;
    *cut = whole;
    return find_base(s, joint_of(cut->layout, 2), base);
}

bool zn_joint2_find(const struct zn_joint_source *source, struct zn_body *cut, struct zn_words *words, unsigned *base) {
    struct zn_scratch *scratch = &source->e->coder->scratch;
    const struct zn_joint_source own = {source->e, cut, source->exponents};
    *cut = *source->cut;
    if (cut->layout == ZN_LAYOUT_F16 || !find_cut(&own, cut, base)) return false;
    *words = (struct zn_words){.shape = zn_layout_shape(cut->layout),
                               .joint = 2,
                               .at = source->e->src + cut->head,
                               .n = cut->n,
                               .room = zn_scratch_take(scratch, cut->n)};
    if (*base == ZN_JOINT2_BASE) return true;
    uint8_t *based = zn_scratch_take(scratch, cut->n * cut->width);
    take_base(&own, cut->width, *base - ZN_JOINT2_BASE, based);
    words->at = based;
    return true;
}

/* Encodes the words of a cut whose exponents count from `base`. */
static enum zn_joint_answer encode_two(const struct zn_joint_source *s, struct zn_words *words, unsigned base,
                                       struct zn_out out, uint32_t *body_len) {
    struct zn_coder *coder = s->e->coder;
    uint32_t counts[256] = {0};
    coder->codec.k->joint->sample(joint_of(s->cut->layout, 1), words->at, words->n,
                                  ZN_MAX(words->n / SAMPLED, (size_t)1), counts);
    const struct zn_joint2_costs costs = zn_r16w_fit_words(&coder->codec, s->e->effort, words, counts);
    *body_len = write_body(s, words, base, out);
    if (*body_len == 0) return ZN_JOINT_NOTHING;
    return are_clear(&costs, words->n) ? ZN_JOINT_WRITTEN : ZN_JOINT_FITTED;
}

enum zn_joint_answer zn_joint2_encode(const struct zn_joint_source *source, struct zn_out out, uint32_t *body_len) {
    struct zn_scratch *scratch = &source->e->coder->scratch;
    const size_t mark = zn_scratch_mark(scratch);
    enum zn_joint_answer answer = ZN_JOINT_NOTHING;
    struct zn_body cut;
    struct zn_words words;
    unsigned base;
    *body_len = 0;
    if (zn_joint2_find(source, &cut, &words, &base))
        answer = encode_two(&(struct zn_joint_source){source->e, &cut, source->exponents}, &words, base, out, body_len);
    zn_scratch_back(scratch, mark);
    return answer;
}
