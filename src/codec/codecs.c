/* The table of codecs, and how each decodes. */
#include <zstd.h>

#include "codec/bits.h"
#include "codec/codec.h"
#include "codec/mixing.h"
#include "codec/r32_stream.h"

/* The place of a stream: a plane has depth 0. `context` has a byte for each symbol, or is NULL. */
struct site {
    unsigned depth;
    const uint8_t *context;
};

static zipnn_status decode_raw(struct zn_codec *c, const struct site *site, const struct zn_coded *in, uint8_t *out,
                               size_t n, zipnn_error *err) {
    (void)c, (void)site;
    if (in->len != n) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "raw stream has %zu bytes for %zu", in->len, n);
    if (n) memcpy(out, in->data, n);
    return ZIPNN_OK;
}

static zipnn_status decode_constant(struct zn_codec *c, const struct site *site, const struct zn_coded *in,
                                    uint8_t *out, size_t n, zipnn_error *err) {
    (void)c, (void)site;
    if (in->len != 1 || n == 0)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "constant stream has %zu bytes for %zu", in->len, n);
    memset(out, in->data[0], n);
    return ZIPNN_OK;
}

static zipnn_status decode_nibbles(struct zn_codec *c, const struct site *site, const struct zn_coded *in, uint8_t *out,
                                   size_t n, zipnn_error *err) {
    (void)c, (void)site;
    if (in->len != n / 2 + n % 2)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "nibble stream has %zu bytes for %zu", in->len, n);
    for (size_t i = 0; i < n / 2; i++) {
        out[2 * i] = in->data[i] & 15;
        out[2 * i + 1] = in->data[i] >> 4;
    }
    if (n % 2 == 0) return ZIPNN_OK;
    out[n - 1] = in->data[n / 2];
    if (out[n - 1] < 16) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "nibble stream: the unused last half is not 0");
}

static zipnn_status decode_r16(struct zn_codec *c, const struct site *site, const struct zn_coded *in, uint8_t *out,
                               size_t n, zipnn_error *err) {
    struct zn_r16_reader *r;
    if (n == 0) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R16 stream of no symbols");
    ZN_TRY(zn_r16_open(c, site->depth, in, n, &r, err));
    if (!c->k->r16_decode(&r->d, out, n)) return zn_r16_ran_out(r, in->at, err);
    return zn_r16_finish(r, in->at, err);
}

/* Returns whether the stream is one zstd frame. zstd itself also accepts several frames and skippable frames. */
static bool is_one_frame(const struct zn_coded *in) {
    return in->len >= 4 && zn_get_u32(in->data) == ZSTD_MAGICNUMBER &&
           ZSTD_findFrameCompressedSize(in->data, in->len) == in->len;
}

static zipnn_status decode_zstd(struct zn_codec *c, const struct site *site, const struct zn_coded *in, uint8_t *out,
                                size_t n, zipnn_error *err) {
    (void)site;
    if (!is_one_frame(in))
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "zstd stream of %zu bytes is not one frame", in->len);
    size_t got = ZSTD_decompressDCtx(c->zstd_dec, out, n, in->data, in->len);
    if (ZSTD_isError(got)) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "zstd stream: %s", ZSTD_getErrorName(got));
    if (got != n) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "zstd stream holds %zu bytes, %zu are needed", got, n);
    return ZIPNN_OK;
}

static zipnn_status decode_r16c(struct zn_codec *c, const struct site *site, const struct zn_coded *in, uint8_t *out,
                                size_t n, zipnn_error *err) {
    struct zn_r16_reader *r;
    if (n == 0) return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "R16 stream of no symbols");
    ZN_TRY(zn_r16_open(c, site->depth, in, n, &r, err));
    if (!c->k->r16c_decode(&r->d, c->contexts, site->context, out, n)) return zn_r16_ran_out(r, in->at, err);
    return zn_r16_finish(r, in->at, err);
}

static zipnn_status decode_r32(struct zn_codec *c, const struct site *site, const struct zn_coded *in, uint8_t *out,
                               size_t n, zipnn_error *err) {
    struct zn_r32_decoder *d;
    (void)site;
    ZN_TRY(zn_r32_open(c, in, n, &d, err));
    if (!c->k->r32_decode(d, out, n)) return zn_r32_ran_out(d, in->at, err);
    return zn_r32_finish(d, in->at, err);
}

static zipnn_status decode_mixing(struct zn_codec *c, const struct site *site, const struct zn_coded *in, uint8_t *out,
                                  size_t n, zipnn_error *err) {
    (void)site;
    return zn_mixing_decode(c, in, out, n, err);
}

static zipnn_status decode_bits(struct zn_codec *c, const struct site *site, const struct zn_coded *in, uint8_t *out,
                                size_t n, zipnn_error *err) {
    (void)site;
    return zn_bits_decode(c->k, in, out, n, err);
}

enum needs { NOTHING, CONTEXT };

static const struct codec {
    const char *name;
    uint8_t deepest;
    enum needs needs;
    zipnn_status (*decode)(struct zn_codec *c, const struct site *site, const struct zn_coded *in, uint8_t *out,
                           size_t n, zipnn_error *err);
} codecs[ZN_N_CODECS] = {
#define CODEC(id, number, name, deepest, needs, decode) [number] = {name, deepest, needs, decode},
#include "codec/codecs.def"
#undef CODEC
};

const char *zn_codec_name(unsigned codec) {
    return codec < ZN_N_CODECS ? codecs[codec].name : "?";
}

static zipnn_status decode_at(struct zn_codec *c, const struct site *site, const struct zn_coded *in, uint8_t *out,
                              size_t n, zipnn_error *err) {
    if (in->codec >= ZN_N_CODECS)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, in->at, "codec %u is not supported", in->codec);
    const struct codec *codec = &codecs[in->codec];
    if (codec->needs == CONTEXT && !site->context)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "codec %u where there is no context", in->codec);
    if (site->depth > codec->deepest)
        return zn_fail(err, ZIPNN_E_CORRUPT, in->at, "codec %u is not legal in a nested stream of depth %u", in->codec,
                       site->depth);
    return codec->decode(c, site, in, out, n, err);
}

void zn_codec_carve_readers(struct zn_codec *c, struct zn_arena *arena, size_t max_len) {
    const size_t max_blocks = (ZN_MOST_SYMBOLS(max_len) >> ZN_R16_MIN_BLOCK) + 1;
    c->max_len = max_len;
    c->contexts = zn_carve(arena, sizeof *c->contexts);
    c->mixing = zn_carve(arena, zn_mixing_size());
    c->fine = zn_carve(arena, zn_r32_size());
    for (unsigned depth = 0; depth < ZN_MAX_DEPTH; depth++) {
        struct zn_r16_reader *r = &c->reader[depth];
        r->tables = zn_carve(arena, (depth == 0 ? ZN_R16_MAX_GIVEN : ZN_R16_MAX_TABLES) * sizeof *r->tables);
        r->ids = zn_carve(arena, max_blocks);
        r->esc = zn_carve(arena, ZN_MOST_ESCAPES(max_len));
    }
}

zipnn_status zn_stream_decode(struct zn_codec *c, unsigned depth, const struct zn_coded *in, uint8_t *out, size_t n,
                              zipnn_error *err) {
    const struct site site = {depth, NULL};
    return decode_at(c, &site, in, out, n, err);
}

zipnn_status zn_stream_decode_given(struct zn_codec *c, const struct zn_coded *in, const uint8_t *context, uint8_t *out,
                                    size_t n, zipnn_error *err) {
    const struct site site = {0, context};
    return decode_at(c, &site, in, out, n, err);
}
