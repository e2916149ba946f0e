"""Section 7 of doc/format.md: the payloads of chunks that are coded against a reference."""

from encoder import split
from zipnn_reference import LAYOUTS, R16C, Reader, decode, decode_r16, demand, merge, plane_sizes, support

DENSE, SPARSE, GIVEN, SIGNS = 9, 10, 11, 22
I8, F8, I16, F16, BF16, I32, F32 = range(7)
WIDTH = {I8: 1, F8: 1, I16: 2, F16: 2, BF16: 2, I32: 4, F32: 4}


def context(number, word):
    if number == I8:
        return word if word < 128 else 255 - word
    shift, mask = {F8: (0, 127), I16: (0, 0), F16: (10, 31), BF16: (7, 255), I32: (0, 0), F32: (23, 255)}[number]
    return word >> shift & mask


def ordered(number, word):
    """o(x), as an unsigned number of W bytes."""
    top = 1 << 8 * WIDTH[number] - 1
    return word ^ (top - 1) if number in (F8, F16, BF16, F32) and word & top else word


def restored(number, word, d):
    return ordered(number, (ordered(number, word) + d) % (1 << 8 * WIDTH[number]))


class Bits:
    def __init__(self, data):
        self.value, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, n):
        demand(n <= self.left, "bits run out")
        bits = self.value & (1 << n) - 1
        self.value, self.left = self.value >> n, self.left - n
        return bits

    def end(self):
        demand(self.left < 8 and self.value == 0, "bits are left")


