/* Does the library on this machine give back what it was given? */
#ifndef ZIPNN_CLI_SELF_CHECK_H
#define ZIPNN_CLI_SELF_CHECK_H

#include <stddef.h>

/* What was found. */
struct self_check {
    unsigned n;      /* archives that were written and restored */
    unsigned wrong;  /* of these, archives that differ between instruction sets, or were not restored */
    char sets[80];   /* the instruction sets of this machine, best first: "avx512, avx2, scalar" */
    char first[120]; /* what is wrong with the first of those; "" if nothing is */
};

/* Codes samples with awkward distributions of many types at several levels. What the portable code encodes each
 * instruction set must decode, and encode to the same bytes. Takes about a second. */
void self_check_run(struct self_check *check);

#endif
