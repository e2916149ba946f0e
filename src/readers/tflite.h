/* TensorFlow Lite: a flatbuffer of tables, whose tensors name buffers. */
#ifndef ZN_READERS_TFLITE_H
#define ZN_READERS_TFLITE_H

#include "plan/plan.h"
#include "readers/view.h"

bool zn_tflite_knows(const uint8_t *head, size_t len);
zipnn_status zn_tflite_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err);

#endif
