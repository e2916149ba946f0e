/* Chunks whose bytes follow from other bytes by a rule that loses nothing (doc/format.md, section 5.1): floats that a
 * container spells as text or as numbers of variable length, and floats among other bytes, each run at a phase of its
 * own. */
#ifndef ZN_CHUNK_REWRITTEN_H
#define ZN_CHUNK_REWRITTEN_H

#include "chunk/ways.h"

enum zn_rewriting_rule {
    ZN_LATIN1 = 1,  /* bytes as UTF-8 of latin-1: protocol 2 of pickles, written by Python 3 */
    ZN_VARINTS = 2, /* words of 16 bits as varints: int32_data of ONNX */
    ZN_GATHERED = 3 /* runs of floats, put together, and then all that lies between them */
};

enum {
    ZN_REWRITTEN_HEAD = 4 + 1 + 3 * 4, /* bytes of the body before the chunks inside */
    ZN_REWRITTEN_MARKS = 16            /* at most one mark for so many bytes of the chunk */
};

/* What a chunk is rewritten as. Marks ascend. Of LATIN1 and VARINTS, they are the elements of `plain` that stand in the
 * chunk as one byte, whatever the rule says. Of GATHERED, they are the offsets in the chunk where runs begin and end in
 * turn. Each mark is stored as its distance from the one before, u32. */
struct zn_rewriting {
    enum zn_rewriting_rule rule;
    uint8_t *plain;
    uint32_t n_plain; /* bytes */
    uint8_t *marks;
    uint32_t n_marks;
};

/* Finds runs of floats at different phases. Sets rule, marks and plain, whose memory is in scratch. Returns false if
 * there are none. */
bool zn_rewriting_gather(const struct zn_encoder *e, struct zn_rewriting *r);

#endif
