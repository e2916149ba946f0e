"""Section 6.2 of doc/format.md: what R16W does in another way than R16."""

SLOTS = 128


def read_tables(r, n_tables, read_nested, demand):
    """The 128 slots of each table, (symbol or None for the escape, F, slot - B), and the spans (base, k) they list."""
    spans = [(r.uint(1), r.uint(1)) for _ in range(n_tables)]
    demand(all(k <= 31 and base + k <= 255 for base, k in spans), "a table lists too much")
    n = sum(k for _, k in spans)
    freqs = [f + 1 for f in read_nested(n)] if n else []
    tables = []
    for base, k in spans:
        counts, freqs = freqs[:k], freqs[k:]
        demand(sum(counts) <= SLOTS, f"frequencies add up to {sum(counts)}")
        entries = [(base + i, f) for i, f in enumerate(counts)] + [(None, SLOTS - sum(counts))]
        tables.append([(symbol, f, i) for symbol, f in entries for i in range(f)])
    return tables, spans


def escaped(span, escape):
    base, k = span
    return (base + escape - 128 + (k if escape >= 128 else 0)) % 256


ESCAPES_AT = {2: 4, 8: 3}  # by codec, R16 and R16W


def escapes_of(codec, data):
    """The n_escapes of a stream; 0 where it has none, by its codec or because it ends before."""
    at = ESCAPES_AT.get(codec, len(data))
    return int.from_bytes(data[at : at + 4], "little") if len(data) >= at + 4 else 0
