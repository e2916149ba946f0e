/* zipnn inspect FIRST SECOND: two models, or one at two levels, side by side. */
#ifndef ZIPNN_CLI_COMPARE_H
#define ZIPNN_CLI_COMPARE_H

#include "commands/inspect.h"

/* What has one name in both; NULL: only the other has it. */
struct pair {
    const struct role *first, *second;
};

struct pairs {
    struct pair *pair;
    size_t n;
};

/* Brings together what has the same name and type, or else the same name; the largest first. pairs_free accepts a zeroed
 * struct. */
void pairs_make(const struct inspection *first, const struct inspection *second, struct pairs *pairs);
void pairs_free(struct pairs *pairs);

/* Returns the share of its bytes that is stored of a role; of a file that is no archive, what it needs. */
double compare_share(const struct inspection *x, const struct role *r);

/* Returns whether both are archives of the same original. */
bool compare_is_same(const struct inspection *first, const struct inspection *second);

/* "+1.2 MB", "-3 B", "0 B" */
struct change {
    char text[32];
};
struct change change_of(uint64_t from, uint64_t to);

/* Prints the two side by side. `all`: also what has little to tell. */
void compare_put_text(const struct inspection *first, const struct inspection *second, bool all);

/* Writes the page of --html. */
zipnn_status compare_write_page(struct run *run, const struct inspection *first, const struct inspection *second,
                                const char *out, zipnn_error *err);

#endif
