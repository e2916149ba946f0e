/* Files of ggml before GGUF (whisper.cpp, rwkv.cpp, llama.cpp until 2023): a magic number, settings and a vocabulary in
 * the form of each program, then one tensor after the other. */
#ifndef ZN_READERS_GGML_H
#define ZN_READERS_GGML_H

#include "plan/plan.h"
#include "readers/view.h"

bool zn_ggml_knows(const uint8_t *head, size_t len);
zipnn_status zn_ggml_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err);

#endif
