#!/usr/bin/env python3
"""A second decoder of zipnn archives, written from doc/format.md alone.

    zipnn_reference.py ARCHIVE ORIGINAL [BASE...]

It demands everything that the specification demands, and prefers being read to being fast. Exit status: 0 restored,
1 corrupt, 2 unsupported, 3 a base is missing, 77 XXH3 or zstd is not installed.
"""

import hashlib
import pathlib
import struct
import sys

from fine import decode_r32
from joint import decode_joint
from keyed import decode_keyed as keyed
from mixing import decode_mixing
from native import xxh3_64, xxh3_128, zstd_decompress
from rewritten import decode_rewritten as rewritten
from scaled import decode_scaled as scaled
from values import decode_values
from wide import escaped, read_tables

MAGIC = bytes.fromhex("8F5A4E4E0D0A1A0A")
END_MAGIC = bytes.fromhex("5A4E4E454E440A8F")
MAX_CHUNK = 4194304
CHUNK_GROWTH = 256
MAX_ANCILLARY = 16777216
CHUNK, INDEX, REFERENCE, BASES, FIRST_ANCILLARY = 1, 2, 3, 4, 128
SELF_FLAG, BASES_FLAG = 2, 4
MAX_BASES, MAX_TOUCHED = 64, 16
RAW, CONSTANT, R16, ZSTD, NIBBLES = range(5)
R16C, MIXING, BITS, R16W, R32 = 5, 6, 7, 8, 9
KNOWN = (RAW, CONSTANT, R16, ZSTD, NIBBLES, R16C, MIXING, BITS, R16W, R32)
F16, RECORDS, TOPS, JOINT, VALUES, COLUMNS = 7, 8, 12, 13, 17, 21
MAX_RECORD, MAX_PLANES = 1024, 8
# layout: (bytes of an element, rotated)
LAYOUTS = {0: (1, False), 1: (2, False), 2: (2, True), 3: (4, False), 4: (4, True), 5: (8, False), 6: (8, True)}
LAYOUTS[F16] = (2, True)
# of chunks (14 .. 16 are WRAPPED), and of payloads of chunks with a reference (delta_reference.py)
KNOWN_LAYOUTS = frozenset([*LAYOUTS, RECORDS, TOPS, JOINT, VALUES, 14, 15, 16, 18, 19, 20, COLUMNS, 9, 10, 11, 22])
# field kind of two planes: (rotation to the left, flipped bits, bits of the low plane)
HALVED = {1: (0, 0, 4), 2: (1, 0, 4), 3: (1, 0, 3), 4: (0, 128, 4), 5: (1, 0, 2)}
HALVED |= {6: (1, 0, 1), 7: (0, 0, 3), 8: (0, 128, 3)}
# inner layout of TOPS: bits of each plane
TOPS_BITS = {2: (5, 3, 8), 4: (8, 8, 5, 3, 8), F16: (8, 3, 5)}
WORD = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Corrupt(Exception):
    pass


class Unsupported(Exception):
    pass


class NoBase(Exception):
    pass


def demand(holds, what):
    if not holds:
        raise Corrupt(what)


def support(known, what):
    if not known:
        raise Unsupported(what)


