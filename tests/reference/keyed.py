"""Layout 19 of doc/format.md, section 5.1: numbers of four bits in groups that have keys."""

from wide import escapes_of

MOST_RUNS, LEAST_GROUP, MOST_UNIT = 256, 16, 3


def groups_of(runs, unit):
    """For each group, in order of position: the indices of its numbers among those of all tiles."""
    found, start = [], 0
    for _, rows, count, columns in runs:
        for _ in range(count):
            for c in range(columns):
                found.append([start + (row * columns + c) * unit + i for row in range(rows) for i in range(unit)])
            start += rows * columns * unit
    return found


def sorted_groups(keys):
    return sorted(range(len(keys)), key=keys.__getitem__)


def pack(numbers):
    return bytes(low | high << 4 for low, high in zip(numbers[::2], numbers[1::2]))


def decode_keyed(r, n_head, orig_len, tools):
    """From the unit on. `tools` are demand, support, a decoder of streams, one of inner chunks, and the number of R16."""
    demand, support, decode, decode_inner = tools
    unit_log2, n_runs = r.uint(1), r.uint(2)
    keys, numbers = [(r.uint(1), r.uint(4)) for _ in range(2)]
    support(unit_log2 <= MOST_UNIT, f"elements of 2^{unit_log2} numbers")
    demand(n_head == 0 and 1 <= n_runs <= MOST_RUNS, f"{n_runs} runs")
    unit, runs, used = 1 << unit_log2, [], 0
    for _ in range(n_runs):
        gap, rows, count, columns = r.uint(4), r.uint(2), r.uint(2), r.uint(4)
        demand(rows * unit >= LEAST_GROUP and count >= 1 and columns >= 1, "an empty run, or small groups")
        demand(rows * columns * unit % 2 == 0, "half a byte")
        used += gap + rows * columns * unit * count // 2
        demand(used <= orig_len, "runs are too long")
        runs.append((gap, rows, count, columns))
    n_groups = sum(columns * count for _, _, count, columns in runs)
    n_numbers = sum(rows * columns * unit * count for _, rows, count, columns in runs)
    keys, numbers = [(codec, r.take(length)) for codec, length in (keys, numbers)]
    rest_len = orig_len - n_numbers // 2
    demand(rest_len > 0 or r.left() == 0, "a rest of nothing")
    rest = decode_inner(r.take(r.left()), rest_len) if rest_len else b""
    keys = decode(*keys, n_groups)
    codec, data = numbers
    demand(escapes_of(codec, data) <= orig_len, "escapes")
    numbers = decode(codec, data, n_numbers)
    demand(all(number < 16 for number in numbers), "a number is too large")
    groups, placed, at = groups_of(runs, unit), bytearray(n_numbers), 0
    for g in sorted_groups(keys):
        for i in groups[g]:
            placed[i] = numbers[at]
            at += 1
    out, kept, at = b"", 0, 0
    for gap, rows, count, columns in runs:
        n = rows * columns * unit * count
        out += rest[kept : kept + gap] + pack(placed[at : at + n])
        kept, at = kept + gap, at + n
    return out + rest[kept:]
