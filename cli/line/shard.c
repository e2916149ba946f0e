#include "line/shard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SHARDS = 1000000 };

/* What counts the processes of an array: the variable, and the number of the first of them. */
static const struct counter {
    const char *index;
    unsigned long first;
} counters[] = {{"SLURM_ARRAY_TASK_ID", 0}, {"JOB_COMPLETION_INDEX", 0}, {"PARALLEL_SEQ", 1}};

/* Reads a number that is all of the text up to `stop`. */
static bool parse_number(const char *text, char stop, unsigned long *number, const char **end) {
    char *after;
    errno = 0;
    *number = text && *text >= '0' && *text <= '9' ? strtoul(text, &after, 10) : 0;
    if (!text || *text < '0' || *text > '9' || errno || *after != stop) return false;
    *end = after;
    return true;
}

static bool set_shard(unsigned long i, unsigned long n, struct args *a, struct wrong *w) {
    if (n == 0 || n > MOST_SHARDS || i >= n)
        return say_wrong(w, "--shard: %lu of %lu shards: it takes 0 to N-1, and N up to %d", i, n, MOST_SHARDS);
    a->shard = (unsigned)i;
    a->n_shards = (unsigned)n;
    return true;
}

/* Slurm alone tells how many there are. An array that does not begin with 0 or has gaps may be a second try of some tasks of
 * a larger one, whose parts of the list are others. */
static bool count_of_slurm(unsigned long *n, struct wrong *w) {
    unsigned long least, most, count;
    const char *end;
    if (!parse_number(getenv("SLURM_ARRAY_TASK_COUNT"), '\0', &count, &end) ||
        !parse_number(getenv("SLURM_ARRAY_TASK_MIN"), '\0', &least, &end) ||
        !parse_number(getenv("SLURM_ARRAY_TASK_MAX"), '\0', &most, &end))
        return say_wrong(w, "--shard auto: SLURM_ARRAY_TASK_COUNT, _MIN and _MAX are not all set: give --shard auto/N");
    if (least != 0 || most + 1 != count)
        return say_wrong(w,
                         "--shard auto: this array has %lu tasks from %lu to %lu, and 0 to N-1 are expected: give "
                         "--shard auto/N, with the N of the first try",
                         count, least, most);
    *n = count;
    return true;
}

static bool find_counter(const struct counter **counter, struct wrong *w) {
    *counter = NULL;
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        if (!getenv(counters[i].index)) continue;
        if (*counter)
            return say_wrong(w, "--shard auto: both %s and %s are set: give --shard I/N", (*counter)->index,
                             counters[i].index);
        *counter = &counters[i];
    }
    if (*counter) return true;
    return say_wrong(w, "--shard auto: none of %s, %s and %s is set: give --shard I/N", counters[0].index,
                     counters[1].index, counters[2].index);
}

/* `count` is the text after "auto". */
static bool parse_auto(const char *count, struct args *a, struct wrong *w) {
    const struct counter *counter;
    const char *end;
    unsigned long i, n = 0;
    if (*count && (*count != '/' || !parse_number(count + 1, '\0', &n, &end)))
        return say_wrong(w, "--shard takes I/N, auto or auto/N, not \"auto%.40s\"", count);
    if (!find_counter(&counter, w)) return false;
    if (!parse_number(getenv(counter->index), '\0', &i, &end) || i < counter->first)
        return say_wrong(w, "--shard auto: %s is \"%.40s\", and a number from %lu on is expected", counter->index,
                         getenv(counter->index), counter->first);
    if (!*count && counter != &counters[0])
        return say_wrong(w, "--shard auto: %s does not tell how many shards there are: give --shard auto/N",
                         counter->index);
    if (!*count && !count_of_slurm(&n, w)) return false;
    return set_shard(i - counter->first, n, a, w);
}

bool shard_parse(const char *text, struct args *a, struct wrong *w) {
    unsigned long i, n = 0;
    const char *end;
    if (strncmp(text, "auto", 4) == 0) return parse_auto(text + 4, a, w);
    if (!parse_number(text, '/', &i, &end) || !parse_number(end + 1, '\0', &n, &end))
        return say_wrong(w, "--shard takes I/N, auto or auto/N, not \"%.40s\"", text);
    return set_shard(i, n, a, w);
}
