#include <zstd.h>

#include "codec/bits.h"
#include "codec/codec.h"
#include "codec/cost.h"
#include "codec/mixing.h"
#include "codec/r16_fit.h"
#include "codec/r16c_fit.h"
#include "codec/r16w_fit.h"

struct zn_effort zn_effort_of(int level) {
    struct zn_effort effort = {.max_tables = 16, .block_log2 = 8, .hist_step = 2, .rounds = 2, .zstd_level = 6};
    if (level < 2)
        effort = (struct zn_effort){.max_tables = 8, .block_log2 = 9, .hist_step = 4, .rounds = 1, .zstd_level = 1};
    effort.careful = level >= ZIPNN_LEVEL_HIGH;
    if (effort.careful) effort.hist_step = 1;
    effort.level = ZN_MAX(level, 1);
    effort.readers = 100 * ZIPNN_VERSION_MAJOR + ZIPNN_VERSION_MINOR;
    return effort;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

enum {
    SHORTEST = 16,        /* bytes; in shorter streams a model cannot pay */
    SAMPLED = 1 << 12,    /* bytes that suffice to see what a stream is like */
    HALVED = 1 << 10,     /* bytes; half of a stream of this length or more suffices, up to SAMPLED */
    RAW_ENTROPY = 2020,   /* 7.89 of 8 bits: not worth coding */
    HALF_ENTROPY = 1016,  /* 3.97 of 4 bits */
    PROBE_LEN = 16 << 10, /* bytes that zstd tries first */
    SMALL = 2048,         /* bytes; up to here zstd is not tried if R16 halves the stream */
    MIN_GAIN_SHIFT = 6,   /* a slow codec must save 1/64 */
    BITS_LOSS_SHIFT = 8,  /* the fastest codec may lose 1/256 */
    PARTS = 4             /* of a plane; each gives a quarter of the sample */
};

static bool is_constant(const uint8_t *p, size_t n) {
    return p[0] == p[n - 1] && memcmp(p, p + 1, n - 1) == 0;
}

/* Returns chi squared of the counts. 255 of it are chance, with a deviation of 23. */
static uint32_t chi_squared(const uint32_t *counts, uint32_t *n) {
    uint32_t squares = 0;
    *n = 0;
    for (unsigned i = 0; i < 256; i++) *n += counts[i];
    for (unsigned i = 0; i < 256; i++) squares += counts[i] * counts[i];
    return *n ? (uint32_t)(((uint64_t)squares * 256 - (uint64_t)*n * *n) / *n) : 0;
}

/* Returns chi squared of the counts of one or two thousand bytes; 0 when it shows less than a tenth of a bit of lost
 * entropy per byte. */
static uint32_t unevenness(const uint32_t *counts) {
    uint32_t n;
    const uint32_t chi = chi_squared(counts, &n);
    return chi > 255 + n / 32 * 5 ? chi : 0;
}

/* Counts the sample by parts. Otherwise a part of the plane, such as a table of sines between random weights, would be
 * lost among the bytes of all. */
static void sample_parts(const struct zn_codec *c, const uint8_t *plane, size_t n, struct zn_survey *s) {
    const size_t step = n / SAMPLED, part = (n / (64 * step) / PARTS + 1) * 64 * step;
    uint32_t most = 0;
    for (size_t at = 0; at < n; at += part) {
        uint32_t counts[256] = {0};
        c->k->byte_hist(plane + at, ZN_MIN(part, n - at), step, counts);
        for (unsigned i = 0; i < 256; i++) s->counts[i] += counts[i];
        const uint32_t uneven = unevenness(counts);
        if (uneven <= most) continue;
        most = uneven;
        s->patch = at;
    }
    s->patchy = most > 0;
}

/* Adds up the counts. Returns whether their entropy is that of noise. */
static bool weigh_sample(struct zn_survey *s) {
    const struct zn_used range = zn_used_of(s->counts);
    uint64_t used = 0, inner = 0;
    unsigned any = 0, all = 255;
    for (unsigned i = range.from; i < range.to; i++) {
        const uint32_t count = s->counts[i];
        if (count == 0) continue;
        s->sampled += count;
        inner += (uint64_t)count * zn_log2(count);
        used++;
        any |= i;
        all &= i;
    }
    s->varying = (uint8_t)(any & ~all);
    s->order0 = zn_entropy_of_logs(s->sampled, inner);
    return s->order0 + used * ZN_COST_UNSEEN >= s->sampled * RAW_ENTROPY;
}

/* Surveys streams of a few KiB by half of their bytes. Noise is not looked at more closely. Trained mantissas are not
 * quite uniform; what exceeds this bound is often smaller in another layout. */
static void survey_half(const struct zn_codec *c, const uint8_t *plane, size_t n, struct zn_survey *s) {
    uint32_t counted;
    c->k->byte_hist(plane, n, 2, s->counts);
    s->random = chi_squared(s->counts, &counted) <= 300 + counted / 16;
    if (!s->random) (void)weigh_sample(s);
}

static void survey_all(const struct zn_codec *c, const uint8_t *plane, size_t n, struct zn_survey *s) {
    if (n >= SAMPLED)
        sample_parts(c, plane, n, s);
    else
        c->k->byte_hist(plane, n, 1, s->counts);
    const bool noisy = weigh_sample(s);
    s->patchy &= noisy;
    s->random = noisy && !s->patchy;
}

void zn_stream_survey(const struct zn_codec *c, const uint8_t *plane, size_t n, struct zn_survey *s) {
    memset(s, 0, sizeof *s);
    s->constant = n > 0 && is_constant(plane, n);
    s->random = n < SHORTEST;
    if (s->constant || s->random) return;
    if (n >= HALVED && n < SAMPLED)
        survey_half(c, plane, n, s);
    else
        survey_all(c, plane, n, s);
}

static bool fits_nibbles(const uint8_t *p, size_t n) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) all |= p[i];
    return all < 16;
}

