#include "line/nearest.h"

#include <string.h>

enum { LONGEST = 128, MOST_WORK = 50 << 20 };

struct nearest nearest_to(const char *word) {
    return (struct nearest){word, NULL, strlen(word) / 3 + 1, MOST_WORK};
}

static size_t least(size_t a, size_t b, size_t c) {
    const size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Returns how many characters must be added, removed or exchanged (Levenshtein). */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len) {
    size_t row[LONGEST + 1];
    for (size_t k = 0; k <= b_len; k++) row[k] = k;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= b_len; k++) {
            const size_t above = row[k];
            row[k] = least(above + 1, row[k - 1] + 1, diagonal + (a[i - 1] != b[k - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

/* A word that is a part of the name counts as very similar: "lm_head.weight" of "model.lm_head.weight". */
static size_t difference(const char *a, size_t a_len, const char *b, size_t b_len) {
    enum { LEAST_PART = 3 };
    if (a_len >= LEAST_PART && b_len >= LEAST_PART && (strstr(a, b) || strstr(b, a))) return 1;
    return distance(a, a_len, b, b_len);
}

void nearest_try(struct nearest *n, const char *name) {
    const size_t a = strlen(n->word), b = strlen(name);
    const uint64_t work = (a + 1) * (uint64_t)(b + 1);
    if (b == 0 || a > LONGEST || b > LONGEST || n->work < work) return;
    n->work -= work;
    const size_t d = difference(n->word, a, name, b);
    if (d > n->distance || (d == n->distance && n->best)) return;
    n->best = name;
    n->distance = d;
}
