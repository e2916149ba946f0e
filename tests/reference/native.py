"""XXH3 and zstd for the scripts of this folder: from the Python modules when they are installed, else from the shared
libraries that come with the system. Importing this ends the program with status 77 when neither is there."""

import ctypes
import ctypes.util
import sys

SKIPPED = 77


class _Pair(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def _library(name, *files):
    for file in (*files, ctypes.util.find_library(name)):
        try:
            if file:
                return ctypes.CDLL(file)
        except OSError:
            pass
    print(f"skipped: neither the Python module nor the shared library of {name} is installed")
    sys.exit(SKIPPED)


def _function(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    return function


try:
    import xxhash

    xxh3_64 = xxhash.xxh3_64_intdigest
    xxh3_128 = xxhash.xxh3_128_digest
except ImportError:
    _xxhash = _library("xxhash", "libxxhash.so.0", "libxxhash.dylib")
    _xxh3_64bits = _function(_xxhash, "XXH3_64bits", ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t)
    _xxh3_128bits = _function(_xxhash, "XXH3_128bits", _Pair, ctypes.c_char_p, ctypes.c_size_t)

    def xxh3_64(data):
        return _xxh3_64bits(bytes(data), len(data))

    def xxh3_128(data):
        pair = _xxh3_128bits(bytes(data), len(data))
        return pair.high.to_bytes(8, "big") + pair.low.to_bytes(8, "big")


try:
    import zstandard

    def zstd_compress(data):
        return zstandard.ZstdCompressor().compress(bytes(data))

    def zstd_decompress(frame, size):
        """The content of exactly one frame, or None."""
        decoder = zstandard.ZstdDecompressor().decompressobj()
        try:
            content = decoder.decompress(bytes(frame))
        except zstandard.ZstdError:
            return None
        return content if decoder.eof and not decoder.unused_data and len(content) == size else None

except ImportError:
    _zstd = _library("zstd", "libzstd.so.1", "libzstd.dylib")
    _bytes_in_out = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
    _compress = _function(_zstd, "ZSTD_compress", ctypes.c_size_t, *_bytes_in_out, ctypes.c_int)
    _decompress = _function(_zstd, "ZSTD_decompress", ctypes.c_size_t, *_bytes_in_out)
    _frame_size = _function(
        _zstd, "ZSTD_findFrameCompressedSize", ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t
    )

    def zstd_compress(data):
        out = ctypes.create_string_buffer(len(data) + 1024)
        n = _compress(out, len(out), bytes(data), len(data), 3)
        return out.raw[:n]

    def zstd_decompress(frame, size):
        """The content of exactly one frame, or None."""
        out = ctypes.create_string_buffer(size + 1)
        if _frame_size(bytes(frame), len(frame)) != len(frame):
            return None
        return out.raw[:size] if _decompress(out, size, bytes(frame), len(frame)) == size else None