static void write_nibbles(const uint8_t *p, size_t n, struct zn_out *out) {
    for (size_t i = 0; i < n; i += 2) zn_out_u8(out, (uint8_t)(p[i] | (i + 1 < n ? p[i + 1] << 4 : 0)));
}

/* Makes a zstd frame of literals: tables for matches so small that next to none is found. */
static size_t compress_literals(ZSTD_CCtx *zstd, const uint8_t *p, size_t n, uint8_t *to, size_t room) {
    static const struct {
        ZSTD_cParameter parameter;
        int value;
    } few[] = {{ZSTD_c_compressionLevel, 1},
               {ZSTD_c_strategy, ZSTD_dfast},
               {ZSTD_c_minMatch, 7},
               {ZSTD_c_hashLog, 6},
               {ZSTD_c_chainLog, 6}};
    (void)ZSTD_CCtx_reset(zstd, ZSTD_reset_session_and_parameters);
    for (size_t i = 0; i < sizeof few / sizeof few[0]; i++)
        (void)ZSTD_CCtx_setParameter(zstd, few[i].parameter, few[i].value);
    return ZSTD_compress2(zstd, to, room, p, n);
}

/* Writes a zstd frame of at most `room` bytes to `to`. Returns its length, 0 when there is no such frame. */
static size_t compress(struct zn_codec *c, int level, const uint8_t *p, size_t n, uint8_t *to, size_t room) {
    const size_t got = level == ZN_ZSTD_LITERALS ? compress_literals(c->zstd_enc, p, n, to, room)
                                                 : ZSTD_compressCCtx(c->zstd_enc, to, room, p, n, level);
    return ZSTD_isError(got) ? 0 : got;
}

/* Appends a zstd frame of fewer than `limit` bytes, or nothing. For weights, a higher level sometimes gives a larger
 * frame than the lowest level, which is tried, too, since it takes little time. */
static bool write_zstd(struct zn_codec *c, int level, const uint8_t *p, size_t n, size_t limit, struct zn_out *out) {
    const size_t room = ZN_MIN(limit - 1, zn_out_left(out));
    size_t got = compress(c, level, p, n, out->at, room);
    const size_t least = level > 1 ? compress(c, 1, p, n, c->renorm[0], ZN_MIN(got ? got - 1 : room, c->max_len)) : 0;
    if (least) memcpy(out->at, c->renorm[0], got = least);
    out->at += got;
    return got > 0;
}

