"""Model files that are allowed and seldom: tensors without names or with one name, dictionaries of every kind, what
lies elsewhere. And small ones that are made to cost much. Seeds of the fuzz target of readers, and fixtures of a
test."""

import collections
import io
import pickle
import struct
import sys
import types

from model_files import (
    Image,
    W,
    field,
    hdf5_latest,
    msgpack_array,
    msgpack_text,
    npy,
    onnx_constant,
    onnx_model,
    onnx_tensor,
    pt2,
    pt2_entry,
    stored_zip,
    tar_member,
    tflite,
)  # fmt: skip

# ---- pickles: numpy's functions by name alone, so that numpy itself is not needed


def _frombuffer(*_):
    pass


class dtype:
    pass


class Array:
    """A float32 array of one element."""

    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return _frombuffer, (struct.pack("<f", self.value), TYPE, (1,), "C")


class Type:
    def __reduce__(self):
        return dtype, ("f4", False, True)


class Config(dict):
    pass


class Order(collections.OrderedDict):
    pass


class Plain:
    pass


class Slots:
    __slots__ = ("w", "__dict__")


TYPE = Type()
MODULES = {"numpy._core.numeric": (_frombuffer,), "numpy": (dtype,), "model": (Config, Order, Plain, Slots)}


def dump(tree, protocol=4):
    """Pickles by hand of Python's own, with every class and function where MODULES says."""
    kept = {name: sys.modules.get(name) for name in MODULES}
    for name, items in MODULES.items():
        sys.modules[name] = types.ModuleType(name)
        for item in items:
            item.__module__ = name
            setattr(sys.modules[name], item.__name__, item)
    try:
        out = io.BytesIO()
        pickle._Pickler(out, protocol).dump(tree)  # the one in Python, whose bytes are the same everywhere
        return out.getvalue()
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def containers():
    config, order, plain, slots = Config(w=Array(3)), Order(w=Array(4)), Plain(), Slots()
    config.extra = Array(5)
    plain.w = Array(6)
    slots.w, slots.v = Array(7), Array(8)
    shared = {"w": Array(9)}
    return dump({
        "p": {"w": Array(0)},
        "dd": collections.defaultdict(dict, {"w": Array(1), "b": Array(2)}),
        "cfg": config, "od": order, "obj": plain, "slots": slots,
        "dq": collections.deque([Array(10), Array(11)]), "set": [Array(12), (Array(13),)],
        "one": shared, "two": shared, 7: Array(14), None: Array(15),
    })  # fmt: skip


def hard_names():
    deep = Array(1)
    for _ in range(100):
        deep = [deep]
    long = "k" * 300
    return dump({
        "deep": deep, long: {long: {long: {long: Array(2)}}}, "n" * 5000: Array(3), "m" * 5000: Array(4),
        "a.b": Array(5), "a": {"b": Array(6)}, "z\0z": Array(7), "": {"": Array(8)},
    })  # fmt: skip


def root_alone():
    return stored_zip([("a.pkl", dump(Array(1))), ("b.pkl", dump([Array(2)]))])


# ---- ONNX


def unnamed():
    """Unnamed tensors behind a node with an output, in a sparse initializer and behind a graph of an attribute."""
    data = struct.pack("<2q", 0, 1)
    sparse = field(1, onnx_tensor(b"W", 1, (2,), W[:8])) + field(2, onnx_tensor(b"", 7, (2,), data))
    inner = field(1, onnx_constant(b"inner", onnx_tensor(b"", 1, (2,), W[8:16])))
    behind = field(5, field(1, b"zz") + field(5, onnx_tensor(b"", 1, (2,), W[16:])))
    branch = field(2, b"if") + field(5, field(1, b"then") + field(6, inner)) + behind
    numbers = field(1, 3) + field(2, 6) + field(8, b"ints") + field(5, b"\1\2\3")
    graph = field(1, branch) + field(1, field(2, b"relu")) + field(15, sparse) + field(5, numbers)
    return onnx_model(graph + field(5, onnx_tensor(b"none", 1, (0, 4), b"")))


