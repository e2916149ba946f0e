/* The encoder's choice for one R16 stream with a context. */
#ifndef ZN_CODEC_R16C_FIT_H
#define ZN_CODEC_R16C_FIT_H

#include "codec/r16_fit.h"

enum { ZN_R16C_RANKS = 64 }; /* context bytes that are told apart, from the highest down; all lower ones count as one */

struct zn_r16c_fit {
    unsigned n_classes;
    uint8_t classes[ZN_MAX_LISTABLE];
    uint8_t class_of[256];
    struct zn_r16_contexts contexts;
    uint8_t first[ZN_R16_MAX_GIVEN];
    struct zn_r16_model models[ZN_R16_MAX_GIVEN];
    uint32_t joint[ZN_R16C_RANKS][ZN_R16_CLASSES]; /* counts by rank of the context and by class, of one model */
    uint32_t parts[ZN_R16_MAX_TABLES][ZN_R16_MAX_CONTEXTS][ZN_R16_CLASSES]; /* counts behind each table */
    uint8_t n_parts[ZN_R16_MAX_TABLES];
};

#endif