bool zn_stream_encode_zstd(struct zn_codec *c, const struct zn_effort *effort, const uint8_t *plane, size_t n,
                           size_t limit, struct zn_out *out) {
    return write_zstd(c, effort->zstd_level, plane, n, limit, out);
}

static size_t worthwhile(size_t rival) {
    return rival - (rival >> MIN_GAIN_SHIFT);
}

/* Returns the length that a slow codec must stay below. A faster level may know only the dearer tables. What it takes
 * because it is worthwhile beside those, and is shorter than the better tables, too, is taken by every level. */
static size_t slow_limit(size_t rival, size_t dearest) {
    return ZN_MAX(worthwhile(rival), ZN_MIN(rival, worthwhile(dearest)));
}

/* Returns the length that zstd makes of the piece. */
static size_t probe(struct zn_codec *c, const uint8_t *piece, size_t n) {
    const size_t got = ZSTD_compressCCtx(c->zstd_enc, c->renorm[0], n, piece, n, 1);
    return ZSTD_isError(got) ? n : got;
}

size_t zn_stream_probe_zstd(struct zn_codec *c, const uint8_t *p, size_t n) {
    const size_t piece = ZN_MIN(n, (size_t)PROBE_LEN);
    return (size_t)((uint64_t)probe(c, p + (n - piece) / 2, piece) * n / piece);
}

/* Returns the length that zstd makes of the patch, in a stream that is otherwise noise. */
static size_t probe_patch(struct zn_codec *c, const struct zn_survey *s, const uint8_t *p, size_t n) {
    const size_t part = n / PARTS, piece = ZN_MIN(n - s->patch, ZN_MIN(part, (size_t)PROBE_LEN));
    return n - (size_t)((uint64_t)(piece - probe(c, p + s->patch, piece)) * part / piece);
}

/* Returns whether zstd, which decodes slowly, may be worth it. It is, where its Huffman coder beats R16 because too
 * many symbols matter, or where it finds more than order-0 statistics show. A piece from the middle, or of the patch,
 * decides. */
static bool zstd_may_pay(struct zn_codec *c, const struct zn_survey *s, const uint8_t *p, size_t n, size_t limit) {
    if (n <= SMALL && limit < n / 2) return false; /* zstd takes ten times as long to start as R16 takes in all */
    const size_t ideal = (size_t)(s->order0 * n / s->sampled / (8 * ZN_COST_ONE));
    if (ideal < limit) return true;
    return zn_stream_probe_zstd(c, p, n) < limit || (s->patchy && probe_patch(c, s, p, n) < limit);
}

/* Returns whether packed varying bits, which cost no time, are about as short as the rival. If so, *bits are exact. */
static bool bits_pay(const struct zn_survey *s, const uint8_t *plane, size_t n, size_t rival, struct zn_bits *bits) {
    const size_t limit = rival + (rival >> BITS_LOSS_SHIFT);
    *bits = (struct zn_bits){s->varying, 0};
    if (s->varying == 255 || zn_bits_len(*bits, n) > limit) return false;
    *bits = zn_bits_find(plane, n);
    return bits->mask != 255 && zn_bits_len(*bits, n) <= limit;
}

/* Codes a nested stream by half bytes or by its varying bits, which cost no time. R16 must save an eighth. */
static bool pack_nested(struct zn_codec *c, const uint8_t *plane, size_t n, size_t rival, struct zn_out *out,
                        enum zn_codec_id *codec) {
    const struct zn_bits bits = zn_bits_find(plane, n);
    const size_t halves = fits_nibbles(plane, n) ? n / 2 + n % 2 : n, packed = ZN_MIN(zn_bits_len(bits, n), halves);
    if (packed >= n || packed - packed / 8 >= rival) return false;
    *codec = packed == halves ? ZN_CODEC_NIBBLES : ZN_CODEC_BITS;
    if (packed == halves)
        write_nibbles(plane, n, out);
    else
        zn_bits_write(c->k, bits, plane, n, out);
    return true;
}