def dense(r, number, detail, words):
    width, n = WIDTH[number], len(words)
    demand(detail <= (2 if width == 4 else 0), f"{detail} low bytes")
    n_models = r.uint(1)
    demand(1 <= n_models <= 16, f"{n_models} models")
    scales = r.take(n_models)
    bits_len, literals_len = r.uint(4), r.uint(4)
    n_low = r.uint(4) if detail else 0
    demand(n_low <= n, f"{n_low} low bytes of {n} elements")
    records = [(r.uint(1), r.uint(4)) for _ in range(1 + detail)]
    contexts = bytes(context(number, word) for word in words)
    codec, length = records[0]
    data = r.take(length)
    if codec == R16C:
        demand(length >= 3 and data[2] == n_models, "models of the symbols")
        demand(n_models == 1 or data[1] >= 8, "blocks of the symbols")
        symbols, ids = decode_r16(data, n, 0, contexts)
        models = [ids[i >> data[1]] if n_models > 1 else 0 for i in range(n)]
    else:
        symbols, models = decode(codec, data, n), [0] * n
    low = [iter(decode(codec, r.take(length), n_low)) for codec, length in records[1:]]
    bits, literals = Bits(r.take(bits_len)), Reader(r.take(literals_len))
    demand(r.left() == 0, "bytes past a delta")
    out = []
    for word, c, s, model in zip(words, contexts, symbols, models):
        k = min(max(scales[model] - c, 0), {1: 0, 2: 7, 4: 15}[width])
        if width == 1:
            out.append(restored(number, word, s - 128))
        elif width == 2:
            q = bits.take(k)
            out.append(restored(number, word, ((s - 128) << k) + q - (1 << k) // 2) if s else literals.uint(2))
        elif s == 128:
            out.append(word)
        elif s == 0:
            out.append(literals.uint(4))
        else:
            q = bits.take(k)
            demand(n_low > 0 or not detail, "low bytes run out")
            try:
                lowest = sum(next(plane) << 8 * j for j, plane in enumerate(low))
            except StopIteration:
                demand(False, "low bytes run out")
            t, h = 8 * detail + k, s - 129 if s > 128 else s - 128
            out.append(restored(number, word, (h << t) + (q << 8 * detail) + lowest - (1 << t) // 2))
    bits.end()
    demand(literals.left() == 0 and all(next(plane, None) is None for plane in low), "a delta is not used up")
    return out


def read_gap(bits, stored):
    zeros = 0
    while bits.take(1) == 0:
        zeros += 1
        demand(zeros <= 32, "gap of too many zeros")
    return (zeros << stored) + bits.take(stored) if zeros < 32 else bits.take(22)


def changed_places(contexts, cuts, stored, bits):
    places = []
    for c, b in enumerate(stored):
        members = [i for i, x in enumerate(contexts) if sum(cut <= x for cut in cuts) == c]
        at = read_gap(bits, b)
        while at != len(members):
            demand(at < len(members), "a gap passes its class")
            places.append(members[at])
            at += 1 + read_gap(bits, b)
    bits.end()
    demand(len(places) <= len(contexts) // 8, "too many changes")
    return places


def sparse(r, number, n_classes, words):
    demand(WIDTH[number] <= 2 and 1 <= n_classes <= 16, f"{n_classes} classes")
    cuts, stored = r.take(n_classes - 1), r.take(n_classes)
    demand(all(a < b for a, b in zip(bytes(1) + cuts, cuts)), "classes do not ascend")
    demand(all(b <= 21 for b in stored), "stored bits of a gap")
    gaps_len, codec, length = r.uint(4), r.uint(1), r.uint(4)
    contexts = [context(number, word) for word in words]
    places = changed_places(contexts, cuts, stored, Bits(r.take(gaps_len)))
    symbols = decode(codec, r.take(length), len(places))
    out = list(words)
    for i, s in zip(places, symbols):
        literal = WIDTH[number] == 2 and s == 0
        out[i] = r.uint(2) if literal else restored(number, words[i], s - 128)
    demand(r.left() == 0, "literals are left")
    return out


def given(r, layout, detail, reference, n):
    support(layout in LAYOUTS and detail == 0, f"layout {layout}, detail {detail}")
    contexts, sizes = split(layout, reference), plane_sizes(layout, n)
    records = [(r.uint(1), r.uint(4)) for _ in sizes]
    planes = []
    for (codec, length), size, context in zip(records, sizes, contexts):
        planes.append(decode(codec, r.take(length), size, contexts=context))
    demand(r.left() == 0, "bytes past a delta")
    return merge(layout, planes, n)


def signs(r, number, n_head, detail, reference):
    """Signs that differ, then a delta against the reference with them."""
    support(number in (F16, BF16) and detail == 0, f"signs of number {number}, detail {detail}")
    demand(n_head < 2 and n_head + 2 <= len(reference), f"{n_head} head bytes")
    words = [int.from_bytes(reference[i : i + 2], "little") for i in range(n_head, len(reference) - 1, 2)]
    codec, size = r.uint(1), r.uint(4)
    contexts = bytes(context(number, word) for word in words)
    flips = decode(codec, r.take(size), len(words), contexts=contexts)
    demand(max(flips) <= 1, "a sign is neither kept nor changed")
    turned = bytearray(reference)
    for i, changed in enumerate(flips):
        turned[n_head + 2 * i + 1] ^= changed << 7
    rest = r.take(r.left())
    demand(rest[:1] in (bytes([DENSE]), bytes([SPARSE])) and rest[1:3] == bytes([number, n_head]), "what follows signs")
    return decode_delta(rest, bytes(turned))


def decode_delta(payload, reference):
    """The chunk of as many bytes as the reference."""
    r = Reader(payload)
    layout, number, n_head, detail = (r.uint(1) for _ in range(4))
    if layout == SIGNS:
        return signs(r, number, n_head, detail, reference)
    support(layout in (DENSE, SPARSE, GIVEN), f"layout {layout} of a delta")
    if layout == GIVEN:
        support(number in LAYOUTS, f"layout {number} in a delta")
        width = LAYOUTS[number][0]
    else:
        support(number in WIDTH, f"number {number}")
        width = WIDTH[number]
    demand(n_head < width and n_head <= len(reference), f"{n_head} head bytes")
    n, n_tail = divmod(len(reference) - n_head, width)
    head, tail = r.take(n_head), r.take(n_tail)
    elements = reference[n_head : n_head + n * width]
    if layout == GIVEN:
        return head + given(r, number, detail, elements, n) + tail
    demand(n > 0, "no elements")
    words = [int.from_bytes(elements[i : i + width], "little") for i in range(0, len(elements), width)]
    out = (dense if layout == DENSE else sparse)(r, number, detail, words)
    return head + b"".join(word.to_bytes(width, "little") for word in out) + tail
