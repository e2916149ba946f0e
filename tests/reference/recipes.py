"""Section 9.1 of doc/format.md: references that are made of parts."""

from fractions import Fraction

from zipnn_reference import BASES_FLAG, SELF_FLAG, NoBase, Reader, demand, support

ZEROS, RANGE, COLUMNS, TURNED, CAST = 0, 1, 2, 3, 16
MAX_PARTS, LEAST_ROW, MAX_VIEW = 4096, 32, 1 << 25
F32, BF16, F16 = (4, 8), (2, 8), (2, 5)  # bytes, bits of the exponent
CASTS = [(F32, BF16), None, (F32, F16), (BF16, F32), (F16, F32), (BF16, F16), (F16, BF16)]
CUT = 1


def mantissa_bits(kind):
    width, exponent = kind
    return 8 * width - 1 - exponent


def value(kind, word):
    """The sign, and the magnitude as a fraction; None for infinity, the bits of the mantissa of a NaN as an int."""
    m, e = mantissa_bits(kind), kind[1]
    sign, exponent, mantissa = word >> m + e, word >> m & (1 << e) - 1, word & (1 << m) - 1
    if exponent == (1 << e) - 1:
        return sign, (mantissa << 23 - m if mantissa else None)
    scale = max(exponent, 1) - (1 << e - 1) + 1 - m
    return sign, Fraction(mantissa + ((1 << m) if exponent else 0)) * Fraction(2) ** scale


def nearest(kind, sign, magnitude):
    m, e = mantissa_bits(kind), kind[1]
    top = (1 << e) - 1
    if magnitude is None:
        return sign << m + e | top << m
    if isinstance(magnitude, int):
        return sign << m + e | top << m | 1 << m - 1 | magnitude >> 23 - m
    least = 2 - (1 << e - 1)  # the exponent of the smallest normal number
    exponent = least
    while magnitude >= Fraction(2) ** (exponent + 1):
        exponent += 1
    steps = round(magnitude / Fraction(2) ** (exponent - m))  # Python rounds ties to even
    bits = steps + ((exponent - least) << m)  # of a normal number its leading 1 counts as one more exponent
    return sign << m + e | min(bits, top << m)


def cast(number, data):
    if number == CUT:
        return b"".join(data[i + 2 : i + 4] for i in range(0, len(data), 4))
    start, end = CASTS[number]
    words = [int.from_bytes(data[i : i + start[0]], "little") for i in range(0, len(data), start[0])]
    if (start, end) == (BF16, F32):
        return b"".join((w << 16).to_bytes(4, "little") for w in words)
    return b"".join(nearest(end, *value(start, w)).to_bytes(end[0], "little") for w in words)


def widths(number):
    return (4, 2) if number == CUT else tuple(kind[0] for kind in CASTS[number])


def take_number(r):
    total, shift, byte = 0, 0, 128
    while byte > 127:
        byte = r.uint(1)
        demand(shift < 63 or byte <= 1, "number of more than 64 bits")
        total |= (byte & 127) << shift
        shift += 7
    return total


def columns(r, size, at, read):
    """A part of rows that begin a stride apart, and where the bytes that it lies in end."""
    row, stride, skip = (take_number(r) for _ in range(3))
    demand(LEAST_ROW <= row <= stride <= MAX_VIEW and skip < row, "columns that do not exist")
    last = skip + size - 1
    reads = last // row * stride + last % row + 1
    demand(reads <= MAX_VIEW, "columns of too much")
    seen = read(at, at + reads)
    rows = b"".join(seen[i : i + row] for i in range(0, len(seen), stride))
    return rows[skip:][:size], at + reads


def turned(r, size, at, read):
    """A part of a matrix that is turned over, and where the matrix ends."""
    width, rows, columns, skip = r.uint(1), *(take_number(r) for _ in range(3))
    demand(width in (1, 2, 4, 8) and rows and columns and size % width == 0, "matrix that does not exist")
    demand(rows * columns * width <= MAX_VIEW and skip + size // width <= rows * columns, "part outside of its matrix")
    seen, made = read(at, at + rows * columns * width), b""
    for k in range(skip, skip + size // width):
        place = (k % rows * columns + k // rows) * width
        made += seen[place : place + width]
    return made, at + rows * columns * width


def make(r: Reader, length, own, read):
    """The reference of `length` bytes by the recipe at r. read(start, end) are bytes of the source; `own`: the archive's
    own original."""
    n, made, at = r.uint(2), b"", 0
    demand(1 <= n <= MAX_PARTS, f"{n} parts")
    for _ in range(n):
        form = r.uint(1)
        support(form in (ZEROS, RANGE, COLUMNS, TURNED) or CAST <= form < CAST + len(CASTS), f"form {form}")
        size = take_number(r)
        demand(1 <= size <= length - len(made), "part is too long")
        if form == ZEROS:
            made += bytes(size)
            continue
        step = take_number(r)
        at = (at - (step >> 1) - 1 if step & 1 else at + (step >> 1)) % 2**64
        if form in (COLUMNS, TURNED):
            demand(not own, "view of the archive itself")
            part, at = (columns if form == COLUMNS else turned)(r, size, at, read)
            made += part
            continue
        before, after = widths(form - CAST) if form >= CAST else (1, 1)
        demand(size % after == 0, "part of an element")
        demand(not own or n == 1, "parts of the archive itself")
        found = read(at, at + size // after * before)
        made += cast(form - CAST, found) if form >= CAST else found
        at += size // after * before
    demand(len(made) == length, "parts do not make the reference")
    return made


def find(chunks, r: Reader, source, referred, where):
    """The bytes that a chunk refers to: (offset, length) says which, or, without an offset, the recipe at r."""
    if source == 0:
        demand(chunks.flags & SELF_FLAG, "reference to itself")
        demand(not referred, "reference to a chunk with a reference")
    else:
        demand(chunks.flags & BASES_FLAG and source <= len(chunks.bases), f"base {source}")
        if chunks.bases[source - 1] is None:
            raise NoBase(f"base {source}")

    def read(start, end):
        found = chunks.own(start, end) if source == 0 else chunks.bases[source - 1][start:end]
        demand(len(found) == end - start, "reference to bytes that are not there")
        return found

    off, length = where
    return make(r, length, source == 0, read) if off is None else read(off, off + length)