/* Tries the codecs that use a model of the plane. Returns false when storing the plane is as good. R16 takes time: on a
 * plane it must save as much as a slow codec. */
static bool encode_modelled(struct zn_codec *c, unsigned depth, const struct zn_effort *effort,
                            const struct zn_survey *s, const uint8_t *plane, size_t n, size_t expected,
                            struct zn_out *out, enum zn_codec_id *codec) {
    size_t rival = ZN_MIN(expected, n), dearest = ZN_MIN(zn_r16_dearest(c), n);
    if (depth > 0 && pack_nested(c, plane, n, rival, out, codec)) return true;
    struct zn_bits bits;
    const bool packs = depth == 0 && bits_pay(s, plane, n, rival, &bits);
    if (packs) {
        rival = ZN_MIN(rival, zn_bits_len(bits, n));
        dearest = ZN_MIN(dearest, zn_bits_len(bits, n));
    }
    *codec = ZN_CODEC_ZSTD;
    if (depth == 0 && zstd_may_pay(c, s, plane, n, worthwhile(dearest)) &&
        write_zstd(c, effort->zstd_level, plane, n, slow_limit(rival, dearest), out))
        return true;
    if (packs) {
        zn_bits_write(c->k, bits, plane, n, out);
        *codec = ZN_CODEC_BITS;
        return true;
    }
    *codec = ZN_CODEC_R16;
    return expected < (depth == 0 ? worthwhile(n) : n) && zn_r16_write(c, depth, effort, plane, n, out);
}

static enum zn_codec_id store(const uint8_t *plane, size_t n, struct zn_out *out) {
    uint8_t *to = zn_out_room(out, n);
    if (to && to != plane && n) memmove(to, plane, n);
    return ZN_CODEC_RAW;
}

enum zn_codec_id zn_stream_encode(struct zn_codec *c, unsigned depth, const struct zn_effort *effort,
                                  const struct zn_survey *survey, const uint8_t *plane, size_t n, struct zn_out *out) {
    enum zn_codec_id codec;
    if (survey->constant) {
        zn_out_u8(out, plane[0]);
        return ZN_CODEC_CONSTANT;
    }
    if (survey->random) return store(plane, n, out);
    const size_t expected = depth < ZN_MAX_DEPTH ? zn_r16_fit(c, depth, effort, plane, n, survey->counts) : n;
    return encode_modelled(c, depth, effort, survey, plane, n, expected, out, &codec) ? codec : store(plane, n, out);
}

enum zn_codec_id zn_stream_encode_fitted(struct zn_codec *c, const struct zn_effort *effort,
                                         const struct zn_survey *survey, const uint8_t *plane, size_t n,
                                         size_t expected, struct zn_out *out) {
    enum zn_codec_id codec;
    return encode_modelled(c, 0, effort, survey, plane, n, expected, out, &codec) ? codec : store(plane, n, out);
}

size_t zn_survey_halves(const struct zn_survey *s, size_t n) {
    if (s->constant) return 1;
    if (s->sampled == 0 || s->order0 >= s->sampled * HALF_ENTROPY) return n / 2;
    return (size_t)(s->order0 * n / s->sampled / (8 * ZN_COST_ONE));
}

enum zn_codec_id zn_stream_encode_halves(struct zn_codec *c, const struct zn_effort *effort, const struct zn_survey *s,
                                         const uint8_t *plane, size_t n, struct zn_out *out) {
    const size_t packed = n / 2 + n % 2;
    if (s->constant) {
        zn_out_u8(out, plane[0]);
        return ZN_CODEC_CONSTANT;
    }
    struct zn_out limited = zn_out_of(out->at, ZN_MIN(packed, zn_out_left(out)));
    if (zn_survey_halves(s, n) < n / 2 && zn_r16_fit(c, 0, effort, plane, n, s->counts) < packed &&
        zn_r16_write(c, 0, effort, plane, n, &limited)) {
        out->at = limited.at;
        return ZN_CODEC_R16;
    }
    write_nibbles(plane, n, out);
    return ZN_CODEC_NIBBLES;
}
