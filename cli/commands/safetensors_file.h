/* Headers of safetensors files. */
#ifndef ZIPNN_CLI_SAFETENSORS_FILE_H
#define ZIPNN_CLI_SAFETENSORS_FILE_H

#include "commands/parts.h"
#include "shared/output.h"

/* Returns ZIPNN_E_ARGUMENT if the format cannot hold these parts: because it lacks an element type, or because elements
 * do not fill whole bytes. */
zipnn_status safetensors_check(const struct part *parts, size_t n, zipnn_error *err);

/* Writes the header of a file that holds these parts, one after the other. */
zipnn_status safetensors_put_head(struct output *out, const struct part *parts, size_t n, zipnn_error *err);

#endif
