/* Threads for a product. */
#ifndef PYZ_HANDS_H
#define PYZ_HANDS_H

#include <stdint.h>

enum { PYZ_MOST_HANDS = 64 };

/* Runs work(arg) on at most n threads, of which this is one, and returns when all are done. `parallel` is the address of
 * GOMP_parallel, or 0: with it the threads are OpenMP's. They spin for a while after other work, and would keep
 * processors from threads of ours. No thread touches Python; `work` claims from arg what it does until nothing is left. */
void pyz_run_hands(uintptr_t parallel, unsigned n, void (*work)(void *arg), void *arg);

#endif
