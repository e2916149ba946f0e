"""Section 5.3 of doc/format.md: floats by joint symbols, and back."""

import struct

F16, R16, BITS, R16W, RAW = 7, 2, 7, 8, 0
# (inner layout, bits of the mantissa in a symbol): bits of each plane; what is left of the word follows from the symbol
JOINT_BITS = {(2, 1): (7, 8), (4, 1): (8, 8, 7, 8), (F16, 1): (8, 2, 6), (2, 2): (6, 8), (4, 2): (8, 8, 6, 8)}
EXPONENT_AT = {2: 7, 4: 23, F16: 10}
WORD = {2: "H", 4: "I"}


def most_base(inner, n_bits):
    return 0 if inner == F16 else 192 if n_bits == 2 else 128


def decode_joint(r, n_head, orig_len, demand, support, decode):
    """From the inner layout on."""
    inner, n_bits, base = r.uint(1), r.uint(1), r.uint(1)
    support((inner, n_bits) in JOINT_BITS, f"joint symbols of layout {inner} with {n_bits} bits")
    bits = JOINT_BITS[inner, n_bits]
    width = (sum(bits) + 2) // 8
    demand(base <= most_base(inner, n_bits), f"base {base}")
    demand((n_head < width or n_bits == 2) and n_head <= orig_len, f"{n_head} head bytes")
    n, n_tail = divmod(orig_len - n_head, width)
    head, tail = r.take(n_head), r.take(n_tail)
    records = [(r.uint(1), r.uint(4)) for _ in bits]
    demand(sum(length for _, length in records) == r.left(), "the planes do not fill the body")
    codecs, planes = [RAW] * (len(bits) - 2) + [BITS, R16W if n_bits == 2 else R16], []
    support([codec for codec, _ in records] == codecs, f"codecs of planes of joint symbols: {records}")
    for p, (codec, length) in enumerate(records):
        coded = r.take(length)
        if codec == BITS:
            demand(coded[:2] == bytes([(1 << bits[p]) - 1, 0]), "mask of a packed plane")
        planes.append(decode(codec, coded, n))
    demand(n >= 1, "no elements")
    words, exponent = [], EXPONENT_AT[inner]
    for parts in zip(*planes):
        rotated, at = 0, 0
        for part, part_bits in zip(parts, bits):
            demand(part >> part_bits == 0, "part of a word is too large")
            rotated, at = rotated | part << at, at + part_bits
        word = rotated >> 1 | (rotated & 1) << (8 * width - 1)
        words.append(word + (base << exponent) * (word >> exponent & 255 > 0))
    return head + struct.pack(f"<{n}{WORD[width]}", *words) + tail
