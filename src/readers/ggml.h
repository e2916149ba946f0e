/* Files of ggml before GGUF (whisper.cpp, rwkv.cpp, llama.cpp until 2023): a magic, settings of the model and a
 * vocabulary, each program's own, then tensors one after the other. */
#ifndef ZN_READERS_GGML_H
#define ZN_READERS_GGML_H

#include "plan/plan.h"
#include "readers/view.h"

bool zn_ggml_knows(const uint8_t *head, size_t len);
zipnn_status zn_ggml_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err);

#endif
