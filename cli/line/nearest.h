/* Finds which of many names was meant by a misspelt word. */
#ifndef ZIPNN_CLI_NEAREST_H
#define ZIPNN_CLI_NEAREST_H

#include <stddef.h>
#include <stdint.h>

struct nearest {
    const char *word, *best; /* best: NULL as long as none is similar */
    size_t distance;         /* of the best: at most a third of the word */
    uint64_t work;           /* that may still be done: of very many names the last ones are not compared */
};

struct nearest nearest_to(const char *word);

/* Compares one more name, which must outlive `n`. */
void nearest_try(struct nearest *n, const char *name);

#endif
