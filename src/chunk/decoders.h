/* The ways back: what decodes each layout, and what compares a chunk without writing it. */
#ifndef ZN_CHUNK_DECODERS_H
#define ZN_CHUNK_DECODERS_H

#include "chunk/chunk.h"
#include "format/body.h"

enum { ZN_PIECE = 4096 }; /* elements decoded at a time where no kernel does all */

/* Where a chunk is decoded to: out[0, orig_len). */
struct zn_target {
    uint8_t *out;
    enum zn_store store;
    struct zn_ahead ahead;  /* what will be read next; `lines` is set here */
    struct zn_check *check; /* of the frame, to be taken along as far as possible, or NULL */
};

/* Decodes the elements of a body that was read to to->out + body->head; the edges are copied by zn_body_decode. Of
 * CHUNKS: all bytes. */
typedef zipnn_status zn_decode_fn(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                                  zipnn_error *err);

/* One for each row of layouts.def that names it. */
zn_decode_fn zn_words_decode, zn_records_decode, zn_tops_decode, zn_joint_decode, zn_values_decode;
zn_decode_fn zn_differences_decode, zn_repeats_decode, zn_frequent_decode, zn_scaled_decode;

/* Decodes a body of any layout, edges and all. */
zipnn_status zn_body_decode(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                            zipnn_error *err);

/* Whether one kernel decodes the words and can take a check along. */
bool zn_words_takes_check(const struct zn_body *body);

/* Compare the elements of a body that was read, not its edges. *done tells whether they did: words have no way but
 * decoding when zn_words_takes_check is false, or their stream is not as usual. */
zipnn_status zn_words_compare(struct zn_coder *coder, const struct zn_body *body, const struct zn_comparison *with,
                              bool *done, zipnn_error *err);
zipnn_status zn_joint_compare(struct zn_coder *coder, const struct zn_body *body, const struct zn_comparison *with,
                              bool *done, zipnn_error *err);

#endif
