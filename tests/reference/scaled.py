"""Layout 18 of doc/format.md, section 5.1: floats that are integers times a scale, by fractions."""

from fractions import Fraction

# inner layout: bits of mantissa and of exponent
FLOATS = {2: (7, 8), 7: (10, 5)}
NONE = 0x7F800000


def value_of(pattern, mantissa, exponent):
    field, rest = pattern >> mantissa, pattern % (1 << mantissa)
    bias = (1 << exponent - 1) - 1
    whole = rest + (1 << mantissa) if field else rest
    return Fraction(whole) * Fraction(2) ** (max(field, 1) - bias - mantissa)


def nearest(x, mantissa, exponent):
    """The bits of the float nearest to x >= 0, halves to even."""
    bias = (1 << exponent - 1) - 1
    power = 1 - bias
    while x >= Fraction(2) ** (power + 1):
        power += 1
    pattern = (power + bias - 1 << mantissa) + round(x / Fraction(2) ** (power - mantissa))
    return min(pattern, (1 << exponent) - 1 << mantissa)


def product(q, scale, inner):
    if q == -128:
        return 0x8000
    wide = nearest(abs(q) * value_of(scale, 23, 8), 23, 8)
    if wide >> 23 == 255:
        mantissa, exponent = FLOATS[inner]
        return (1 << exponent) - 1 << mantissa | (q < 0) << 15
    return nearest(value_of(wide, 23, 8), *FLOATS[inner]) | (q < 0) << 15


def n_groups(n, group, first):
    return 1 + max(0, -(-(n - first) // group))


def decode_scaled(r, n_head, orig_len, demand, support, decode_inner):
    """From the inner layout on."""
    inner, group, first, scales_len, integers_len = (r.uint(n) for n in (1, 4, 4, 4, 4))
    support(inner in FLOATS, f"integers of layout {inner}")
    demand(n_head < 2 and n_head <= orig_len, f"{n_head} head bytes")
    n, n_tail = divmod(orig_len - n_head, 2)
    demand(n >= 64 and group >= 16 and 1 <= first <= group, f"{n} elements by {first} and {group}")
    bits = decode_inner(r.take(scales_len), 4 * n_groups(n, group, first))
    scales = [int.from_bytes(bits[i : i + 4], "little") for i in range(0, len(bits), 4)]
    demand(all(scale <= NONE for scale in scales), "a scale that is no number, or negative")
    bytes_ = decode_inner(r.take(integers_len), n_head + n + n_tail)
    scale_of = [scales[0 if i < first else 1 + (i - first) // group] for i in range(n)]
    rest_len = 2 * scale_of.count(NONE)
    demand(rest_len > 0 or r.left() == 0, "a rest of nothing")
    rest = decode_inner(r.take(r.left()), rest_len) if rest_len else b""
    known, out, used = {}, bytearray(bytes_[:n_head]), 0
    for byte, scale in zip(bytes_[n_head:], scale_of):
        if scale == NONE:
            out += rest[used : used + 2]
            used += 2
            continue
        if (byte, scale) not in known:
            known[byte, scale] = product((byte + 128) % 256 - 128, scale, inner).to_bytes(2, "little")
        out += known[byte, scale]
    return bytes(out) + bytes_[n_head + n :]
