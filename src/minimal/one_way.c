/* What one thread needs to decode streams: src/codec/both_ways.c without the encoder, and with zstd's context in the
 * memory of the caller. */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_initStaticDCtx */
#include <zstd.h>

#include "codec/codec.h"
#include "codec/mixing.h"

void zn_codec_carve(struct zn_codec *c, struct zn_arena *arena, size_t max_len, enum zn_codec_use use) {
    (void)use;
    zn_codec_carve_readers(c, arena, max_len);
    c->zstd_dec = zn_carve(arena, ZSTD_estimateDCtxSize());
}

zipnn_status zn_codec_open(struct zn_codec *c, const struct zn_kernels *k, enum zn_codec_use use, zipnn_error *err) {
    (void)use;
    c->k = k;
    zn_mixing_open(c->mixing);
    c->zstd_dec = ZSTD_initStaticDCtx(c->zstd_dec, ZSTD_estimateDCtxSize());
    if (c->zstd_dec) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "zstd refuses a context of its own size");
}
