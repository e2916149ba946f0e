/* The decoders of all layouts, and the functions that compare a chunk with its original without writing it. */
#ifndef ZN_CHUNK_DECODERS_H
#define ZN_CHUNK_DECODERS_H

#include "chunk/chunk.h"
#include "format/body.h"

enum { ZN_PIECE = 4096 }; /* elements decoded at a time, unless a kernel decodes all at once */

/* Where a chunk is decoded to: out[0, orig_len). */
struct zn_target {
    uint8_t *out;
    enum zn_store store;
    struct zn_ahead ahead;  /* what will be read next; the decoder sets `lines` */
    struct zn_check *check; /* check of the frame, computed along the way as far as possible, or NULL */
};

/* Decodes the elements of a parsed body to to->out + body->head; zn_body_decode copies the edges. A layout of CHUNKS
 * decodes all bytes, edges included. */
typedef zipnn_status zn_decode_fn(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                                  zipnn_error *err);

/* The decoders that rows of layouts.def name. */
zn_decode_fn zn_words_decode, zn_records_decode, zn_tops_decode, zn_joint_decode, zn_values_decode;
zn_decode_fn zn_differences_decode, zn_repeats_decode, zn_frequent_decode, zn_scaled_decode, zn_keyed_decode;
zn_decode_fn zn_rewritten_decode;

/* Decodes a body of any layout, with its edges. */
zipnn_status zn_body_decode(struct zn_coder *coder, const struct zn_body *body, const struct zn_target *to,
                            zipnn_error *err);

/* Returns whether one kernel decodes the words and can compute a check along the way. */
bool zn_words_takes_check(const struct zn_body *body);

/* Compare the elements of a parsed body, not its edges. *done says whether they were compared: words can only be
 * decoded when zn_words_takes_check is false, or when their stream is unusual. */
zipnn_status zn_words_compare(struct zn_coder *coder, const struct zn_body *body, const struct zn_comparison *with,
                              bool *done, zipnn_error *err);

/* Returns whether the kernels decode a body of joint symbols as it is, without adding to exponents. */
bool zn_joint_is_usual(const struct zn_body *body);
zipnn_status zn_joint_compare(struct zn_coder *coder, const struct zn_body *body, const struct zn_comparison *with,
                              bool *done, zipnn_error *err);

#endif
