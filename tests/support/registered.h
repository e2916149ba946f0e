/* The register of the tests: a sample for each layout and each codec. A row here suffices for a new layout or codec to
 * be tried in every way that test_registered.c has. The sample must come back from every kernel set and within its
 * pages. Damage to it must give an error or other bytes, the same from every kernel set. */
#ifndef ZN_TESTS_SUPPORT_REGISTERED_H
#define ZN_TESTS_SUPPORT_REGISTERED_H

#include "chunk/chunk.h"

/* Bytes that a layout codes, and whose planes include one that a codec codes. */
struct zt_registered {
    const char *name;
    enum zn_layout layout;
    enum zn_codec_id codec;
    zipnn_dtype dtype;
    int level;
    unsigned readers; /* as in zn_effort */
    uint32_t len;
    void (*fill)(uint8_t *data, uint32_t len);
    void (*fill_reference)(const uint8_t *data, uint32_t len, uint8_t *ref); /* for layouts of DELTA; else NULL */
};

extern const struct zt_registered zt_registered[];
extern const size_t zt_n_registered;

#endif
