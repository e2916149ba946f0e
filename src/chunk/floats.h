/* Floats as they usually are: random below their exponents. */
#ifndef ZN_CHUNK_FLOATS_H
#define ZN_CHUNK_FLOATS_H

#include "chunk/chunk.h"

/* Returns whether the chunk is labelled as floats and a sample of it looks like usual floats. *exponents is then the
 * survey of their top plane. */
bool zn_floats_are_usual(const struct zn_encoder *e, struct zn_survey *exponents);

#endif
