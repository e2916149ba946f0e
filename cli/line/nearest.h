/* Of many names, the one that was meant by a word that is none of them. */
#ifndef ZIPNN_CLI_NEAREST_H
#define ZIPNN_CLI_NEAREST_H

#include <stddef.h>
#include <stdint.h>

struct nearest {
    const char *word, *best; /* best: NULL as long as none is near */
    size_t distance;         /* of the best: a third of the word at most */
    uint64_t work;           /* that may still be done: the rest of very many names is not looked at */
};

struct nearest nearest_to(const char *word);

/* Looks at one more name, which must outlive `n`. */
void nearest_try(struct nearest *n, const char *name);

#endif
