"""Sections 5.3 and 5.5 of doc/format.md: floats by joint symbols, and by what columns foretell of these, and back."""

import struct

F16, R16, BITS, R16W, R32, RAW = 7, 2, 7, 8, 9, 0
# (inner layout, bits of the mantissa in a symbol): bits of each plane; what is left of the word follows from the symbol
JOINT_BITS = {(2, 1): (7, 8), (4, 1): (8, 8, 7, 8), (F16, 1): (8, 2, 6), (2, 2): (6, 8), (4, 2): (8, 8, 6, 8)}
EXPONENT_AT = {2: 7, 4: 23, F16: 10}
WORD = {2: "H", 4: "I"}


def most_base(inner, n_bits):
    return 0 if inner == F16 else 192 if n_bits == 2 else 128


class Columns:
    """What the rows before foretell of each symbol."""

    def __init__(self, start, fast, slow, stride):
        self.fast, self.slow, self.stride, self.means, self.start = fast, slow, stride, {}, start

    def foretold(self, i):
        return (self.means.get(i % self.stride, 128 * self.start) + 64) // 128

    def learn(self, i, symbol):
        row, column = divmod(i, self.stride)
        mean = self.means.get(column, 128 * self.start)
        distance = max(-1024, min(1024, 128 * symbol - mean))
        self.means[column] = mean + (distance >> min(self.slow, (row + (1 << self.fast)).bit_length() - 1))

    def symbols(self, differences):
        symbols = bytearray()
        for i, difference in enumerate(differences):
            symbols.append((difference - 128 + self.foretold(i)) % 256)
            self.learn(i, symbols[i])
        return bytes(symbols)

    def differences(self, symbols):
        differences = bytearray()
        for i, symbol in enumerate(symbols):
            differences.append((symbol + 128 - self.foretold(i)) % 256)
            self.learn(i, symbol)
        return bytes(differences)


def read_columns(r, demand):
    start, rates, stride = r.uint(1), r.uint(1), r.uint(4)
    fast, slow = rates & 15, rates >> 4
    demand(fast <= slow <= 7, f"columns learn by {fast} to {slow}")
    demand(stride >= 64, f"rows of {stride} elements")
    return Columns(start, fast, slow, stride)


def decode_joint(r, n_head, orig_len, tools, by_columns=False):
    """From the inner layout on."""
    demand, support, decode = tools
    inner, n_bits, base = r.uint(1), r.uint(1), r.uint(1)
    support((inner, n_bits) in JOINT_BITS and (n_bits == 2 or not by_columns), f"joint symbols of layout {inner} with {n_bits} bits")
    bits = JOINT_BITS[inner, n_bits]
    width = (sum(bits) + 2) // 8
    demand(base <= most_base(inner, n_bits), f"base {base}")
    columns = read_columns(r, demand) if by_columns else None
    demand((n_head < width or n_bits == 2) and n_head <= orig_len, f"{n_head} head bytes")
    n, n_tail = divmod(orig_len - n_head, width)
    head, tail = r.take(n_head), r.take(n_tail)
    records = [(r.uint(1), r.uint(4)) for _ in bits]
    demand(sum(length for _, length in records) == r.left(), "the planes do not fill the body")
    codecs, planes = [RAW] * (len(bits) - 2) + [BITS, R16W if n_bits == 2 else R16], []
    used = [codec for codec, _ in records]
    support(used[-1] == codecs[-1] or (n_bits == 2 and used[-1] == R32), f"symbols by codec {used[-1]}")
    support(by_columns or used[:-1] == codecs[:-1], f"codecs of planes of joint symbols: {records}")
    demand(n >= 1, "no elements")
    for p, (codec, length) in enumerate(records):
        coded = r.take(length)
        if codec == BITS and not by_columns:
            demand(coded[:2] == bytes([(1 << bits[p]) - 1, 0]), "mask of a packed plane")
        planes.append(decode(codec, coded, n))
    if columns:
        planes[-1] = columns.symbols(planes[-1])
    words, exponent = [], EXPONENT_AT[inner]
    for parts in zip(*planes):
        rotated, at = 0, 0
        for part, part_bits in zip(parts, bits):
            demand(part >> part_bits == 0, "part of a word is too large")
            rotated, at = rotated | part << at, at + part_bits
        word = rotated >> 1 | (rotated & 1) << (8 * width - 1)
        words.append(word + (base << exponent) * (word >> exponent & 255 > 0))
    return head + struct.pack(f"<{n}{WORD[width]}", *words) + tail
