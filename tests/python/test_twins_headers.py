"""Headers of safetensors files, whole and not: the twins give every tensor or an error, as the package safetensors."""

import json
import random
import struct

import pytest
import zipnn

pytest.importorskip("numpy")
safetensors = pytest.importorskip("safetensors")

import safetensors.numpy as plain  # noqa: E402
import zipnn.safetensors as twin  # noqa: E402
import zipnn.safetensors.numpy as ours  # noqa: E402
from zipnn.safetensors import layout  # noqa: E402
from zipnn.safetensors.exceptions import FormatError  # noqa: E402

W = '"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'


def file_of(header, data):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header)) + header + (data if isinstance(data, bytes) else bytes(data))


def read(data):
    return layout.read_header(lambda offset, n: data[offset : offset + n], len(data))


def verdict_of_theirs(data):
    """Tensors, or None where they are refused."""
    try:
        found = safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return None
    return {name: (t["dtype"], tuple(t["shape"]), bytes(t["data"])) for name, t in found}


def verdict_of_ours(data):
    try:
        found = read(data).tensors
    except FormatError:
        return None
    return {n: (t.dtype, t.shape, bytes(data[t.offset : t.offset + t.nbytes])) for n, t in found.items()}


def entry(**fields):
    return json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **fields}})