class Reader:
    """Bytes taken one field after another."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        demand(n <= self.left(), f"{n} bytes wanted at {self.at}, {self.left()} remain")
        self.at += n
        return self.data[self.at - n : self.at]

    def uint(self, n_bytes):
        return int.from_bytes(self.take(n_bytes), "little")


# ---- section 6: R16 --------------------------------------------------------------------------------------------------


def read_table(r, classes):
    """The 64 slots of a table: (symbol or None for the escape, F, slot - B)."""
    first, k = r.uint(1), r.uint(1)
    demand(k <= 15 and first + k <= len(classes), f"table lists classes {first} .. {first + k} of {len(classes)}")
    packed = r.uint((6 * k + 7) // 8)
    demand(packed >> 6 * k == 0, "unused bits of a table are not 0")
    counts = [(packed >> 6 * i & 63) + 1 for i in range(k)]
    demand(sum(counts) <= 64, f"frequencies add up to {sum(counts)}")
    entries = list(zip(classes[first : first + k], counts)) + [(None, 64 - sum(counts))]
    return [(symbol, f, i) for symbol, f in entries for i in range(f)]


def read_nested(r, size, depth):
    codec, length = r.uint(1), r.uint(4)
    support(codec in KNOWN, f"codec {codec}")
    demand(codec not in (ZSTD, MIXING, R32), "zstd, mixing or R32 in a nested stream")
    demand(codec not in (R16, R16W) or depth == 0, "R16 nested twice")
    return decode(codec, r.take(length), size, depth + 1)


def read_cuts(r, n_models):
    """n_contexts and, for each model, how many tables after its first each context byte is."""
    n_contexts = r.uint(1)
    demand(1 <= n_contexts <= 16 and n_contexts * n_models <= 64, f"{n_contexts} contexts of {n_models} models")
    after = []
    for _ in range(n_models):
        cuts = r.take(n_contexts - 1)
        demand(all(a <= b for a, b in zip(cuts, cuts[1:])), "cuts descend")
        after.append([sum(cut <= context for cut in cuts) for context in range(256)])
    return n_contexts, after


def decode_r16(data, size, depth, contexts=None, wide=False):
    """R16, or R16C when given a context for each symbol, or R16W; the table or model of each block as well."""
    r = Reader(data)
    lanes_log2, block_log2, n_tables = (r.uint(1) for _ in range(3))
    n_classes, n_escapes = 0 if wide else r.uint(1), r.uint(4)
    demand(size >= 1 and lanes_log2 <= 7, f"{size} symbols in 2^{lanes_log2} lanes")
    demand(1 <= n_tables <= 16 and n_classes <= 240 and n_escapes <= size, "R16 counts")
    demand(7 <= block_log2 <= 24 if n_tables > 1 else block_log2 == 0, f"blocks of 2^{block_log2}, {n_tables} tables")
    n_contexts, after = read_cuts(r, n_tables) if contexts is not None else (1, None)
    classes = r.take(n_classes)
    demand(all(a < b for a, b in zip(classes, classes[1:])), "classes do not ascend")
    if wide:
        tables, spans = read_tables(r, n_tables, lambda n: read_nested(r, n, depth), demand)
    else:
        tables, spans = [read_table(r, classes) for _ in range(n_tables * n_contexts)], None
    n_slots = len(tables[0])
    ids = bytes(1)
    if n_tables > 1:
        ids = read_nested(r, -(-size >> block_log2), depth)
        demand(all(i < n_tables for i in ids), "no such table")
    escapes = iter(read_nested(r, n_escapes, depth) if n_escapes > 0 else b"")
    states = [r.uint(2) for _ in range(1 << lanes_log2)]
    demand(all(x >= 256 for x in states), "initial state below 256")
    renorm = iter(r.take(r.left()))

    out = bytearray(size)
    block_log2 = block_log2 or 32  # one table: every symbol is in block 0
    try:
        for i in range(size):
            lane = i % len(states)
            x = states[lane]
            model = ids[i >> block_log2]
            table = model * n_contexts + after[model][contexts[i]] if after else model
            symbol, f, offset = tables[table][x % n_slots]
            x = f * (x // n_slots) + offset
            states[lane] = x if x >= 256 else x << 8 | next(renorm)
            if symbol is None:
                symbol = escaped(spans[table], next(escapes)) if wide else next(escapes)
            out[i] = symbol
    except StopIteration:
        raise Corrupt(f"an R16 stream runs out at symbol {i}") from None
    demand(all(x == 256 for x in states), "a lane does not end in state 256")
    demand(next(renorm, None) is None and next(escapes, None) is None, "an R16 stream is not used up")
    return bytes(out), ids


# ---- section 5: chunks -----------------------------------------------------------------------------------------------


def decode_bits(data, size):
    demand(len(data) >= 2 and data[0] & data[1] == 0, "mask and base of packed bits")
    mask, base = data[:2]
    places = [b for b in range(8) if mask >> b & 1]
    demand(len(data) == 2 + (size * len(places) + 7) // 8, f"{len(data)} bytes of packed bits for {size}")
    packed = int.from_bytes(data[2:], "little")
    demand(packed >> size * len(places) == 0, "unused bits are not 0")
    out = bytearray()
    for byte in range(0, len(data) - 2, max(1, len(places))):  # eight numbers fill k bytes
        group = int.from_bytes(data[2 + byte : 2 + byte + len(places)], "little")
        for i in range(8):
            number = group >> i * len(places)
            out.append(base | sum((number >> j & 1) << b for j, b in enumerate(places)))
    return bytes(out[:size]) if places else bytes([base]) * size


def decode(codec, data, size, depth=0, contexts=None):
    """The `size` bytes of a plane or nested stream, of a plane given contexts perhaps."""
    if codec == RAW:
        demand(len(data) == size, f"{len(data)} raw bytes for {size}")
        return data
    if codec == CONSTANT:
        demand(len(data) == 1 and size >= 1, f"{len(data)} bytes, repeated to {size}")
        return data * size
    if codec == R16:
        return decode_r16(data, size, depth)[0]
    if codec == R16W:
        return decode_r16(data, size, depth, wide=True)[0]
    if codec == R32:
        r = Reader(data)
        return decode_r32(r, size, lambda n: read_nested(r, n, depth), demand)
    if codec == BITS:
        return decode_bits(data, size)
    if codec == MIXING:
        return decode_mixing(Reader(data), size, demand)
    if codec == ZSTD:
        demand(data[:4] == b"\x28\xb5\x2f\xfd", "no zstd frame")
        content = zstd_decompress(data, size)
        demand(content is not None, f"not one zstd frame of {size} bytes")
        return content
    if codec == R16C:
        demand(contexts is not None, "R16C without a context")
        return decode_r16(data, size, depth, contexts)[0]
    support(codec == NIBBLES, f"codec {codec}")
    demand(len(data) == (size + 1) // 2, f"{len(data)} bytes of nibbles for {size}")
    halves = bytes(half for byte in data for half in (byte & 15, byte >> 4))
    demand(not any(halves[size:]), "unused nibble is not 0")
    return halves[:size]


def merge_f16(low, packed, exponent):
    """Rotated words of layout F16."""
    n = len(low)
    demand(all(e <= 31 for e in exponent), "exponent above 31")
    masks = struct.unpack(f"<{len(packed) // 8}Q", packed)
    demand(all(mask >> (n % 64) == 0 for mask in masks[-3:]) or n % 64 == 0, "mask bits past the last element")
    words = []
    for i in range(n):
        bit10, bit9, bit8 = (mask >> i % 64 & 1 for mask in masks[i // 64 * 3 : i // 64 * 3 + 3])
        words.append(exponent[i] << 11 | bit10 << 10 | bit9 << 9 | bit8 << 8 | low[i])
    return words


def plane_sizes(layout, n):
    return [n, 24 * -(-n // 64), n] if layout == F16 else [n] * LAYOUTS[layout][0]


def merge(layout, planes, n):
    width, rotated = LAYOUTS[layout]
    if layout == F16:
        words = merge_f16(*planes)
    else:
        joined = bytearray(n * width)
        for p, plane in enumerate(planes):
            joined[p::width] = plane
        words = struct.unpack(f"<{n}{WORD[width]}", joined)
    if rotated:
        words = [word >> 1 | (word & 1) << (8 * width - 1) for word in words]
    return struct.pack(f"<{n}{WORD[width]}", *words)


def planes_of(kind):
    return 2 if kind in HALVED else 1


def read_fields(r):
    """(kind, length) of each field of a record."""
    n_fields = r.uint(1)
    support(1 <= n_fields <= 8, f"{n_fields} fields")
    fields = []
    for _ in range(n_fields):
        kind, length = r.uint(1), r.uint(2)
        support(kind in HALVED or kind == 0, f"field kind {kind}")
        demand(length >= 1, "field without bytes")
        fields.append((kind, length))
    demand(sum(length for _, length in fields) <= MAX_RECORD, "record too long")
    demand(sum(planes_of(kind) for kind, _ in fields) <= MAX_PLANES, "too many planes")
    return fields


def decode_fields(fields, coded):
    planes, coded = [], iter(coded)
    for kind, _ in fields:
        low = next(coded)
        if kind in HALVED:
            high = decode(*next(coded))
            planes += [decode(*low, contexts=high), high]
        else:
            planes.append(decode(*low))
    return planes


def merge_records(fields, planes, n):
    planes = iter(planes)
    columns = []
    for kind, length in fields:
        data = next(planes)
        if kind in HALVED:
            rotation, flip, low_bits = HALVED[kind]
            high = next(planes)
            demand(all(low >> low_bits == 0 for low in data), "low bits of a byte are too many")
            demand(all(bits >> (8 - low_bits) == 0 for bits in high), "high bits of a byte are too many")
            turned = ((a | b << low_bits) ^ flip for a, b in zip(data, high))
            data = bytes((byte >> rotation | byte << (8 - rotation)) & 255 for byte in turned)
        columns.append([data[i * length : (i + 1) * length] for i in range(n)])
    return b"".join(b"".join(record) for record in zip(*columns))


def decode_tops(r, n_head, orig_len):
    """Section 5.2, from the inner layout on."""
    inner = r.uint(1)
    support(inner in TOPS_BITS, f"upper bits of layout {inner}")
    bits = TOPS_BITS[inner]
    width = sum(bits) // 8
    demand(n_head < width and n_head <= orig_len, f"{n_head} head bytes")
    n, n_tail = divmod(orig_len - n_head, width)
    head, tail = r.take(n_head), r.take(n_tail)
    records = [(r.uint(1), r.uint(4)) for _ in bits]
    demand(sum(length for _, length in records) == r.left(), "the planes do not fill the body")
    coded = [(codec, r.take(length), n) for codec, length in records]
    planes = [decode(*plane) for plane in coded[:-2]]
    exponents = decode(*coded[-1])
    planes += [decode(*coded[-2], contexts=exponents), exponents]
    words = []
    for parts in zip(*planes):
        word, at = 0, 0
        for part, n_bits in zip(parts, bits):
            demand(part >> n_bits == 0, "part of a word is too large")
            word, at = word | part << at, at + n_bits
        words.append(word >> 1 | (word & 1) << (8 * width - 1))
    return head + struct.pack(f"<{n}{WORD[width]}", *words) + tail


def decode_chunk(body, orig_len, outer=None):
    r = Reader(body)
    if len(body) >= 4 and body[1] == TOPS:
        support(body[0] == CHUNK and body[3] == 0, "kind or flags of a chunk")
        return decode_tops(Reader(body[4:]), body[2], orig_len)
    if len(body) >= 4 and body[1] in (JOINT, COLUMNS):
        support(body[0] == CHUNK and body[3] == 0, "kind or flags of a chunk")
        return decode_joint(Reader(body[4:]), body[2], orig_len, (demand, support, decode), body[1] == COLUMNS)
    if len(body) >= 4 and body[1] == VALUES:
        demand(outer in (None, REPEATS), f"layout 17 inside {outer}")
        support(body[0] == CHUNK and body[3] == 0, "kind or flags of a chunk")
        return decode_values(Reader(body[4:]), body[2], orig_len, (demand, support, decode, RAW))
    if len(body) >= 4 and body[1] in WRAPPED:
        demand(outer in (None, REPEATS) and (outer is None or body[1] != REPEATS), f"layout {body[1]} inside {outer}")
        support(body[0] == CHUNK and body[3] == 0, "kind or flags of a chunk")
        return WRAPPED[body[1]](Reader(body[4:]), body[2], orig_len)
    support(len(body) == 0 or body[0] == CHUNK, "kind of an inner chunk")
    _, layout, n_head, flags = (r.uint(1) for _ in range(4))
    support(flags == 0, f"chunk flags {flags}")
    support(layout in LAYOUTS or layout == RECORDS, f"layout {layout}")
    fields = read_fields(r) if layout == RECORDS else []
    width = sum(length for _, length in fields) if fields else LAYOUTS[layout][0]
    demand(n_head < width and n_head <= orig_len, f"{n_head} head bytes")
    n, n_tail = divmod(orig_len - n_head, width)
    head, tail = r.take(n_head), r.take(n_tail)
    if fields:
        sizes = [n * length for kind, length in fields for _ in range(planes_of(kind))]
    else:
        sizes = plane_sizes(layout, n)
    records = [(r.uint(1), r.uint(4)) for _ in sizes]
    demand(sum(length for _, length in records) == r.left(), "the planes do not fill the body")
    coded = [(codec, r.take(length), size) for (codec, length), size in zip(records, sizes)]
    planes = decode_fields(fields, coded) if fields else [decode(*plane) for plane in coded]
    return head + (merge_records(fields, planes, n) if fields else merge(layout, planes, n)) + tail


# ---- section 5.1: chunks made of chunks --------------------------------------------------------------------------


def read_width(r, n_head, orig_len):
    width_log2 = r.uint(1)
    support(width_log2 <= 3, f"elements of 2^{width_log2} bytes")
    demand(n_head < 1 << width_log2 and n_head <= orig_len, f"{n_head} head bytes")
    return 1 << width_log2


def decode_differences(r, n_head, orig_len):
    width = read_width(r, n_head, orig_len)
    mode = r.uint(1)
    support(1 <= mode <= 3, f"mode {mode}")
    inner = bytearray(decode_chunk(r.take(r.left()), orig_len, DIFFERENCES))
    before = 0
    for at in range(n_head, orig_len - width + 1, width):
        value = int.from_bytes(inner[at : at + width], "little")
        if mode & 2:
            value = value >> 1 ^ -(value & 1)
        before = (value + (before if mode & 1 else 0)) % (1 << 8 * width)
        inner[at : at + width] = before.to_bytes(width, "little")
    return bytes(inner)


def decode_repeats(r, n_head, orig_len):
    demand(n_head == 0, "head of repeats")
    n_runs, kept = r.uint(2), r.uint(4)
    runs = [(r.uint(4), r.uint(4), r.uint(4)) for _ in range(n_runs)]
    demand(1 <= kept <= orig_len, f"{kept} bytes kept")
    inner = Reader(decode_chunk(r.take(r.left()), kept, REPEATS))
    out = bytearray()
    for gap, length, start in runs:
        out += inner.take(gap)
        demand(length >= 1 and start + length <= len(out), "a run of what is not there")
        demand(len(out) + length <= orig_len, "runs are too long")
        out += out[start : start + length]
    out += inner.take(inner.left())
    demand(len(out) == orig_len, f"{len(out)} bytes of {orig_len}")
    return bytes(out)


def decode_frequent(r, n_head, orig_len):
    width = read_width(r, n_head, orig_len)
    n_values = r.uint(1)
    values = [b""] + [r.take(width) for _ in range(n_values)]
    n = (orig_len - n_head) // width
    coded = r.take(r.uint(4))
    demand(n >= 1, "no elements")
    places = decode_chunk(coded, n, FREQUENT)
    demand(max(places) <= n_values, "no such value")
    rest_len = orig_len - n * width + places.count(0) * width
    demand(rest_len > 0 or r.left() == 0, "a rest of nothing")
    rest = Reader(decode_chunk(r.take(r.left()), rest_len, FREQUENT) if rest_len else b"")
    out = [rest.take(n_head)] + [values[v] if v else rest.take(width) for v in places]
    return b"".join(out) + rest.take(rest.left())


def decode_scaled(r, n_head, orig_len):
    return scaled(r, n_head, orig_len, demand, support, lambda body, size: decode_chunk(body, size, SCALED))


def decode_keyed(r, n_head, orig_len):
    tools = demand, support, decode, lambda body, size: decode_chunk(body, size, KEYED)
    return keyed(r, n_head, orig_len, tools)


def decode_rewritten(r, n_head, orig_len):
    return rewritten(r, n_head, orig_len, demand, support, lambda body, size: decode_chunk(body, size, REWRITTEN))


DIFFERENCES, REPEATS, FREQUENT, SCALED, KEYED, REWRITTEN = 14, 15, 16, 18, 19, 20
WRAPPED = {DIFFERENCES: decode_differences, REPEATS: decode_repeats, FREQUENT: decode_frequent, SCALED: decode_scaled}
WRAPPED |= {KEYED: decode_keyed, REWRITTEN: decode_rewritten}


# ---- sections 2 to 4: header, frames, index, trailer -----------------------------------------------------------------


def read_header(r):
    header = Reader(r.take(24))
    demand(header.take(8) == MAGIC, "not a zipnn archive")
    version, flags, _level, max_chunk = (header.uint(n) for n in (2, 1, 1, 4))
    support(version == 1, f"version {version}")
    demand(header.uint(8) == xxh3_64(header.data[:16]), "header check")
    support(flags & ~(SELF_FLAG | BASES_FLAG) == 0, f"flags {flags}")
    demand(1 <= max_chunk <= MAX_CHUNK, f"max_chunk {max_chunk}")
    return max_chunk, flags


def read_frame(r, max_chunk):
    """Kind, body and the index entry of the next frame."""
    check, body_len, orig_len = r.uint(8), r.uint(4), r.uint(4)
    demand(body_len >= 4, f"body of {body_len} bytes")
    body = r.take(body_len)
    demand(check == xxh3_64(struct.pack("<II", body_len, orig_len) + body), "frame check")
    kind = body[0]
    support(kind in (CHUNK, INDEX, REFERENCE, BASES) or kind >= FIRST_ANCILLARY, f"frame kind {kind}")
    if kind in (CHUNK, REFERENCE):
        demand(1 <= orig_len <= max_chunk and body_len <= orig_len + CHUNK_GROWTH, "size of a chunk")
    else:
        demand(orig_len == 0, f"{orig_len} original bytes in a frame of kind {kind}")
        demand(kind == INDEX or body_len <= MAX_ANCILLARY, "size of an ancillary frame")
    return kind, body, (body_len, orig_len, check)


def check_index(body, entries, original):
    r = Reader(body)
    _, digests, reserved = r.uint(1), r.uint(1), r.uint(2)
    support(digests < 4 and reserved == 0, f"digests {digests}, reserved {reserved}")
    demand(digests & 1, "no XXH3-128")
    demand(r.uint(8) == len(original), "length of the original")
    demand(r.take(16) == xxh3_128(original), "XXH3-128 of the original")
    if digests & 2:
        demand(r.take(32) == hashlib.sha256(original).digest(), "SHA-256 of the original")
    demand(r.left() == 16 * len(entries), f"{r.left()} bytes list {len(entries)} frames")
    for entry in entries:
        demand((r.uint(4), r.uint(4), r.uint(8)) == entry, "an entry differs from its frame")


# ---- section 9: references -------------------------------------------------------------------------------------------


def read_bases(body, known):
    """The bases of the table, each from `known`, the originals at hand, or None."""
    r = Reader(body)
    _, n, reserved = r.uint(1), r.uint(1), r.uint(2)
    support(reserved == 0, "flags of a table of bases")
    demand(1 <= n <= MAX_BASES, f"{n} bases")
    bases = []
    for _ in range(n):
        xxh3, length, reserved = r.take(16), r.uint(8), r.uint(1)
        r.take(r.uint(1))
        support(reserved == 0, "kind of a base")
        bases.append(next((base for base in known if len(base) == length and xxh3_128(base) == xxh3), None))
    demand(r.left() == 0, "bytes follow the table of bases")
    return bases


class Chunks:
    """The chunks of an archive, decoded when they are asked for."""

    def __init__(self, flags):
        self.flags, self.frames, self.bases = flags, [], []  # frames: offset in the original, kind, body, orig_len

    def add(self, kind, body, orig_len):
        off = sum(self.frames[-1][i] for i in (0, 3)) if self.frames else 0
        self.frames.append((off, kind, body, orig_len))

    def decode(self, frame, referred=False):
        _, kind, body, orig_len = frame
        return decode_chunk(body, orig_len) if kind == CHUNK else self.follow(body, orig_len, referred)

    def follow(self, body, orig_len, referred):
        r = Reader(body)
        _, method, source, reserved, length, off, ref_check, orig_check = (r.uint(n) for n in (1, 1, 1, 1, 4, 8, 8, 8))
        support(method <= 3 and reserved == 0, f"method {method} of reference")
        support(length == orig_len, f"{length} bytes referred to by {orig_len}")
        demand(method != 0 or r.left() == 0, "bytes follow a copy")
        demand(method % 2 == 1 or ref_check == orig_check, "copy that is none")
        demand(method < 2 or off == 0, "offset of a reference by parts")
        from recipes import find  # which imports this module

        found = find(self, r, source, referred, (off, length) if method < 2 else (None, length))
        demand(method != 2 or r.left() == 0, "bytes follow a copy")
        demand(xxh3_64(found) == ref_check, "check of the bytes referred to")
        if method % 2 == 1:
            from delta_reference import decode_delta  # which imports this module

            found = decode_delta(r.take(r.left()), found)
        demand(xxh3_64(found) == orig_check, "check of the chunk")
        return found

    def own(self, start, end):
        touched = [frame for frame in self.frames if frame[0] < end and frame[0] + frame[3] > start]
        demand(1 <= len(touched) <= MAX_TOUCHED, f"reference to {len(touched)} chunks")
        first = touched[0][0]
        return b"".join(self.decode(frame, True) for frame in touched)[start - first : end - first]


def restore(archive, known=()):
    """The original; `known` are originals that may be bases."""
    r = Reader(archive)
    max_chunk, flags = read_header(r)
    entries, chunks = [], Chunks(flags)
    while True:
        start = r.at
        kind, body, entry = read_frame(r, max_chunk)
        if kind == INDEX:
            break
        demand((kind == BASES) == (not entries and flags & BASES_FLAG != 0), "place of the table of bases")
        entries.append(entry)
        if kind in (CHUNK, REFERENCE):
            chunks.add(kind, body, entry[1])
        if kind == BASES:
            chunks.bases = read_bases(body, known)
    index_len = r.at - start
    demand(r.uint(8) == index_len, "trailer names another index length")
    demand(r.take(8) == END_MAGIC and r.left() == 0, "end of the archive")
    demand(entries or not flags & BASES_FLAG, "no table of bases")
    original = b"".join(chunks.decode(frame) for frame in chunks.frames)
    check_index(body, entries, original)
    return original


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    archive, *bases = (pathlib.Path(path).read_bytes() for path in (sys.argv[1], *sys.argv[3:]))
    try:
        original = restore(archive, bases)
    except Corrupt as error:
        print(f"corrupt: {error}", file=sys.stderr)
        return 1
    except Unsupported as error:
        print(f"unsupported: {error}", file=sys.stderr)
        return 2
    except NoBase as error:
        print(f"not given: {error}", file=sys.stderr)
        return 3
    with open(sys.argv[2], "wb") as file:
        file.write(original)
    return 0


if __name__ == "__main__":
    sys.exit(main())
