/* What one thread needs to encode and to decode streams. src/minimal/one_way.c is the decoder's half of it. */
#include <zstd.h>

#include "codec/codec.h"
#include "codec/mixing.h"
#include "codec/r16_fit.h"
#include "codec/r16c_fit.h"
#include "codec/r16w_fit.h"
#include "kernels/r32/r32.h"

static void carve_encoder(struct zn_codec *c, struct zn_arena *arena, unsigned depth) {
    const size_t max_symbols = ZN_MOST_SYMBOLS(c->max_len), max_blocks = (max_symbols >> ZN_R16_MIN_BLOCK) + 1;
    struct zn_r16_fit *fit = zn_carve(arena, sizeof *fit);
    uint8_t *ids = zn_carve(arena, max_blocks), *spare = zn_carve(arena, max_blocks);
    void *hist = zn_carve(arena, max_blocks * sizeof *fit->hist);
    void *sample = zn_carve(arena, (max_blocks / 4 + 1) * sizeof *fit->sample);
    void *weights = zn_carve(arena, max_blocks * sizeof *fit->weights);
    if (fit) {
        fit->weights = weights;
        fit->sample = sample;
        fit->ids = ids;
        fit->spare = spare;
        fit->hist = hist;
    }
    c->fit[depth] = fit;
    c->wide[depth] = zn_carve(arena, sizeof *c->wide[depth]);
    c->renorm[depth] = zn_carve(arena, max_symbols + 2 * ZN_SLACK);
    c->escapes[depth] = zn_carve(arena, max_symbols + 2 * ZN_SLACK);
}

void zn_codec_carve(struct zn_codec *c, struct zn_arena *arena, size_t max_len, enum zn_codec_use use) {
    zn_codec_carve_readers(c, arena, max_len);
    c->given = use == ZN_USE_BOTH ? zn_carve(arena, sizeof *c->given) : NULL;
    c->slots = use == ZN_USE_BOTH ? zn_carve(arena, (size_t)ZN_R32_MAX_TABLES * ZN_R32_SLOTS * sizeof *c->slots) : NULL;
    for (unsigned depth = 0; depth < ZN_MAX_DEPTH; depth++) {
        c->fit[depth] = NULL;
        c->wide[depth] = NULL;
        c->renorm[depth] = c->escapes[depth] = NULL;
        if (use == ZN_USE_BOTH) carve_encoder(c, arena, depth);
    }
}

zipnn_status zn_codec_open(struct zn_codec *c, const struct zn_kernels *k, enum zn_codec_use use, zipnn_error *err) {
    c->k = k;
    zn_mixing_open(c->mixing);
    c->zstd_dec = ZSTD_createDCtx();
    c->zstd_enc = use == ZN_USE_DECODE ? NULL : ZSTD_createCCtx();
    if (!c->zstd_dec || (use == ZN_USE_BOTH && !c->zstd_enc))
        return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory creating a zstd context");
    return ZIPNN_OK;
}

void zn_codec_close(struct zn_codec *c) {
    ZSTD_freeDCtx(c->zstd_dec);
    ZSTD_freeCCtx(c->zstd_enc);
    c->zstd_dec = c->zstd_enc = NULL;
}
