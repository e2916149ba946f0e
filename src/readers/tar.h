/* Reads tar archives of model files (.nemo, .tar): each member is read as a file of its own. */
#ifndef ZN_READERS_TAR_H
#define ZN_READERS_TAR_H

#include "plan/plan.h"
#include "readers/view.h"

bool zn_tar_knows(const uint8_t *head, size_t len);
zipnn_status zn_tar_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err);

#endif
