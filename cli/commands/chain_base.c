/* Which step of a chain a new one is made against.
 *
 * A run writes several files in turn: the model, the optimizer, shards. Steps whose names agree but for numbers are those
 * of one file, its line. A step is made against one of its own line, if there is one, else against the last one.
 *
 * Where steps are large, each is made against the one before, and every tenth stands alone. Where they are small, as
 * those of reinforcement learning, a whole copy would cost more than all steps between two of them. There step p of a line,
 * counted from the last whole one, is made against p without its lowest digit to the base of 4: 1 < 2 < 3, 4 from 0, 5
 * from 4, 16 from 0. So a step is restored by at most three differences for each digit, and most of them are small. */
#include "commands/chain_base.h"

#include <stdlib.h>
#include <string.h>

#include "shared/filenames.h"
#include "shared/text.h"

enum {
    DEFAULT_EVERY = 10,
    RUNG = 4,
    SMALL = 8, /* a step is small if it takes less than 1/8 of a whole one */
    MOST = 4   /* a whole one is stored again when the differences of a step take 4 times as much as the last */
};

static unsigned most_of(unsigned a, unsigned b) {
    return a > b ? a : b;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t digits(const char *s) {
    size_t n = 0;
    while (is_digit(s[n])) n++;
    return n;
}

/* Returns how much two names agree: 0 if they differ in more than numbers, else 1 and the numbers that are equal. The
 * first name has the suffix of an archive besides. */
static unsigned agreement(const char *archive, const char *name) {
    unsigned equal = 1;
    while (*archive && *name) {
        const size_t n = digits(archive), m = digits(name);
        if ((n > 0) != (m > 0) || (n == 0 && *archive != *name)) return 0;
        equal += n > 0 && n == m && memcmp(archive, name, n) == 0;
        archive += n ? n : 1;
        name += m ? m : 1;
    }
    return *name == '\0' && strcmp(archive, ARCHIVE_SUFFIX) == 0 ? equal : 0;
}

/* Lists the steps of the name's line, all of its numbers' that agree most. Returns how many there are. */
static size_t list_line(const struct steps *steps, const char *name, size_t *line) {
    unsigned best = 1;
    size_t n = 0;
    for (size_t i = 0; i < steps->n; i++) best = most_of(best, agreement(steps->step[i].name, name));
    for (size_t i = 0; i < steps->n; i++)
        if (agreement(steps->step[i].name, name) == best) line[n++] = i;
    return n;
}

/* Returns the bytes of the differences that restore a step. */
static uint64_t path_bytes(const struct steps *steps, size_t index) {
    uint64_t sum = 0;
    for (size_t i = index; i != NO_STEP && steps->step[i].n_bases; i = step_parent(&steps->step[i]))
        sum += steps->step[i].stored;
    return sum;
}

static size_t base_in_line(const struct steps *steps, const size_t *line, size_t n) {
    const size_t last = line[n - 1];
    size_t whole = n - 1;
    while (whole > 0 && steps->step[line[whole]].n_bases) whole--;
    const struct step *key = &steps->step[line[whole]];
    if (whole == n - 1) return last;
    if (key->n_bases || steps->step[last].stored > key->stored / SMALL)
        return steps_depth(steps, last) + 1 < DEFAULT_EVERY ? last : NO_STEP;
    const size_t p = n - whole;
    size_t rung = 1;
    while (p % (rung * RUNG) == 0) rung *= RUNG;
    const size_t base = line[whole + p - rung];
    if (path_bytes(steps, base) > key->stored * MOST) return NO_STEP;
    return steps_whole(steps, base) ? base : last;
}

size_t chain_base(const struct steps *steps, const char *name, size_t every) {
    if (steps->n == 0) return NO_STEP;
    size_t *line = text_realloc(NULL, steps->n * sizeof *line);
    size_t n = list_line(steps, name, line);
    while (n && !steps_whole(steps, line[n - 1])) n--;
    const size_t last = n ? line[n - 1] : steps->n - 1;
    size_t base;
    if (n && !every)
        base = base_in_line(steps, line, n);
    else
        base = steps_depth(steps, last) + 1 < (every ? every : DEFAULT_EVERY) ? last : NO_STEP;
    free(line);
    return base != NO_STEP && steps_whole(steps, base) ? base : NO_STEP;
}
