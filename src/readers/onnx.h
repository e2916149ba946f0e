/* ONNX: a protobuf message whose tensors hold their bytes. */
#ifndef ZN_READERS_ONNX_H
#define ZN_READERS_ONNX_H

#include "plan/plan.h"
#include "readers/view.h"

/* Returns whether this may be ONNX. It has no magic number, only a version number and a field that all models have. */
bool zn_onnx_knows(const uint8_t *head, size_t len);
zipnn_status zn_onnx_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err);

#endif
