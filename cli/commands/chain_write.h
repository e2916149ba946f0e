/* Writes steps of a chain: a new file is complete, on the device and read back before it gets its name. */
#ifndef ZIPNN_CLI_CHAIN_WRITE_H
#define ZIPNN_CLI_CHAIN_WRITE_H

#include "commands/chain_steps.h"
#include "shared/run_report.h"

/* A context that knows a lineage. */
zipnn_status chain_context(struct run *run, const struct lineage *l, zipnn_ctx **ctx, zipnn_error *err);

/* The original of a new step: `source`, which reads `file`. The step gets the permissions and times of `file`. */
struct intake {
    const char *path;
    const zipnn_file *file;
    zipnn_source source;
    const uint8_t *expected; /* digest that it must have; NULL for any */
};

typedef zipnn_status write_fn(struct run *run, const struct steps *steps, size_t base, const struct intake *in,
                              const char *path, unsigned flags, struct outcome *outcome, zipnn_error *err);

/* Stores `in` at `path` against the step `base`, NO_STEP for one that stands alone. */
write_fn write_step;

/* Does the same, and tries the base of the base if one cannot be used: a step that holds the same original, or was made
 * from it, is no base. */
write_fn write_step_near;

/* Replaces the file of a step by one that is made against another step. */
zipnn_status rewrite_step(struct run *run, const struct steps *steps, size_t index, size_t base, write_fn *write,
                          zipnn_error *err);

#endif
