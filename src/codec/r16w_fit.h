/* The encoder's choice for one stream of R16W. The clusters of its blocks are those of an R16 stream (r16_fit.h). */
#ifndef ZN_CODEC_R16W_FIT_H
#define ZN_CODEC_R16W_FIT_H

#include "kernels/kernels.h"

struct zn_r16w_fit {
    struct zn_r16_model models[ZN_R16_MAX_TABLES];
    uint32_t counts[ZN_R16_MAX_TABLES][256]; /* symbols behind each table */
};

#endif
