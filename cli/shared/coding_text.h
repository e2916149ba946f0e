/* How the chunks of a tensor are coded, in short. */
#ifndef ZIPNN_CLI_CODING_TEXT_H
#define ZIPNN_CLI_CODING_TEXT_H

#include <stdbool.h>

#include "zipnn/zipnn.h"

/* "16R: raw, R16 x8; 16R: raw, raw x1": layout and codec of each plane, and how many chunks are coded so. */
struct coding_text {
    char text[200];
    uint64_t first, n; /* the chunks that hold the bytes */
    bool shared;       /* with other bytes: what is stored is a share of theirs */
};

/* Of the chunks that hold original bytes [off, off + len); empty when there are none. */
zipnn_status coding_of(const zipnn_archive *archive, uint64_t off, uint64_t len, struct coding_text *coding,
                       zipnn_error *err);

/* Whether bytes outside of [off, off + len) lie in the same chunks: then what is stored of it is a share of theirs. */
bool coding_is_shared(const zipnn_archive *archive, uint64_t off, uint64_t len);

#endif
