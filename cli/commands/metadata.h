/* What a model file says about itself: __metadata__ of safetensors, keys and values of GGUF. */
#ifndef ZIPNN_CLI_METADATA_H
#define ZIPNN_CLI_METADATA_H

#include <stddef.h>
#include <stdint.h>

#include "zipnn/zipnn.h"

enum { METADATA_MOST = 64, METADATA_LONGEST = 400 };

/* The first METADATA_MOST of them, each value cut after METADATA_LONGEST bytes. */
struct metadata {
    struct {
        char *key, *value;
    } entry[METADATA_MOST];
    size_t n;
    uint64_t n_more; /* that were left out */
};

/* Reads what stands in the first bytes of the original. What is damaged or in another form is left out without a word:
 * nothing depends on it. metadata_free accepts a zeroed struct. */
void metadata_read(zipnn_archive *archive, const char *container, uint64_t original, struct metadata *m);
void metadata_free(struct metadata *m);

#endif
