/* Rounds: contenders take turns, so that what disturbs the machine disturbs them all, and every time is printed.
 *
 * One JSON object per contender: {"group":G,"name":N,"bytes":B,"seconds":[one time per round]}. A round that warms up
 * comes first and is not reported.
 */
#ifndef ZN_BENCH_ROUNDS_H
#define ZN_BENCH_ROUNDS_H

#include <stddef.h>
#include <stdint.h>

#include "zipnn/zipnn.h"

struct contender {
    const char *name;
    void (*run)(void *arg);
    void *arg;
    void (*before)(void *arg), (*after)(void *arg); /* not timed; may be NULL */
};

/* Runs n contenders for `n_rounds` rounds. Each round makes `reps` calls of `run`, and a time is that of one call. */
void rounds_run(const char *group, size_t bytes, unsigned n_rounds, unsigned reps, const struct contender *contenders,
                size_t n);

double seconds_now(void);

/* Returns memory in large pages if possible, every page touched. Ends the program when there is none. */
void *room_alloc(size_t len);

/* Ends the program with the library's message when a call failed. */
void must(zipnn_status status, const zipnn_error *err);
void die(const char *what);

/* Returns a context of the given options, which lives as long as the benchmark. */
zipnn_ctx *context_of(int level, unsigned threads, zipnn_verify verify, zipnn_dtype dtype, zipnn_cpu cpu);

/* Reads a whole file into memory of room_alloc. */
uint8_t *file_read(const char *path, size_t *len);

#endif
