/* JSON, piece by piece: values are taken or passed over where they lie, since a DOM of a header of megabytes would be
 * ten times that. All functions pass white space first and answer false for what does not keep the grammar. */
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

/* The next byte that is not white space, without passing it; 0 at the end. */
uint8_t zn_json_peek(struct zn_cur *c);

bool zn_json_take_char(struct zn_cur *c, char expected);
bool zn_json_take_word(struct zn_cur *c, const char *word);
bool zn_json_take_string(struct zn_cur *c, struct zn_json_string *string);

/* A number of digits alone that fits. */
bool zn_json_take_u64(struct zn_cur *c, uint64_t *value);

/* Any value; however deep it is nested, the brackets that are open are kept in memory that the plan pays for.
 * ZIPNN_E_FORMAT without a word when it is none. */
zipnn_status zn_json_skip(struct zn_cur *c, const struct zn_plan *plan, zipnn_error *err);

bool zn_json_is_utf8(const uint8_t *text, size_t len);

#endif
