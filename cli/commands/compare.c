#include "commands/compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/run_report.h"
#include "shared/text.h"

enum { MOST_ROWS = 40 };

/* ---- pairs ------------------------------------------------------------------------------------------------------- */

/* Names and types of the roles of one side, in order, to search in. */
struct index {
    const struct role **role;
    bool *taken;
    size_t n;
};

static int by_name(const void *a, const void *b) {
    const struct role *x = *(const struct role *const *)a, *y = *(const struct role *const *)b;
    const int order = strcmp(x->name, y->name);
    return order ? order : (x->dtype > y->dtype) - (x->dtype < y->dtype);
}

static void index_make(const struct roles *roles, struct index *x) {
    x->n = roles->n;
    x->role = text_realloc(NULL, (x->n + 1) * sizeof *x->role);
    x->taken = text_realloc(NULL, x->n + 1);
    memset(x->taken, 0, x->n + 1);
    for (size_t i = 0; i < x->n; i++) x->role[i] = &roles->role[i];
    if (x->n) qsort(x->role, x->n, sizeof *x->role, by_name);
}

/* Takes the first free role of this name; `dtype`: of this type alone, UNKNOWN for any. */
static const struct role *index_take(struct index *x, const char *name, zipnn_dtype dtype) {
    size_t lo = 0, hi = x->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (strcmp(x->role[mid]->name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < x->n && strcmp(x->role[lo]->name, name) == 0; lo++) {
        if (x->taken[lo] || (dtype != ZIPNN_DTYPE_UNKNOWN && x->role[lo]->dtype != dtype)) continue;
        x->taken[lo] = true;
        return x->role[lo];
    }
    return NULL;
}

static uint64_t length_of(const struct pair *p) {
    const uint64_t a = p->first ? p->first->length : 0, b = p->second ? p->second->length : 0;
    return a > b ? a : b;
}

static const struct role *either(const struct pair *p) {
    return p->first ? p->first : p->second;
}

static int longest_first(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    const uint64_t n = length_of(x), k = length_of(y);
    if (n != k) return n > k ? -1 : 1;
    return by_name(&(const struct role *){either(x)}, &(const struct role *){either(y)});
}

void pairs_make(const struct inspection *first, const struct inspection *second, struct pairs *pairs) {
    struct index index;
    index_make(&second->roles, &index);
    pairs->pair = text_realloc(NULL, (first->roles.n + second->roles.n + 1) * sizeof *pairs->pair);
    pairs->n = 0;
    for (size_t i = 0; i < first->roles.n; i++) {
        const struct role *r = &first->roles.role[i];
        pairs->pair[pairs->n++] = (struct pair){r, index_take(&index, r->name, r->dtype)};
    }
    for (size_t i = 0; i < pairs->n; i++)
        if (!pairs->pair[i].second)
            pairs->pair[i].second = index_take(&index, pairs->pair[i].first->name, ZIPNN_DTYPE_UNKNOWN);
    for (size_t i = 0; i < index.n; i++)
        if (!index.taken[i]) pairs->pair[pairs->n++] = (struct pair){NULL, index.role[i]};
    if (pairs->n) qsort(pairs->pair, pairs->n, sizeof *pairs->pair, longest_first);
    free(index.role);
    free(index.taken);
}

void pairs_free(struct pairs *pairs) {
    free(pairs->pair);
    *pairs = (struct pairs){.n = 0};
}

double compare_share(const struct inspection *x, const struct role *r) {
    return x->plain ? role_share(r) : text_percent(r->stored, r->length) / 100;
}

struct change change_of(uint64_t from, uint64_t to) {
    struct change c;
    snprintf(c.text, sizeof c.text, "%s%s",
             to > from   ? "+"
             : to < from ? "-"
                         : "",
             text_size(to > from ? to - from : from - to).text);
    return c;
}

bool compare_is_same(const struct inspection *first, const struct inspection *second) {
    return !first->plain && !second->plain && !first->info.unverified && !second->info.unverified &&
           memcmp(first->info.xxh3, second->info.xxh3, sizeof first->info.xxh3) == 0;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void put_side(const struct inspection *x, const struct role *r) {
    char share[16] = "";
    if (r) snprintf(share, sizeof share, "%s%.1f%%", x->plain ? ">" : "", 100 * compare_share(x, r));
    printf("%11s %7s", r ? text_size(r->length).text : "-", share);
}

static void put_types(const struct pair *p) {
    char types[24];
    const char *a = p->first ? zipnn_dtype_name(p->first->dtype) : "-";
    const char *b = p->second ? zipnn_dtype_name(p->second->dtype) : "-";
    snprintf(types, sizeof types, "%s%s%s", a, strcmp(a, b) != 0 ? ">" : "", strcmp(a, b) != 0 ? b : "");
    printf("%-10s", types);
}

static void put_pair(const struct inspection *first, const struct inspection *second, const struct pair *p) {
    put_types(p);
    put_side(first, p->first);
    put_side(second, p->second);
    printf("%11s  ", first->plain || second->plain
                         ? ""
                         : change_of(p->first ? p->first->stored : 0, p->second ? p->second->stored : 0).text);
    text_put(stdout, role_name(either(p)));
    putchar('\n');
}

static void put_sum(const char *what, uint64_t a, uint64_t b) {
    printf("%-10s%11s %7s%11s %7s%11s\n", what, text_size(a).text, "", text_size(b).text, "", change_of(a, b).text);
}

void compare_put_text(const struct inspection *first, const struct inspection *second, bool all) {
    struct pairs pairs;
    pairs_make(first, second, &pairs);
    fputs("\nfirst:  ", stdout);
    text_put(stdout, run_shown_name(first->path));
    fputs("\nsecond: ", stdout);
    text_put(stdout, run_shown_name(second->path));
    printf("\n%s\ntype            first  stored     second  stored     change  name\n",
           compare_is_same(first, second) ? "Both hold the same original." : "");
    put_sum("original", first->info.original, second->info.original);
    put_sum("stored", inspect_stored(first), inspect_stored(second));
    if (inspect_parameters(first) != inspect_parameters(second))
        printf("parameters: %" PRIu64 " and %" PRIu64 "\n", inspect_parameters(first), inspect_parameters(second));
    for (size_t i = 0; i < pairs.n && (all || i < MOST_ROWS); i++) put_pair(first, second, &pairs.pair[i]);
    if (!all && pairs.n > MOST_ROWS) printf("%zu more: zipnn inspect -v shows them\n", pairs.n - MOST_ROWS);
    puts(
        "change: bytes that the second stores more. -: it is in one file only. >: of a file that is no\n"
        "archive, what coding each field by itself needs at least.");
    pairs_free(&pairs);
}
