/* Describes in short how the chunks of a tensor are coded. */
#ifndef ZIPNN_CLI_CODING_TEXT_H
#define ZIPNN_CLI_CODING_TEXT_H

#include <stdbool.h>

#include "zipnn/zipnn.h"

/* "16R: raw, R16 x8; 16R: raw, raw x1": layout and codec of each plane, and how many chunks are coded so. */
struct coding_text {
    char text[200];
    uint64_t first, n; /* the chunks that hold the bytes */
    bool shared;       /* these chunks hold other bytes too, so `stored` is a share */
};

/* Describes the chunks that hold original bytes [off, off + len); the text is empty if there are none. */
zipnn_status coding_of(const zipnn_archive *archive, uint64_t off, uint64_t len, struct coding_text *coding,
                       zipnn_error *err);

/* Returns whether the chunks that hold [off, off + len) hold other bytes too. What is stored for the range is then its
 * share of these chunks. */
bool coding_is_shared(const zipnn_archive *archive, uint64_t off, uint64_t len);

#endif
