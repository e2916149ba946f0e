/* The folder of a chain. A step is an archive called NUMBER.NAME.znn; its place in the chain follows from the digests
 * that archives hold, and from nothing else: there is no further file that could be lost or contradict them. */
#ifndef ZIPNN_CLI_CHAIN_STEPS_H
#define ZIPNN_CLI_CHAIN_STEPS_H

#include "run.h"

#define NO_STEP SIZE_MAX

struct step {
    uint64_t number;
    char *path;
    const char *name; /* of the original, within path */
    bool damaged;     /* cannot be opened */
    uint64_t original, stored;
    uint8_t xxh3[16];
    bool has_base;     /* it is a difference ... */
    size_t parent;     /* ... from this step, an earlier one; NO_STEP when that is not here */
    uint64_t base_len; /* what it was made against */
    uint8_t base_xxh3[16];
    char *base_name;
};

struct steps {
    struct step *step; /* by number */
    size_t n, cap;
    int lock; /* of the folder, held while it is changed */
};

/* Reads the folder; to change it, its lock is taken first, and to add to it, it is made. steps_close accepts a zeroed
 * struct. */
enum steps_use { STEPS_LOOK, STEPS_CHANGE, STEPS_ADD };
zipnn_status steps_open(struct run *run, const char *folder, enum steps_use use, struct steps *steps, zipnn_error *err);
void steps_close(struct steps *steps);

/* The step that `text` names by its number. */
zipnn_status steps_find(const struct steps *steps, const char *text, size_t *index, zipnn_error *err);

/* The step and those it is made from, itself first, down to one that stands alone: their files, opened. */
struct lineage {
    zipnn_file **files;
    zipnn_source *sources;
    const char **names;
    size_t n;
};
zipnn_status lineage_open(const struct steps *steps, size_t index, struct lineage *lineage, zipnn_error *err);
void lineage_close(struct lineage *lineage);

/* How many steps lie between the step and one that stands alone. */
size_t steps_depth(const struct steps *steps, size_t index);

#endif
