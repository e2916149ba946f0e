/* Foreign model files -> plans. A reader sees the first bytes of a file and nothing else, so pipes and files give the
 * same plan. It never fails for what it does not understand: then the plan stays empty ("raw"). */
#ifndef ZN_READERS_READERS_H
#define ZN_READERS_READERS_H

#include "plan/plan.h"

/* A file's first bytes that suffice to ask zn_reader_want. */
enum { ZN_SNIFF_LEN = 16 };

/* Longest head any reader asks for; a model file with a longer header is taken as raw bytes. */
enum { ZN_MAX_HEAD = 32 << 20 };

/* How many of the file's first bytes the matching reader needs, judging by its first `len` (ZN_SNIFF_LEN or all to
 * begin with); 0 when no reader knows the file. At most ZN_MAX_HEAD. When that is more than `len`, get as many, or all
 * the file has, and ask again until it is not: where a format does not say how long its head is, the answer grows, and
 * at least doubles. */
size_t zn_reader_want(const uint8_t *head, size_t len);

/* Fills an initialised plan from the first `len` bytes (at least zn_reader_want of them, unless the file is shorter)
 * and finishes it. Malformed files leave it empty. Fails only for lack of memory. */
zipnn_status zn_reader_plan(const uint8_t *head, size_t len, struct zn_plan *plan, zipnn_error *err);

#endif
