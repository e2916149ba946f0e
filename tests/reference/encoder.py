"""The pieces of an archive, built by hand after doc/format.md: nothing is chosen here, and nothing is checked, so that
make_vectors.py can write what no encoder would."""

import hashlib
import struct

from fine import LANES, LOW, SLOTS, frequencies, slots_of
from native import xxh3_64, xxh3_128, zstd_compress

MAGIC = bytes.fromhex("8F5A4E4E0D0A1A0A")
END_MAGIC = bytes.fromhex("5A4E4E454E440A8F")
RAW, CONSTANT, R16, ZSTD, NIBBLES = range(5)
R16C, BITS, R16W, R32 = 5, 7, 8, 9
F16 = 7
LAYOUTS = {0: (1, False), 1: (2, False), 2: (2, True), 3: (4, False), 4: (4, True), 5: (8, False), 6: (8, True)}
LAYOUTS[F16] = (2, True)


def u8(*values):
    return bytes(values)


def u16(value):
    return struct.pack("<H", value)


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


# ---- streams ---------------------------------------------------------------------------------------------------------


def nibbles(data):
    pairs = bytes(data) + bytes(len(data) % 2)
    return bytes(low | high << 4 for low, high in zip(pairs[::2], pairs[1::2]))


def bits(data, mask, base):
    """The bits of `mask` of each byte, packed."""
    places = [b for b in range(8) if mask >> b & 1]
    numbers = [sum((byte >> b & 1) << j for j, b in enumerate(places)) for byte in data]
    packed = sum(number << i * len(places) for i, number in enumerate(numbers))
    return u8(mask, base) + packed.to_bytes((len(numbers) * len(places) + 7) // 8, "little")


def stream(codec, coded):
    """A nested stream, or a plane record with its bytes."""
    return u8(codec) + u32(len(coded)) + coded


class Table:
    """Classes first .. first + len(counts) - 1 with these frequencies; the escape has what remains of 64."""

    def __init__(self, first, counts):
        self.first, self.counts = first, list(counts)

    def coded(self, unused_bits=0):
        k = len(self.counts)
        packed = sum(f - 1 << 6 * i for i, f in enumerate(self.counts)) | unused_bits << 6 * k
        return u8(self.first, k) + packed.to_bytes((6 * k + 7) // 8, "little")

    def entry(self, symbol, classes):
        """F, B, and whether it is the escape."""
        listed = classes[self.first : self.first + len(self.counts)]
        if symbol in listed:
            i = listed.index(symbol)
            return self.counts[i], sum(self.counts[:i]), False
        return 64 - sum(self.counts), sum(self.counts), True


class R16Stream:
    """R16 in parts that a test may change before coded() joins them. With `contexts`, one for each symbol, and the
    cuts of each model it is R16C."""

    def __init__(self, data, classes, tables, lanes_log2=5, block_log2=0, ids=None, ids_codec=RAW, escapes_codec=RAW,
                 contexts=None, cuts=None):  # fmt: skip
        n_contexts = len(cuts[0]) + 1 if cuts else 1
        self.lanes_log2, self.block_log2, self.n_tables = lanes_log2, block_log2, len(tables) // n_contexts
        self.given = u8(n_contexts) + b"".join(map(bytes, cuts)) if cuts else b""
        self.classes, self.n_classes = bytes(classes), len(classes)
        self.tables = b"".join(table.coded() for table in tables)
        states, renorm, escapes = [256] * (1 << lanes_log2), [], []
        for i in range(len(data) - 1, -1, -1):
            model = ids[i >> block_log2] if ids else 0
            context = sum(cut <= contexts[i] for cut in cuts[model]) if cuts else 0
            table = tables[n_contexts * model + context]
            f, b, escape = table.entry(data[i], self.classes)
            x = states[i % len(states)]
            if x >= f * 1024:
                renorm.append(x % 256)
                x >>= 8
            states[i % len(states)] = x // f * 64 + x % f + b
            if escape:
                escapes.append(data[i])
        self.states, self.renorm, self.escapes = states, bytes(renorm[::-1]), bytes(escapes[::-1])
        self.n_escapes = len(escapes)
        self.nested_ids = stream(ids_codec, simple(ids_codec, ids)) if ids else b""
        self.nested_escapes = stream(escapes_codec, simple(escapes_codec, self.escapes)) if escapes else b""

    def coded(self):
        head = u8(self.lanes_log2, self.block_log2, self.n_tables, self.n_classes) + u32(self.n_escapes)
        states = b"".join(u16(x) for x in self.states)
        nested = self.nested_ids + self.nested_escapes
        return head + self.given + self.classes + self.tables + nested + states + self.renorm


def escape_of(span, symbol):
    base, k = span
    distance = (symbol - base) % 256
    return 128 + distance - k if distance < 128 else distance - 128


class R16WStream:
    """R16W in parts that a test may change before coded() joins them. `tables` are pairs of a first symbol and
    frequencies."""

    def __init__(self, data, tables, lanes_log2=5, block_log2=0, ids=None):
        self.lanes_log2, self.block_log2, self.n_tables = lanes_log2, block_log2, len(tables)
        self.spans = b"".join(u8(base, len(counts)) for base, counts in tables)
        self.freqs = bytes(f - 1 for _, counts in tables for f in counts)
        states, renorm, escapes = [256] * (1 << lanes_log2), [], []
        for i in range(len(data) - 1, -1, -1):
            base, counts = tables[ids[i >> block_log2] if ids else 0]
            listed = base <= data[i] < base + len(counts)
            f = counts[data[i] - base] if listed else 128 - sum(counts)
            b = sum(counts[: data[i] - base]) if listed else sum(counts)
            x = states[i % len(states)]
            if x >= f * 512:
                renorm.append(x % 256)
                x >>= 8
            states[i % len(states)] = x // f * 128 + x % f + b
            if not listed:
                escapes.append(escape_of((base, len(counts)), data[i]))
        self.states, self.renorm, self.escapes = states, bytes(renorm[::-1]), bytes(escapes[::-1])
        self.n_escapes = len(escapes)
        self.nested_freqs = stream(RAW, self.freqs) if self.freqs else b""
        self.nested_ids = stream(RAW, bytes(ids)) if ids else b""
        self.nested_escapes = stream(RAW, self.escapes) if escapes else b""

    def coded(self):
        head = u8(self.lanes_log2, self.block_log2, self.n_tables) + u32(self.n_escapes)
        nested = self.nested_freqs + self.nested_ids + self.nested_escapes
        return head + self.spans + nested + b"".join(u16(x) for x in self.states) + self.renorm


class R32Stream:
    """R32 in parts that a test may change before coded() joins them. `tables` are pairs of a first symbol and the sizes
    of the symbols and of the escape."""

    def __init__(self, data, tables, block_log2=0, ids=None):
        self.block_log2, self.n_tables = block_log2, len(tables)
        self.spans = b"".join(u8(base, len(sizes) - 1) for base, sizes in tables)
        self.steps = bytes((size - (sizes[i - 4] if i >= 4 else 0)) % 256 for _, sizes in tables for i, size in enumerate(sizes))
        freqs = [frequencies(list(sizes) + [0] * (64 - len(sizes))) for _, sizes in tables]
        slots = [{place: slot for slot, place in enumerate(slots_of(f))} for f in freqs]
        states, words, escapes = [LOW] * LANES, [], []
        for i in range(len(data) - 1, -1, -1):
            t = ids[i >> block_log2] if ids else 0
            base, k = tables[t][0], len(tables[t][1]) - 1
            entry = data[i] - base if 0 <= data[i] - base < k and freqs[t][data[i] - base] else k
            x, f = states[i % LANES], freqs[t][entry]
            if x >= f << 20:
                words.append(x % LOW)
                x >>= 16
            states[i % LANES] = x // f * SLOTS + slots[t][entry, x % f]
            if entry == k:
                escapes.append((data[i] - base - k) % 256)
        self.states, self.words, self.escapes = states, b"".join(map(u16, words[::-1])), bytes(escapes[::-1])
        self.n_escapes = len(escapes)
        self.nested_steps = stream(RAW, self.steps)
        self.nested_ids = stream(RAW, bytes(ids)) if ids else b""
        self.nested_escapes = stream(RAW, self.escapes) if escapes else b""

    def coded(self):
        head = u8(self.block_log2, self.n_tables) + u32(self.n_escapes)
        nested = self.nested_steps + self.nested_ids + self.nested_escapes
        return head + self.spans + nested + b"".join(map(u32, self.states)) + self.words


def fine_table(data, k=63):
    """One table, as a list, of the k consecutive symbols with the most counts and of the escape."""
    base = max(range(257 - k), key=lambda b: sum(b <= s < b + k for s in data))
    counts = [sum(s == base + i for s in data) for i in range(k)]
    sizes = [min(97, 8 * count.bit_length()) for count in counts]
    return [(base, [*sizes, 8 if sum(counts) < len(data) or not any(counts) else 0])]


def simple(codec, data):
    """`data` coded with the plainest parameters a codec has; R16 gets one table of its 15 most frequent symbols."""
    data = bytes(data)
    if codec == CONSTANT:
        return data[:1]
    if codec == NIBBLES:
        return nibbles(data)
    if codec == R16:
        return R16Stream(data, *plain_table(data), lanes_log2=2).coded()
    if codec == R16W:
        return R16WStream(data, wide_table(data), lanes_log2=2).coded()
    if codec == ZSTD:
        return zstd_compress(data)
    return data


def plain_table(data):
    """Classes and one table, wrapped in a list, with a slot or more for the escape."""
    frequent = sorted(sorted(set(data), key=data.count)[-15:])
    total = sum(data.count(symbol) for symbol in frequent)
    counts = [max(1, 48 * data.count(symbol) // total) for symbol in frequent]
    return bytes(frequent), [Table(0, counts)]


def wide_table(data, k=31):
    """One table of the k consecutive symbols with the most counts, as a list, with a slot or more for the escape."""
    base = max(range(256 - k), key=lambda b: sum(b <= s < b + k for s in data))
    counts = [sum(s == base + i for s in data) for i in range(k)]
    return [(base, [1 + 90 * c // max(1, sum(counts)) for c in counts])]


# ---- chunks ----------------------------------------------------------------------------------------------------------


def split(layout, data):
    """The planes of whole elements."""
    width, rotated = LAYOUTS[layout]
    words = [int.from_bytes(data[i : i + width], "little") for i in range(0, len(data), width)]
    bits = 8 * width
    if rotated:
        words = [(word << 1 | word >> bits - 1) & (1 << bits) - 1 for word in words]
    if layout != F16:
        return [bytes(word >> 8 * p & 255 for word in words) for p in range(width)]
    packed = b""
    for i in range(0, len(words), 64):
        for bit in (10, 9, 8):
            packed += u64(sum((word >> bit & 1) << j for j, word in enumerate(words[i : i + 64])))
    return [bytes(word & 255 for word in words), packed, bytes(word >> 11 for word in words)]


def chunk_body(layout, planes, head=b"", tail=b"", flags=0, n_head=None):
    """`planes` are pairs of codec and coded bytes."""
    records = b"".join(u8(codec) + u32(len(coded)) for codec, coded in planes)
    n_head = len(head) if n_head is None else n_head
    return u8(1, layout, n_head, flags) + head + tail + records + b"".join(coded for _, coded in planes)


def coded_chunk(data, layout, codecs, n_head=0):
    """Body of a chunk whose planes are coded plainly by `codecs`."""
    width = LAYOUTS[layout][0]
    n = (len(data) - n_head) // width * width
    planes = split(layout, data[n_head : n_head + n])
    coded = [(codec, simple(codec, plane)) for codec, plane in zip(codecs, planes)]
    return chunk_body(layout, coded, data[:n_head], data[n_head + n :])


def halves(kind, column):
    """The one or two planes of a field's bytes."""
    if kind == 0:
        return [column]
    low_bits = {3: 3, 5: 2, 6: 1, 7: 3, 8: 3}.get(kind, 4)
    flip, rotation = 128 if kind in (4, 8) else 0, 1 if kind in (2, 3, 5, 6) else 0
    turned = [((byte << rotation | byte >> (8 - rotation)) & 255) ^ flip for byte in column]
    return [bytes(byte & (1 << low_bits) - 1 for byte in turned), bytes(byte >> low_bits for byte in turned)]


def split_records(fields, data):
    """The planes of whole records; a field is a pair of kind and length."""
    width = sum(length for _, length in fields)
    planes, at = [], 0
    for kind, length in fields:
        column = b"".join(data[i + at : i + at + length] for i in range(0, len(data), width))
        planes += halves(kind, column)
        at += length
    return planes


def records_body(fields, planes, head=b"", tail=b"", n_fields=None):
    """Body of a chunk in layout 8; `planes` as in chunk_body."""
    table = u8(len(fields) if n_fields is None else n_fields)
    table += b"".join(u8(kind) + u16(length) for kind, length in fields)
    word = chunk_body(8, planes, head, tail)
    return word[:4] + table + word[4:]


def coded_records(data, fields, codecs, n_head=0):
    width = sum(length for _, length in fields)
    n = (len(data) - n_head) // width * width
    planes = split_records(fields, data[n_head : n_head + n])
    coded = [(codec, simple(codec, plane)) for codec, plane in zip(codecs, planes)]
    return records_body(fields, coded, data[:n_head], data[n_head + n :])


# ---- archives --------------------------------------------------------------------------------------------------------


class Archive:
    """An archive in parts that a test may change before coded() joins them."""

    def __init__(self, sha256=False, max_chunk=4194304, level=3):
        self.version, self.flags, self.level, self.max_chunk = 1, 0, level, max_chunk
        self.frames, self.original, self.sha256 = [], b"", sha256
        self.index_changes, self.tail = {}, END_MAGIC

    def add(self, body, original=b"", orig_len=None):
        """Appends a frame; `original` is what it stands for."""
        sizes = u32(len(body)) + u32(len(original) if orig_len is None else orig_len)
        self.frames.append(u64(xxh3_64(sizes + body)) + sizes + body)
        self.original += original
        return self

    def chunk(self, data, layout, codecs, n_head=0):
        return self.add(coded_chunk(data, layout, codecs, n_head), data)

    def header(self):
        fields = MAGIC + u16(self.version) + u8(self.flags, self.level) + u32(self.max_chunk)
        return fields + u64(xxh3_64(fields))

    def index_parts(self):
        parts = {
            "kind": u8(2),
            "digests": u8(3 if self.sha256 else 1),
            "reserved": u16(0),
            "original": u64(len(self.original)),
            "xxh3": xxh3_128(self.original),
            "sha256": hashlib.sha256(self.original).digest() if self.sha256 else b"",
            "entries": b"".join(frame[8:16] + frame[:8] for frame in self.frames),
            "orig_len": 0,
        }
        return {**parts, **self.index_changes}

    def coded(self):
        parts = self.index_parts()
        orig_len = parts.pop("orig_len")
        parts.pop("index_len", None)
        index = Archive().add(b"".join(parts.values()), orig_len=orig_len).frames[0]
        index_len = self.index_changes.get("index_len", len(index))
        return self.header() + b"".join(self.frames) + index + u64(index_len) + self.tail
