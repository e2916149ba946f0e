"""Where zipnn 0.x kept its coder."""

raise ImportError("zipnn_core is gone: call zipnn.compress and zipnn.decompress, or use zipnn.ZipNN")
