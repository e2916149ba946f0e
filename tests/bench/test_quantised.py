"""Each type that bench/quantised.py writes stands for the weights it was made from."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

try:
    import gguf
    import ml_dtypes
    import numpy
    import quantised
except ImportError:
    gguf = None

ROWS, COLUMNS = 256, 384
DTYPES = {"I8": "i1", "U8": "u1", "I32": "<i4", "F16": "<f2", "F32": "<f4"}


def arrays_of(tensors):
    """{name: array} of tensors, fp8 as float32."""
    small = {"BF16": ml_dtypes.bfloat16, "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2}
    return {t.name: numpy.frombuffer(t.data, small.get(t.dtype) or DTYPES[t.dtype]).reshape(t.shape) for t in tensors}


def error(w, back):
    """The root of the mean square of the difference, of the weights' own."""
    return float(numpy.sqrt(((back - w) ** 2).mean() / (w**2).mean()))


def nibbles_of(words, order):
    """The codes of int32 words of eight, in the order of numbers."""
    parts = numpy.stack([words.view("<u4") >> (4 * i) & 15 for i in range(8)], axis=-1)
    codes = numpy.empty_like(parts)
    codes[..., list(order)] = parts
    return codes.reshape(*words.shape[:-1], -1).astype("f4")


@unittest.skipUnless(gguf, "needs numpy, ml_dtypes and gguf")
class Types(unittest.TestCase):
    def setUp(self):
        random = numpy.random.default_rng(7)
        scale = 0.02 * numpy.exp(0.3 * random.standard_normal((ROWS, 1)))
        self.w = (random.standard_normal((ROWS, COLUMNS)) * scale).astype("f4")

    def test_gguf_types_decode_to_the_weights(self):
        most = {"Q8_0": 0.01, "Q6_K": 0.03, "Q5_0": 0.06, "Q5_1": 0.06, "Q4_0": 0.12, "Q4_1": 0.12, "Q4_K": 0.1}
        self.assertEqual(set(most), set(quantised.GGUF_TYPES))
        with tempfile.TemporaryDirectory() as folder:
            for kind, at_most in most.items():
                path = quantised.write(pathlib.Path(folder), {"w": self.w, "b": self.w[0]}, kind)
                tensors = {t.name: t for t in gguf.GGUFReader(str(path)).tensors}
                self.assertEqual(tensors["w"].tensor_type.name, kind)
                back = gguf.quants.dequantize(tensors["w"].data, tensors["w"].tensor_type).reshape(self.w.shape)
                self.assertLess(error(self.w, back), at_most, kind)
                self.assertEqual(tensors["b"].data.tobytes(), self.w[0].tobytes())

    def test_gptq_decodes_as_its_kernels_do(self):
        t = arrays_of(quantised.gptq("l.weight", self.w))
        codes = nibbles_of(numpy.ascontiguousarray(t["l.qweight"].T), range(8)).T  # (K, N)
        zeros = (nibbles_of(t["l.qzeros"], range(8)) + 1) % 16  # stored less one
        group = t["l.g_idx"]
        back = (codes - zeros[group]) * t["l.scales"].astype("f4")[group]
        self.assertLess(error(self.w, back.T), 0.12)

    def test_awq_decodes_as_its_kernels_do(self):
        t = arrays_of(quantised.awq("l.weight", self.w))
        codes, zeros = (nibbles_of(t[f"l.{part}"], quantised.AWQ_ORDER) for part in ("qweight", "qzeros"))
        group = numpy.arange(COLUMNS) // quantised.GROUP
        back = (codes - zeros[group]) * t["l.scales"].astype("f4")[group]
        self.assertLess(error(self.w, back.T), 0.12)

    def test_fp4_decodes_with_its_scales(self):
        values = numpy.arange(16, dtype="u1").view(ml_dtypes.float4_e2m1fn).astype("f4")
        t = arrays_of(quantised.mxfp4("l.weight", self.w))
        codes = numpy.stack([t["l_blocks"] & 15, t["l_blocks"] >> 4], axis=-1).reshape(ROWS, -1, 32)
        back = values[codes] * numpy.exp2(t["l_scales"].astype("f4") - 127)[:, :, None]
        self.assertLess(error(self.w, back.reshape(self.w.shape)), 0.15)
        t = arrays_of(quantised.nvfp4("l.weight", self.w))
        codes = numpy.stack([t["l.weight"] & 15, t["l.weight"] >> 4], axis=-1).reshape(ROWS, -1, 16)
        back = values[codes] * t["l.weight_scale"].astype("f4")[:, :, None] * t["l.weight_scale_2"]
        self.assertLess(error(self.w, back.reshape(self.w.shape)), 0.15)

    def test_scaled_bytes_decode(self):
        t = arrays_of(quantised.int8_rows("w", self.w))
        self.assertLess(error(self.w, t["w"].astype("f4") * t["w_scale"].astype("f4")), 0.02)
        t = arrays_of(quantised.fp8_tiles("w", self.w))
        scale = numpy.kron(t["w_scale_inv"], numpy.ones((128, 128), "f4"))
        self.assertLess(error(self.w, t["w"].astype("f4") * scale), 0.04)
        t = arrays_of(quantised.fp8_rows("w", self.w))
        self.assertLess(error(self.w, t["w"].astype("f4") * t["w_scale"]), 0.08)
        t = arrays_of(quantised.fp8_tensor("w", self.w))
        self.assertLess(error(self.w, t["w"].astype("f4") * t["w_scale"]), 0.04)

    def test_dequantised_weights_have_few_values(self):
        t = arrays_of(quantised.dequantised_int8("w", self.w))
        self.assertLessEqual(max(len(numpy.unique(row)) for row in t["w"]), 255)
        t = arrays_of(quantised.dequantised_int4("w", self.w))
        groups = t["w"].reshape(-1, quantised.GROUP)
        self.assertLessEqual(max(len(numpy.unique(group)) for group in groups), 16)

    def test_copies_differ_in_few_words(self):
        x = quantised.bf16(self.w)
        for change, low, high in ((quantised.changed, 0.005, 0.015), (quantised.noisy, 0.001, 0.1)):
            y = change(x, numpy.random.default_rng(1))
            part = float((x.view("u2") != y.view("u2")).mean())
            self.assertTrue(low < part < high, (change.__name__, part))

    def test_a_file_is_the_same_each_time(self):
        with tempfile.TemporaryDirectory() as folder:
            for kind in ("experts-noise", "nvfp4", "Q4_K"):
                model = {"a": numpy.tile(self.w, (6, 1)), "b": self.w}
                first = quantised.write(pathlib.Path(folder), model, kind).read_bytes()
                self.assertEqual(quantised.write(pathlib.Path(folder), model, kind).read_bytes(), first)

    def test_no_scale_is_no_division(self):
        zero = numpy.zeros((ROWS, COLUMNS), "f4")
        for quantise in quantised.TENSOR_TYPES.values():
            for array in arrays_of(quantise("w.weight", zero)).values():
                self.assertTrue(numpy.isfinite(array.astype("f4")).all(), quantise.__name__)


if __name__ == "__main__":
    unittest.main()
