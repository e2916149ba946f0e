"""Where programs for zipnn 0.x import the class from."""

from .classic import ZipNN

__all__ = ["ZipNN"]
