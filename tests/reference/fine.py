"""Section 6.3 of doc/format.md: R32."""

SLOTS, BUCKETS, LANES, LOW, MOST_SIZE = 4096, 64, 64, 65536, 104


def number(size):
    return (8 + (size - 1) % 8) << (size - 1) // 8 if size else 0


def frequencies(sizes):
    """The slots of each of 64 entries."""
    numbers = [number(size) for size in sizes]
    total = sum(numbers)
    freqs = [max(1, (n * SLOTS + total // 2) // total) if n else 0 for n in numbers]
    freqs[sizes.index(max(sizes))] += SLOTS - sum(freqs)
    return freqs


def slots_of(freqs):
    """(entry, rank) of each slot."""
    width = SLOTS // BUCKETS
    rest, slots, large = list(freqs), [(bucket, place) for bucket in range(BUCKETS) for place in range(width)], 0
    for i in range(BUCKETS):
        if freqs[i] >= width:
            continue
        small = i
        while rest[small] < width:
            while rest[large] <= width:
                large += 1
            had = rest[small]
            rest[large] -= width - had
            for place in range(had, width):
                slots[small * width + place] = (large, rest[large] + place - had)
            small = large
    return slots


def read_tables(r, n_tables, read_nested, demand):
    spans = [(r.uint(1), r.uint(1)) for _ in range(n_tables)]
    demand(all(k <= 63 and base + k <= 256 for base, k in spans), "a table lists too much")
    steps = list(read_nested(sum(k + 1 for _, k in spans)))
    tables = []
    for base, k in spans:
        sizes = [0] * BUCKETS
        for i in range(k + 1):
            sizes[i] = (steps.pop(0) + (sizes[i - 4] if i >= 4 else 0)) % 256
            demand(sizes[i] <= MOST_SIZE, f"size {sizes[i]}")
        demand(any(sizes), "a table without slots")
        freqs = frequencies(sizes)
        tables.append((base, k, freqs, slots_of(freqs)))
    return tables


def decode_r32(r, size, nested, demand):
    """`nested` decodes the nested stream at the reader, of so many bytes."""
    block_log2, n_tables, n_escapes = r.uint(1), r.uint(1), r.uint(4)
    demand(size >= 1 and 1 <= n_tables <= 16 and n_escapes <= size, "R32 counts")
    demand(7 <= block_log2 <= 24 if n_tables > 1 else block_log2 == 0, f"blocks of 2^{block_log2}, {n_tables} tables")
    tables = read_tables(r, n_tables, nested, demand)
    ids = bytes(1)
    if n_tables > 1:
        ids = nested(-(-size >> block_log2))
        demand(all(i < n_tables for i in ids), "no such table")
    escapes = list(nested(n_escapes) if n_escapes else b"")[::-1]
    states = [r.uint(4) for _ in range(LANES)]
    demand(all(x >= LOW for x in states), "initial state below 65536")
    demand(r.left() % 2 == 0, "half a word")
    words = [r.uint(2) for _ in range(r.left() // 2)][::-1]
    out = bytearray()
    for i in range(size):
        base, k, freqs, slots = tables[ids[i >> block_log2] if n_tables > 1 else 0]
        x = states[i % LANES]
        entry, rank = slots[x % SLOTS]
        x = freqs[entry] * (x // SLOTS) + rank
        if x < LOW:
            demand(words, f"an R32 stream runs out of words at symbol {i}")
            x = x << 16 | words.pop()
        states[i % LANES] = x
        escape = 0
        if entry == k:
            demand(escapes, f"an R32 stream runs out of escapes at symbol {i}")
            escape = escapes.pop()
        out.append((base + entry + escape) % 256)
    demand(all(x == LOW for x in states), "a lane does not end in state 65536")
    demand(not words and not escapes, "an R32 stream is not used up")
    return bytes(out)