# ---- GGUF: arrays of arrays, as gguf-py writes them


def nested_arrays():
    def string(s):
        return struct.pack("<Q", len(s)) + s

    def array(kind, n):
        return struct.pack("<IQ", kind, n)

    pair = string(b"a") + struct.pack("<I", 9) + array(9, 3) + array(4, 2) + bytes(8) + array(9, 1) + array(8, 2)
    pair += string(b"x") + string(b"yz") + array(0, 0)
    tensor = string(b"w\0w") + struct.pack("<I2QIQ", 2, 3, 2, 0, 0)
    other = string(b"future") + struct.pack("<IQIQ", 1, 4, 99, 32)
    head = b"GGUF" + struct.pack("<I2Q", 3, 2, 1) + pair + tensor + other
    return head + bytes(-len(head) % 32) + W


# ---- HDF5: a group of the new kind, whose links are in its header, and an empty set


def links():
    f = Image()
    nowhere = 2**64 - 1

    def header(messages):
        body = b"".join(struct.pack("<HHI", kind, len(data), 0) + data for kind, data in messages)
        return f.put_bytes(struct.pack("<BxHIIxxxx", 1, len(messages), 1, len(body)) + body, 8)

    def data_set(dims, at, length):
        space = struct.pack("<BBBxI", 1, len(dims), 0, 0) + b"".join(struct.pack("<Q", d) for d in dims)
        float_type = struct.pack("<BBBBIHHBBBBI", 0x11, 0x20, 31, 0, 4, 0, 32, 23, 8, 0, 23, 127)
        return header([(1, space), (3, float_type), (8, struct.pack("<BBQQ6x", 3, 1, at, length))])

    def link(name, target):
        hard = isinstance(target, int)
        where = struct.pack("<Q", target) if hard else struct.pack("<H", len(target)) + target
        kind = b"\1\0" if hard else b"\1\10\100"
        body = kind + bytes([len(name)]) + name + where
        return 6, body + bytes(-len(body) % 8)

    f.put_bytes(b"\x89HDF\r\n\x1a\n" + struct.pack("<8B2HI", 0, 0, 0, 0, 0, 8, 8, 0, 4, 16, 0))
    end_of_file = f.put("4Q", 0, nowhere, 0, nowhere) + 16
    root_entry = f.put("2Q2I16x", 0, 0, 0, 0)
    w, empty = data_set((2, 3), f.put_bytes(W, 8), len(W)), data_set((0, 3), nowhere, 0)
    info = struct.pack("<BB2Q", 0, 0, nowhere, nowhere) + bytes(6)
    root = header([(2, info), link(b"away", b"\0other.h5\0/w\0"), link(b"w", w), link(b"empty", empty)])
    struct.pack_into("<Q", f.data, root_entry + 8, root)
    struct.pack_into("<Q", f.data, end_of_file, len(f.data))
    return bytes(f.data)


# ---- zips


def twice():
    first, last = npy("<f4", (2,), W[:8]), npy("<f4", (2,), W[8:16])
    return stored_zip([("w.npy", first), ("v.npy", first), ("w.npy", last), ("text.npy", npy("<U4", (1,), W[:16]))])


def tar_names():
    """Names and sizes that do not fit into a header, members without bytes, and a size that no file has."""

    def wide(n):
        return b"\x80" + n.to_bytes(11, "big")

    array = npy("<f4", (2, 3), W)
    return b"".join([
        tar_member(b"pax_global_header", b"19 comment=nothing\n", b"g"),
        tar_member(b"././@LongLink", b"long/long/long/w.npy\0", b"L"), tar_member(b"long", array),
        tar_member(b"PaxHeader", b"18 path=pax/w.npy\n", b"x"), tar_member(b"pax", array),
        tar_member(b"folder/", b"", b"5", size=b"00000001000\0"), tar_member(b"sparse", b"bytes", b"S"),
        tar_member(b"z.npz", stored_zip([("w.npy", array)])), tar_member(b"big.npy", array, size=wide(len(array))),
        tar_member(b"huge.npy", array, size=wide(1 << 60)),
    ])  # fmt: skip


