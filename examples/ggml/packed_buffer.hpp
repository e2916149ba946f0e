// Weights of llama.cpp that stay packed in memory: see packed_buffer.cpp.
#pragma once
#include "ggml-backend.h"

// Makes ggml's CPU backend offer the buffer type, in which matrices of bf16 are packed when they are loaded. Call it once,
// before the first model is loaded or any other thread uses ggml. Returns the buffer type, which lives as long as the
// program.
ggml_backend_buffer_type_t packed_buffer_register();

// Returns how many bytes of memory packed matrices take now, and in *plain how many they would take unpacked.
size_t packed_buffer_held(size_t * plain);
