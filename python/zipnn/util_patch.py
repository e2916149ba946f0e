"""Where zipnn 0.x kept how it patched child processes."""

raise ImportError("zipnn.util_patch is gone: zipnn.zipnn_hf() also patches the processes that this one starts")