REFUSED = {
    "shape disagrees": ('{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,4]}}', 4),
    "overlap": ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' + W + "}", 4),
    "partly overlap": ('{"a":{"dtype":"F32","shape":[2],"data_offsets":[2,10]},' + W + "}", 10),
    "hole": ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},' + W + "}", 12),
    "begin > end": ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]},' + W + "}", 4),
    "empty inside another": ('{"e":{"dtype":"F32","shape":[0],"data_offsets":[2,2]},' + W + "}", 4),
    "bytes behind": ("{" + W + "}", 5),
    "bytes lacking": ("{" + W + "}", 3),
    "unknown type": (entry(dtype="F128"), 4),
    "a type of ours alone": (entry(dtype="F4_E2M1", shape=[8]), 4),
    "half a byte": (entry(dtype="F4", shape=[7]), 4),
    "no shape": ('{"w":{"dtype":"F32","data_offsets":[0,4]}}', 4),
    "float for a count": (entry(shape=[1.0]), 4),
    "true for a count": (entry(shape=[True]), 4),
    "negative": (entry(shape=[-1, -1]), 4),
    "negative zero": ('{"w":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}', 0),
    "product overflows": (entry(shape=[1 << 62, 4, 0], data_offsets=[0, 0]), 0),
    "three offsets": (entry(data_offsets=[0, 4, 4]), 4),
    "offset of 65 bits": (entry(data_offsets=[0, 1 << 64]), 4),
    "5000 digits": ('{"w":{"dtype":"F32","shape":[' + "9" * 5000 + '],"data_offsets":[0,4]}}', 4),
    "5000 digits in metadata": ('{"__metadata__":{"a":' + "9" * 5000 + "}," + W + "}", 4),
    "a field twice": ('{"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "metadata twice": ('{"__metadata__":{},"__metadata__":{},' + W + "}", 4),
    "metadata of numbers": ('{"__metadata__":{"a":1},' + W + "}", 4),
    "metadata that is a tensor": ('{"__metadata__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "metadata of lists": ('{"__metadata__":{"zipnn.tied:x":["w"]},' + W + "}", 4),
    "metadata of 200 000 brackets": ('{"__metadata__":{"a":' + "[" * 200000 + "]" * 200000 + "}," + W + "}", 4),
    "126 brackets": ('{"w":{"x":' + "[" * 126 + "]" * 126 + ',"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "900 brackets": ('{"w":{"x":' + "[" * 900 + "]" * 900 + ',"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "an array": ("[]", 0),
    "null": ("null", 0),
    "nothing": ("", 0),
    "an entry that is null": ('{"w":null}', 0),
    "not JSON": ('{"w":{"x":' + "y" * 70000 + "}," + W + "}", 4),
    "NaN": ('{"w":{"x":NaN,"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "1e999": ('{"w":{"x":1e999,"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "not UTF-8": (b'{"__metadata__":{"a":"\xff\xfe"},' + W.encode() + b"}", 4),
    "UTF-16": (("{" + W + "}").encode("utf-16"), 4),
    "byte order mark": (("\ufeff{" + W + "}").encode(), 4),
    "control character": ('{"\x01":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "half a surrogate pair": ('{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "the other half": ('{"\\\\\\udc00":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "NUL behind": ("{" + W + "}\0", 4),
}
TAKEN = {
    "name of 70 000": ('{"' + "n" * 70000 + '":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},' + W + "}", 8),
    "name of 70 000 brackets": (
        '{"' + "[" * 70000 + '":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},' + W + "}",
        8,
    ),
    "name with NUL": ('{"a\\u0000b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},' + W + "}", 8),
    "name of a surrogate pair": ('{"\\ud83d\\ude00":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "empty name": ('{"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "spaces": ('\n {"w":{"dtype":"F32",' + " " * 70000 + '"shape":[1],"data_offsets":[0,4]}} \t', 4),
    "nested 125 deep": ('{"w":{"x":' + "[" * 125 + "]" * 125 + ',"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "metadata null": ('{"__metadata__":null,' + W + "}", 4),
    "metadata null alone": ('{"__metadata__":null}', 0),
    "metadata of 3 MB of brackets": (
        json.dumps({"__metadata__": {"workflow": '[{"a"' * 500000}})[:-1] + "," + W + "}",
        4,
    ),
    "the last of one name": ('{"w":{"dtype":"F32","shape":[9],"data_offsets":[0,4]},' + W + "}", 4),
    "empty and huge": (entry(shape=[0, 1 << 62, 4], data_offsets=[0, 0]), 0),
    "65 dimensions": (entry(shape=[1] * 65), 4),
    "empty between": ('{"e":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},' + W + "}", 4),
    "fp6": (entry(dtype="F6_E2M3", shape=[8], data_offsets=[0, 6]), 6),
    "no tensors": ("{}", 0),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_headers(case, tmp_path):
    data = file_of(*REFUSED[case])
    assert verdict_of_theirs(data) is None
    archive = zipnn.compress(data)
    path = tmp_path / "x.safetensors.znn"
    path.write_bytes(archive)
    for call in (lambda: ours.load(archive), lambda: ours.load_file(path), lambda: twin.safe_open(path, "np")):
        with pytest.raises(zipnn.FormatError) as caught:
            call()
        assert isinstance(caught.value, safetensors.SafetensorError) and "safetensors" in str(caught.value)


@pytest.mark.parametrize("case", TAKEN)
def test_taken_headers(case):
    data = file_of(*TAKEN[case])
    assert verdict_of_theirs(data) is not None and verdict_of_ours(data) == verdict_of_theirs(data)
    with twin.safe_open(zipnn.compress(data), "np") as f:
        assert set(f.keys()) == set(verdict_of_theirs(data))
        for name in f.keys():
            assert tuple(f.get_slice(name).get_shape()) == verdict_of_theirs(data)[name][1]


def test_what_is_stricter():
    """Forms that no writer makes and the specification does not have, but the reference's JSON library reads."""
    for header in ('{"w":["F32",[1],[0,4]]}', '{"w":{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}}'):
        assert verdict_of_theirs(file_of(header, 4)) is not None
        with pytest.raises(FormatError):
            read(file_of(header, 4))


def test_types_are_the_references():
    """Names and order, which the layout depends on."""
    with pytest.raises(safetensors.SafetensorError, match="expected one of") as caught:
        safetensors.deserialize(file_of(entry(dtype="?"), 4))
    names = [name.strip("` ") for name in str(caught.value).partition("one of ")[2].partition(" at line")[0].split(",")]
    assert names == list(layout._BITS)
    for name, bits in layout._BITS.items():
        assert verdict_of_theirs(file_of(entry(dtype=name, shape=[8], data_offsets=[0, bits]), bits)) is not None


# ---- at random ------------------------------------------------------------------------------------------------------

WIDTHS = {"BOOL": 1, "U8": 1, "F16": 2, "F32": 4, "I64": 8, "F4": 0.5, "F6_E2M3": 0.75, "C64": 8}
NUMBERS = [0, 1, -1, 2, 4, 8, 2**32, 2**62, 2**63, 2**64 - 1, 2**64, 1.0, True, None, "1", [], {}, 10**400]
SNIPPETS = [
    *(
        b" ",
        b"\n",
        b"\x0b",
        b"\0",
        b",",
        b"0",
        b"-",
        b".",
        b"e5",
        b"\\u0000",
        b"\\ud800",
        b"\\udc00",
        b"\\ud83d\\ude00",
    ),
    *(
        b"\\n",
        b"\\x",
        b"\xff",
        b"\xc3\xa9",
        b"[",
        b"]",
        b"{",
        b"}",
        b"null",
        b"NaN",
        b"1e999",
        b"-0",
        b'"',
        b"//",
        b"\x1f",
    ),
]


def random_header(r):
    """A right header, and the bytes that its tensors need."""
    header, end = {}, 0
    if r.random() < 0.4:
        header["__metadata__"] = r.choice([{}, {"a": "b", "é\0": '"\\'}, None])
    for i in range(r.randint(0, 4)):
        dtype, shape = r.choice(list(WIDTHS)), [r.randint(0, 4) for _ in range(r.randint(0, 3))]
        count = 8  # so that packed types end at whole bytes
        for n in shape:
            count *= n
        begin, end = end, end + int(count * WIDTHS[dtype])
        name = r.choice([f"w{i}", f"a\0b{i}", f"é{i}", "x" * 300 + str(i), f"[{{{i}"])
        header[name] = {"dtype": dtype, "shape": [*shape, 8], "data_offsets": [begin, end]}
    return header, end


def change_values(r, header):
    if not header:
        return
    name = r.choice(list(header))
    e = header[name]
    if name == "__metadata__":
        header[name] = r.choice([[], "x", {"a": 1}, {"a": None}, {"a": "b"}, {"dtype": "F32", "shape": []}])
        return
    changes = [
        lambda: e.update(dtype=r.choice([*WIDTHS, "F128", "f32", "", None, 1, "F8_E8M0", "F4_E2M1", "U64"])),
        lambda: e["shape"].insert(r.randint(0, len(e["shape"])), r.choice(NUMBERS)),
        lambda: e["shape"].__setitem__(r.randrange(len(e["shape"])), r.choice(NUMBERS)),
        lambda: e["data_offsets"].__setitem__(r.randrange(2), r.choice(NUMBERS)),
        lambda: e["data_offsets"].__setitem__(r.randrange(2), e["data_offsets"][0] + r.choice([-1, 1, 4])),
        lambda: e.pop(r.choice(list(e))),
        lambda: e.update({r.choice(["x", "Shape"]): r.choice([1, None, [1, [2, {"a": []}]], {"shape": []}, 1.5])}),
        lambda: e.update(data_offsets=r.choice([[0], [0, 0], [0, 0, 0], [], None, {}, "x"])),
        lambda: e.update(shape=r.choice([[], None, {}, "x", [0], [[1]]])),
        lambda: header.update({name: r.choice([None, [], 1, "x", {}])}),
    ]
    r.choice(changes)()


def change_text(r, text):
    text = bytearray(text)
    for _ in range(r.randint(1, 2)):
        at = r.randrange(len(text))
        kind = r.randrange(4)
        if kind == 0:
            text[at] = r.randrange(256)
        elif kind == 1:
            text[at:at] = r.choice(SNIPPETS)
        elif kind == 2:
            text[at] = r.choice(b'{}[]",:0129-.eE\\u tnf')
        elif len(text) > 1:
            del text[at]
    return bytes(text)


def random_file(r):
    header, length = random_header(r)
    kind = r.randrange(4)
    if kind & 1:
        change_values(r, header)
    text = json.dumps(header, ensure_ascii=r.random() < 0.5, separators=r.choice([(",", ":"), (", ", " : ")])).encode()
    if header and r.random() < 0.15:  # a name that comes twice
        again = {r.choice(list(header)): header[r.choice(list(header))]}
        text = text[:-1] + b"," + json.dumps(again).encode()[1:]
    if kind & 2:
        text = change_text(r, text)
    if r.random() < 0.1:
        text = r.choice([b" ", b"\n", b"\0", b"x"]) + text
    claimed = len(text) + (r.choice([-1, 1, 8]) if r.random() < 0.05 else 0)
    data = struct.pack("<Q", max(claimed, 0)) + text + r.randbytes(length + (r.random() < 0.05))
    return data[: r.randrange(len(data) + 1)] if r.random() < 0.02 else data


def test_same_verdict_as_the_reference():
    r = random.Random(5)
    taken = 0
    for _ in range(6000):
        data = random_file(r)
        theirs = verdict_of_theirs(data)
        assert verdict_of_ours(data) == theirs, data
        taken += theirs is not None
    assert 1000 < taken < 4000


def test_same_arrays_as_the_reference(tmp_path):
    """The same through archives, as the twins give them."""
    r = random.Random(6)
    taken = 0
    for _ in range(300):
        data = random_file(r)
        try:
            theirs = plain.load(data)
        except (safetensors.SafetensorError, KeyError):  # a KeyError is a type that numpy lacks
            with pytest.raises((zipnn.FormatError, zipnn.UnsupportedError)):
                ours.load(zipnn.compress(data))
            continue
        found = ours.load(zipnn.compress(data))
        assert {n: (a.dtype, a.shape, a.tobytes()) for n, a in found.items()} == {
            n: (a.dtype, a.shape, a.tobytes()) for n, a in theirs.items()
        }
        taken += 1
    assert taken > 30


def test_headers_up_to_the_limit(monkeypatch):
    text = '{"__metadata__":{"workflow":"' + "w" * (40 << 20) + '"},' + W + "}"
    archive = zipnn.compress(file_of(text, b"\0\0\x80?"), level=1)
    assert ours.load(archive)["w"].tolist() == [1.0]
    with twin.safe_open(archive, "np") as f:
        assert len(f.metadata()["workflow"]) == 40 << 20
    monkeypatch.setattr(layout, "_LONGEST", 1 << 20)
    with pytest.raises(FormatError, match="1048576 are allowed"):
        ours.load(archive)


def test_other_files_are_named():
    with pytest.raises(FormatError, match="one of npy"):
        import io

        import numpy as np

        file = io.BytesIO()
        np.save(file, np.zeros(9))
        ours.load(zipnn.compress(file.getvalue()))
    for data in (b"", b"only bytes", bytes(100), b"{}" * 50):
        with pytest.raises(FormatError, match="does not hold a safetensors file"):
            ours.load(zipnn.compress(data))
