"""Section 5.4 of doc/format.md: values of quantised blocks, from bytes beside them, low bits and symbols, and back."""

from wide import escapes_of

# type: bytes of a record, its values, (at, bits, stride) of the low and the high bits, sides (at, length), values of a
# group, key
TYPES = [
    (34, 32, ((2, 8, 1),), ((0, 1), (1, 1)), 32, "half"),
    (18, 32, ((2, 4, 16),), ((0, 1), (1, 1)), 32, "half"),
    (20, 32, ((4, 4, 16),), ((0, 1), (1, 1), (2, 1), (3, 1)), 32, "zero"),
    (22, 32, ((6, 4, 16), (2, 1, 1)), ((0, 1), (1, 1)), 32, "half"),
    (24, 32, ((8, 4, 16), (4, 1, 1)), ((0, 1), (1, 1), (2, 1), (3, 1)), 32, "zero"),
    (110, 256, ((32, 2, 32), (0, 1, 32)), ((96, 12), (108, 1), (109, 1)), 16, "q3_k"),
    (144, 256, ((16, 4, 32),), ((0, 1), (1, 1), (2, 1), (3, 1), (4, 12)), 32, "zero_k"),
    (176, 256, ((48, 4, 32), (16, 1, 32)), ((0, 1), (1, 1), (2, 1), (3, 1), (4, 12)), 32, "zero_k"),
    (210, 256, ((0, 4, 64), (128, 2, 32)), ((192, 16), (208, 1), (209, 1)), 16, "q6_k"),
    (18, 32, ((2, 4, 16),), ((0, 1), (1, 1)), 32, "half"),
    (136, 256, ((8, 4, 16),), ((0, 1), (1, 1), (2, 2), (4, 4)), 32, "iq4_xs"),
    (17, 32, ((1, 4, 16),), ((0, 1),), 32, "e8m0"),
    (36, 64, ((4, 4, 8),), ((0, 4),), 16, "e4m3"),
]


def worth(i):
    """log2 of a whole number, 1024 to the octave, as a half has it in its bits."""
    e = i.bit_length() - 1
    return (15 + e) * 1024 + (i * 1024 >> e) % 1024 if i else 0


def half(record, at):
    return int.from_bytes(record[at : at + 2], "little") & 0x7FFF


