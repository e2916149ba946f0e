"""Where zipnn 0.x kept its coder.

It is a package, which Python prefers to the module of this name that the distribution `zipnn` installs: where that
distribution was installed after ours and took our files, its import comes here.
"""

from zipnn.beside import found

raise ImportError(found() or "zipnn_core is gone: call zipnn.compress and zipnn.decompress, or use zipnn.ZipNN")
