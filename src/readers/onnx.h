/* ONNX: a protobuf message whose tensors hold their bytes. */
#ifndef ZN_READERS_ONNX_H
#define ZN_READERS_ONNX_H

#include "plan/plan.h"
#include "readers/view.h"

/* The format has no magic: a version number and then a field that models have. */
bool zn_onnx_knows(const uint8_t *head, size_t len);
zipnn_status zn_onnx_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err);

#endif