def scale_k(q, g):
    return q[g] % 64 if g < 4 else q[g + 4] % 16 + 16 * (q[g - 4] // 64)


def least_k(q, g):
    return q[g + 4] % 64 if g < 4 else q[g + 4] // 16 + 16 * (q[g] // 64)


def scale_q3_k(q, g):
    return abs((q[g % 8] >> 4 * (g // 8)) % 16 + 16 * ((q[8 + g % 4] >> 2 * (g // 4)) % 4) - 32)


def scale_iq4_xs(record, g):
    return abs((record[4 + g // 2] >> 4 * (g % 2)) % 16 + 16 * ((record[2 + g // 4] >> 2 * (g % 4)) % 4) - 32)


# key: what a group of a record is worth
LEVELS = {
    "half": lambda r, g: half(r, 0),
    "q3_k": lambda r, g: half(r, 108) + worth(scale_q3_k(r[96:108], g)),
    "q6_k": lambda r, g: half(r, 208) + worth(abs((r[192 + g] ^ 128) - 128)),
    "iq4_xs": lambda r, g: half(r, 0) + worth(scale_iq4_xs(r, g)),
    "e8m0": lambda r, g: r[0] * 1024,
    "e4m3": lambda r, g: r[g] % 128 * 128,
    "zero": lambda r, g: half(r, 2) - half(r, 0),
    "zero_k": lambda r, g: half(r, 2) + worth(least_k(r[4:16], g)) - half(r, 0) - worth(scale_k(r[4:16], g)),
}


def order_of(kind, records):
    """The numbers of the groups of all records, as their symbols stand."""
    _, n_values, _, _, group, key = TYPES[kind]
    levels = [LEVELS[key](record, g) for record in records for g in range(n_values // group)]
    if not key.startswith("zero"):
        means = [sum(around) // len(around) for around in (levels[i : i + 16] for i in range(0, len(levels), 16))]
        levels = [level - means[i // 16] for i, level in enumerate(levels)]
    keys = [max(0, min(255, level // 64 + 128)) for level in levels]
    return sorted(range(len(keys)), key=keys.__getitem__)


def places(kind):
    """For each value of a record (byte, bit, bits, bit of the value) of its parts."""
    _, n_values, parts, _, _, _ = TYPES[kind]
    found = [[] for _ in range(n_values)]
    shift = 0
    for at, bits, stride in parts:
        for i, place in enumerate(found):
            place.append((at + i * bits // (8 * stride) * stride + i % stride, i // stride % (8 // bits) * bits, bits, shift))
        shift += bits
    return found


def values_of(kind, record):
    values = [sum((record[byte] >> bit) % (1 << bits) << shift for byte, bit, bits, shift in place) for place in places(kind)]
    return bytes(value ^ 128 for value in values) if kind == 0 else bytes(values)


def put_values(kind, record, values):
    for value, place in zip(values, places(kind)):
        for byte, bit, bits, shift in place:
            record[byte] |= ((value ^ 128 if kind == 0 else value) >> shift) % (1 << bits) << bit


def n_bits(kind):
    return sum(bits for _, bits, _ in TYPES[kind][2])


def decode_values(r, n_head, orig_len, tools):
    """From the type on. `tools` are demand, support, a decoder of planes and the numbers of codecs RAW and R16."""
    demand, support, decode, raw_codec = tools
    kind, low_bits, order, n_exact = (r.uint(1) for _ in range(4))
    support(kind < len(TYPES) and order < 2, f"values of type {kind} in order {order}")
    demand(low_bits in (0, 1, 2, 4) and n_bits(kind) - 4 <= low_bits < n_bits(kind) and n_exact <= 16, "bits of values")
    exact = r.take(n_exact)
    demand(all(a < b for a, b in zip(exact, exact[1:])) and all(v >> n_bits(kind) == 0 for v in exact), "exact values")
    width, n_values, _, sides, group, _ = TYPES[kind]
    demand(n_head < width and n_head <= orig_len, f"{n_head} head bytes")
    n, n_tail = divmod(orig_len - n_head, width)
    head, tail = r.take(n_head), r.take(n_tail)
    coded = [(r.uint(1), r.uint(4)) for _ in range(len(sides) + 2)]
    demand(sum(length for _, length in coded) == r.left(), "the planes do not fill the body")
    coded = [(codec, r.take(length)) for codec, length in coded]
    records = [bytearray(width) for _ in range(n)]
    for (at, length), (codec, data) in zip(sides, coded):
        plane = decode(codec, data, n * length)
        for i, record in enumerate(records):
            record[at : at + length] = plane[i * length : (i + 1) * length]
    (low_codec, low), (codec, data) = coded[-2:]
    support(low_codec == raw_codec, f"codec {low_codec} of low bits")
    demand(escapes_of(codec, data) <= orig_len, "escapes")
    symbols = decode(codec, data, n * n_values)
    n_bins = 1 << n_bits(kind) - low_bits
    demand(all(symbol < n_bins + n_exact for symbol in symbols), "symbol too large")
    groups = order_of(kind, records) if order else range(n * n_values // group)
    values = [b""] * len(groups)
    for i, g in enumerate(groups):
        values[g] = symbols[i * group : (i + 1) * group]
    number, total = int.from_bytes(low, "little"), bytearray()
    n_low = sum(symbol < n_bins for symbol in symbols) * low_bits
    demand(len(low) == (n_low + 7) // 8 and number >> n_low == 0, "low bits")
    for symbol in b"".join(values):
        if symbol >= n_bins:
            total.append(exact[symbol - n_bins])
            continue
        total.append(symbol << low_bits | number & (1 << low_bits) - 1)
        number >>= low_bits
    for i, record in enumerate(records):
        put_values(kind, record, total[i * n_values : (i + 1) * n_values])
    return head + b"".join(records) + tail


def planes_of(kind, data, low_bits, sorted_groups, exact):
    """The planes of whole records: sides, low bits, symbols."""
    width, _, _, sides, group, _ = TYPES[kind]
    records = [data[i : i + width] for i in range(0, len(data), width)]
    planes = [b"".join(record[at : at + length] for record in records) for at, length in sides]
    values = b"".join(values_of(kind, record) for record in records)
    n_bins, low, n_low = 1 << n_bits(kind) - low_bits, 0, 0
    symbols = bytearray()
    for value in values:
        if value in exact:
            symbols.append(n_bins + exact.index(value))
            continue
        symbols.append(value >> low_bits)
        low |= (value & (1 << low_bits) - 1) << n_low
        n_low += low_bits
    groups = order_of(kind, records) if sorted_groups else range(len(symbols) // group)
    symbols = b"".join(symbols[g * group : (g + 1) * group] for g in groups)
    return planes + [low.to_bytes((n_low + 7) // 8, "little"), symbols]