def tar_record(record):
    return tar_member(b"PaxHeader", record, b"x") + tar_member(b"w.npy", npy("<f4", (2, 3), W))


def msgpack_maps():
    """Arrays in lists, under numbers, as msgpack-numpy writes them, and some that contradict themselves."""
    array = msgpack_array(b"float32", (2, 3), W)
    described = {b"nd": b"\xc3", b"type": msgpack_text(b"<f4"), b"kind": msgpack_text(b""), b"shape": b"\x92\x02\x03",
                 b"data": b"\xc4\x18" + W}  # fmt: skip
    as_map = b"\x85" + b"".join(msgpack_text(key) + value for key, value in described.items())
    return b"".join([
        b"\x87", msgpack_text(b"what comes first"), b"\x93\xc0\x81", msgpack_text(b"w"), array, array,
        msgpack_text(b"b"), as_map, b"\x07", array, msgpack_text(b"s"), msgpack_array(b"float32", (), W[:4]),
        msgpack_text(b"short"), msgpack_array(b"float32", (2, 3), W[:4]),
        msgpack_text(b"other"), msgpack_array(b"int4", (4,), W[:4]), msgpack_text(b"broken"), b"\xd5\x01\x91\xc0",
    ])  # fmt: skip


def pt2_odd():
    """Two names of one member, one behind its beginning, and tensors that cannot be: turned, too long, of no type, without a member."""
    good = pt2_entry("weight_0", 7, (2, 3), (3, 1))
    return pt2({
        "a": good, "tied": good, "row": pt2_entry("weight_0", 7, (3,), (1,), storage_offset={"as_int": 3}),
        "turned": pt2_entry("weight_0", 7, (3, 2), (1, 3)), "long": pt2_entry("weight_0", 7, (2, 4), (4, 1)),
        "typed": pt2_entry("weight_0", 99, (2,), (1,)), "lost": pt2_entry("weight_7", 7, (2,), (1,)), "bare": {},
    })  # fmt: skip


# ---- made to cost much


def msgpack_depth():
    return b"\x81\xa0" * 100


def one_prefix():
    return stored_zip([("a/data.pkl", b"\x80\x02N.")] * 20 + [(f"a/data/{i:x}", b"") for i in range(20)])


def long_globals():
    text = b"n" * 255
    calls = b"h\0h\0\x93" * 50
    return stored_zip([(f"{i}.pkl", b"\x80\x04}\x8c\xff" + text + b"\x94" + calls + b".") for i in range(4)])


def many_paths():
    """A dictionary of two that are the same, and so on: 2 to the 40th paths."""
    tree = Array(1)
    for _ in range(40):
        tree = [tree, tree]
    return dump(tree)


FILES = {
    "containers.pkl": containers,
    "hard_names.pkl": hard_names,
    "roots.zip": root_alone,
    "unnamed.onnx": unnamed,
    "nested.gguf": nested_arrays,
    "links.h5": links,
    "odd.pt2": pt2_odd,
    "heap.h5": lambda: hdf5_latest(heap=True),
    "table.h5": lambda: hdf5_latest(heap=True, rows=2),
    "behind.tflite": lambda: tflite(behind=True),
    "twice.npz": twice,
    "names.tar": tar_names,
    "record.tar": lambda: tar_record(b"99999999999999999999 path=x\n"),
    "maps.msgpack": msgpack_maps,
    "depth.msgpack": msgpack_depth,
    "one_prefix.zip": one_prefix,
    "long_globals.zip": long_globals,
    "many_paths.pkl": many_paths,
}
