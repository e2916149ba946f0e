"""The promises of bench/promises.py on entries made by hand, and the coders that weights.py counts."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import promises

try:
    import numpy
    import weights
except ImportError:
    numpy = None


def entry(file="f", kind="bf16", plain=900, original=100_000, **archives):
    """_3=N is our level 3, other names are peers."""
    methods = {f"zipnn -{name[1:]}" if name[0] == "_" else name: {"archive": n} for name, n in archives.items()}
    return {"file": file, "kind": kind, "group": "small", "original": original, "plain": plain, "methods": methods}


def found(offenders):
    return [(o.file, o.method, o.rival, round(o.points, 3)) for o in offenders]


class Monotone(unittest.TestCase):
    def test_a_hundredth_of_a_point_is_allowed(self):
        self.assertEqual(found(promises.not_monotone([entry(_1=700, _3=710, _6=710, _9=700)])), [])

    def test_more_is_an_offence(self):
        offenders = promises.not_monotone([entry(_1=700, _3=711, _6=690, _9=690)])
        self.assertEqual(found(offenders), [("f", "zipnn -3", "zipnn -1", 0.011)])

    def test_every_faster_level_counts(self):
        offenders = promises.not_monotone([entry(_1=700, _3=680, _6=690, _9=695)])
        self.assertEqual(found(offenders), [("f", "zipnn -9", "zipnn -3", 0.015)])

    def test_levels_that_were_not_measured_are_passed_over(self):
        self.assertEqual(found(promises.not_monotone([entry(_9=100)])), [])
        self.assertEqual(found(promises.not_monotone([entry(_1=100, _9=200)])), [("f", "zipnn -9", "zipnn -1", 0.1)])


class Order0(unittest.TestCase):
    def test_one_byte_more_is_an_offence(self):
        self.assertEqual(found(promises.above_order0([entry(_1=900, _3=900, _6=900, _9=900)])), [])
        offenders = promises.above_order0([entry(_1=901, _3=900)])
        self.assertEqual(found(offenders), [("f", "zipnn -1", "order 0", 0.001)])


class NeverBehind(unittest.TestCase):
    def test_level_6_is_behind_nobody(self):
        self.assertEqual(found(promises.never_behind([entry(_3=700, _6=600, OpenZL=600, lmzip=650)])), [])
        offenders = promises.never_behind([entry(_3=700, _6=600, OpenZL=500)])
        self.assertEqual(found(offenders), [("f", "zipnn -6", "OpenZL", 0.1)])

    def test_level_3_is_behind_nobody_on_dense_models(self):
        offenders = promises.never_behind([entry("minilm", _3=700, _6=600, lmzip=650)])
        self.assertEqual(found(offenders), [("minilm", "zipnn -3", "lmzip", 0.05)])

    def test_a_quantised_type_is_not_dense(self):
        self.assertFalse(promises.is_dense(entry("minilm", "int8-rows")))
        self.assertTrue(promises.is_dense(entry("minilm", "fp8")))

    def test_a_peer_that_left_a_file_out_is_no_rival(self):
        self.assertEqual(promises.behind([entry(_3=700)], "lmzip", "zipnn -3"), [])


@unittest.skipUnless(numpy, "needs numpy")
class PlainCoder(unittest.TestCase):
    def test_the_entropy_of_four_equal_symbols_is_two_bits(self):
        self.assertEqual(weights.byte_entropy(bytes([1, 2, 3, 4] * 100)), 100)

    def test_a_table_costs_its_symbols(self):
        counts = numpy.bincount(numpy.array([1, 2, 3, 4] * 100), minlength=256)
        self.assertEqual(weights.with_table(counts), 100 + 32 + 6 + 4)

    def test_noise_stays_raw(self):
        data = numpy.random.default_rng(1).bytes(4096)
        self.assertEqual(weights.plain(data, "U8"), 4096)
        self.assertEqual(weights.plain(b"", "U8"), 0)

    def test_floats_take_the_better_of_exponents_and_bytes(self):
        random = numpy.random.default_rng(1)
        mantissas = random.integers(0, 128, 1 << 16)
        words = (mantissas | (127 << 7) | random.integers(0, 2, 1 << 16) << 15).astype("<u2")
        exponents = (1 << 16) + 32 + 1.5 + 4  # one exponent: the table alone
        self.assertLess(abs(weights.plain(words.tobytes(), "BF16") - exponents), 1)
        same = numpy.full(1 << 16, 0x3F80, "<u2")
        self.assertEqual(weights.plain(same.tobytes(), "BF16"), 2 * (32 + 1.5 + 4))

    def test_tables_for_each_tensor_where_they_pay(self):
        parts = [bytes([value] * 4096) for value in range(8)]
        tensors = [weights.Tensor(str(i), "U8", [4096], part) for i, part in enumerate(parts)]
        self.assertEqual(weights.plain_coder(100, tensors), 100 + 8 * (32 + 1.5 + 4))


@unittest.skipUnless(numpy, "needs numpy")
class Report(unittest.TestCase):
    def test_what_was_left_out_is_a_dash(self):
        import ratio_report

        entries = [entry("a", _3=50_000, lmzip=60_000), entry("b", _3=70_000)]
        for e in entries:
            e |= {"family": e["file"], "ideal": 80_000}
        rows = ratio_report.kind_rows(entries, ["lmzip", "zipnn -3"])
        self.assertEqual(rows[0], ["bf16, total", "2", "0.2", "80.00", "-", "60.00"])

    def test_families_weigh_the_same(self):
        import ratio_report

        entries = [entry("a__1", _3=50_000), entry("a__2", _3=70_000), entry("b", _3=80_000)]
        for e in entries:
            e["family"] = e["file"].split("__")[0]
        mean = ratio_report.family_mean(entries, lambda files: ratio_report.mean(files, "zipnn -3"))
        self.assertEqual(mean, 70)


if __name__ == "__main__":
    unittest.main()
