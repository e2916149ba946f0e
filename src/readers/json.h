/* Reads JSON piece by piece: values are read or skipped where they lie, since a DOM of a header of megabytes would take
 * ten times as much memory. All functions skip white space first and return false if the text breaks the grammar. */
#ifndef ZN_READERS_JSON_H
#define ZN_READERS_JSON_H

#include "base/cur.h"
#include "plan/plan.h"

/* A string as it lies in the text, between its quotes. */
struct zn_json_string {
    const uint8_t *at;
    size_t len;
    bool plain; /* no escapes */
};

bool zn_json_is_space(uint8_t c);

/* Returns the next byte that is not white space and stays before it; 0 at the end. */
uint8_t zn_json_peek(struct zn_cur *c);

bool zn_json_take_char(struct zn_cur *c, char expected);
bool zn_json_take_word(struct zn_cur *c, const char *word);
bool zn_json_take_string(struct zn_cur *c, struct zn_json_string *string);

/* Reads a number that consists of digits and fits. */
bool zn_json_take_u64(struct zn_cur *c, uint64_t *value);

/* Skips any value. Open brackets are kept in memory that the plan pays for, so any depth is possible. Returns
 * ZIPNN_E_FORMAT without a message if it is not a value. */
zipnn_status zn_json_skip(struct zn_cur *c, const struct zn_plan *plan, zipnn_error *err);

bool zn_json_is_utf8(const uint8_t *text, size_t len);

#endif
