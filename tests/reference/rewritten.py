"""Layout 20 of doc/format.md, section 5.1: chunks that follow from other bytes by a rule."""

LATIN1, VARINTS, GATHERED = 1, 2, 3


def varint(n):
    return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])


def spell(rule, plain, marks):
    """The original of rules 1 and 2; None where a marked element is no byte."""
    width = 2 if rule == VARINTS else 1
    out = []
    for at in range(0, len(plain), width):
        value = int.from_bytes(plain[at : at + width], "little")
        if at // width in marks:
            if value > 255:
                return None
            out.append(bytes([value]))
        else:
            out.append(varint(value) if rule == VARINTS else chr(value).encode())
    return b"".join(out)


def scatter(plain, marks):
    """The original of rule 3: gaps and runs in turn, the runs from the front of `plain`, the gaps behind them."""
    edges = [0, *marks, len(plain)]
    lengths = [b - a for a, b in zip(edges, edges[1:])]
    places = [0, sum(lengths[1::2])]
    out = []
    for i, length in enumerate(lengths):
        which = 0 if i % 2 else 1
        out.append(plain[places[which] : places[which] + length])
        places[which] += length
    return b"".join(out)


def decode_rewritten(r, n_head, orig_len, demand, support, decode_inner):
    """From the rule on."""
    rule, n_plain, n_marks, marks_len = r.uint(1), r.uint(4), r.uint(4), r.uint(4)
    coded = r.take(marks_len)
    support(LATIN1 <= rule <= GATHERED, f"rule {rule}")
    demand(n_head == 0, "head of a rewritten chunk")
    demand(1 <= n_plain <= orig_len and n_marks <= orig_len // 16, f"{n_plain} bytes, {n_marks} marks")
    demand(n_plain == orig_len if rule == GATHERED else rule == LATIN1 or n_plain % 2 == 0, f"{n_plain} bytes")
    demand(n_marks > 0 or marks_len == 0, "marks of nothing")
    distances = decode_inner(coded, 4 * n_marks) if n_marks else b""
    plain = decode_inner(r.take(r.left()), n_plain)
    marks, place = [], 0
    for at in range(0, len(distances), 4):
        distance = int.from_bytes(distances[at : at + 4], "little")
        demand(distance > 0 or at == 0, "a mark twice")
        place += distance
        marks.append(place)
    demand(not marks or marks[-1] < n_plain // (2 if rule == VARINTS else 1), "a mark too far")
    out = scatter(plain, marks) if rule == GATHERED else spell(rule, plain, set(marks))
    demand(out is not None and len(out) == orig_len, "another length")
    return out
