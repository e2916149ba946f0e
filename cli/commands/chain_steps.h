/* Reads the folder of a chain. A step is an archive called NUMBER.NAME.znn, or a folder of archives called NUMBER.NAME, each
 * of which stands in the list with the same number. Its place in the chain follows only from
 * the digests that the archives hold: there is no further file that could be lost or contradict them. */
#ifndef ZIPNN_CLI_CHAIN_STEPS_H
#define ZIPNN_CLI_CHAIN_STEPS_H

#include "shared/run.h"

#define NO_STEP SIZE_MAX

/* A base that a step was made against. */
struct step_base {
    uint64_t length;
    uint8_t xxh3[16];
    char *name;
    size_t step; /* the step that holds it, an earlier one if possible; NO_STEP: none does */
};

struct step {
    uint64_t number;
    char *path;
    const char
        *name; /* of the original, within path; of a file in a folder with the folder's: "step-5/model.bin.znn" */
    size_t in_folder; /* length of the folder's name; 0: the step is one file */
    bool damaged;     /* cannot be opened, for the reason `why` */
    zipnn_error why;
    uint64_t original, stored;
    uint8_t xxh3[16];
    struct step_base *bases; /* none: it stands alone */
    unsigned n_bases;
};

struct steps {
    struct step *step; /* by number, then path */
    size_t n, cap;
    int lock; /* of the folder, held while it is changed */
};

/* Reads the folder. STEPS_CHANGE takes its lock first; STEPS_ADD also creates the folder. steps_close accepts a zeroed
 * struct. */
enum steps_use { STEPS_LOOK, STEPS_CHANGE, STEPS_ADD };
zipnn_status steps_open(struct run *run, const char *folder, enum steps_use use, struct steps *steps, zipnn_error *err);
void steps_close(struct steps *steps);

/* Reads "FIRST-LAST", two numbers of steps. */
bool steps_parse_range(const char *text, uint64_t *first, uint64_t *last);

/* Finds the step whose number is `text`, or the last one whose file or folder had that name, or the last one of all for
 * "last". Of a folder *index is one of its files. */
zipnn_status steps_find(const struct steps *steps, const char *text, size_t *index, zipnn_error *err);

/* step_parent returns the first base of the step that is in the chain, NO_STEP for none; step_missing the first that is
 * not, NULL for none. */
size_t step_parent(const struct step *step);
const struct step_base *step_missing(const struct step *step);

/* Forgets what the step was made from, since its file stands alone now. */
void step_forget_bases(struct step *step);

/* Returns whether the step `index` is among the bases of `step`. */
bool step_needs(const struct step *step, size_t index);

/* The opened files of a step and of all steps that it is made from, itself first. */
struct lineage {
    zipnn_file **files;
    zipnn_source *sources;
    const char **names;
    size_t n;
};
zipnn_status lineage_open(const struct steps *steps, size_t index, struct lineage *lineage, zipnn_error *err);
void lineage_close(struct lineage *lineage);

/* Returns how many steps a step is made from, directly or over others. */
size_t steps_depth(const struct steps *steps, size_t index);

/* Returns whether all of these are in the chain. */
bool steps_whole(const struct steps *steps, size_t index);

#endif
