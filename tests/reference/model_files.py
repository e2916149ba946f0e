"""The smallest model files of each kind, made by hand: seeds of the fuzz target of readers, and fixtures of a test.

Every file holds tensors "w", 2 x 3 of fp32, and "b", 4 of another type, or what of that the format can say."""

import io
import json
import struct
import zipfile

W = struct.pack("<6f", 0.5, -0.25, 1.5, 2.5, -3.5, 0.125)
B = struct.pack("<4H", 0x3F80, 0xBF80, 0x4000, 0x3F00)


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def storage(name, key, n):
    return b"(" + text("storage") + b"ctorch\n" + name + b"\n" + text(key) + text("cpu") + b"K" + bytes([n]) + b"tQ"


def torch_pickle():
    def tensor(name, class_name, key, n, shape, stride):
        sizes = b"(" + b"".join(b"K" + bytes([d]) for d in shape) + b"t"
        strides = b"(" + b"".join(b"K" + bytes([d]) for d in stride) + b"t"
        rest = b"\x89ccollections\nOrderedDict\n)RtR"
        return (text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(class_name, key, n) + b"K\x00" + sizes
                + strides + rest)  # fmt: skip

    return (b"\x80\x02ccollections\nOrderedDict\n)R(" + tensor("w", b"FloatStorage", "0", 6, (2, 3), (3, 1))
            + tensor("b", b"BFloat16Storage", "1", 4, (4,), (1,)) + b"u.")  # fmt: skip


def stored_zip(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in members:
            z.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def torch_zip():
    return stored_zip([("archive/data.pkl", torch_pickle()), ("archive/data/0", W), ("archive/data/1", B)])


def pt2_entry(file, kind, shape, strides, **changed):
    def numbers(of):
        return [{"as_int": n} for n in of]

    meta = {"dtype": kind, "sizes": numbers(shape), "strides": numbers(strides), "storage_offset": {"as_int": 0}}
    return {"path_name": file, "is_param": True, "tensor_meta": meta | changed}


def pt2(entries=None):
    entries = entries or {"w": pt2_entry("weight_0", 7, (2, 3), (3, 1)), "b": pt2_entry("weight_1", 13, (4,), (1,))}
    folder, config = "model/data/weights/", json.dumps({"config": entries, "other": None}).encode()
    return stored_zip([(f"{folder}weight_0", W), (f"{folder}weight_1", B), (f"{folder}model_weights_config.json", config)])


def torch_old():
    magic = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e80024de9032e80027d2e")
    keys = b"\x80\x02](" + text("0") + text("1") + b"e."
    return magic + torch_pickle() + keys + struct.pack("<Q", 6) + W + struct.pack("<Q", 4) + B


def npy(descr, shape, data):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def npz():
    return stored_zip([("w.npy", npy("<f4", (2, 3), W)), ("b.npy", npy("<i2", (4,), B))])


def numpy_pickle():
    def array(name, kind, shape, data):
        dtype = b"cnumpy\ndtype\n" + text(kind) + b"K\x00K\x01\x87R"
        new = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
        sizes = b"(" + b"".join(b"K" + bytes([d]) for d in shape) + b"t"
        return text(name) + new + b"(K\x01" + sizes + dtype + b"\x89C" + bytes([len(data)]) + data + b"tb"

    return b"\x80\x03}(" + array("w", "f4", (2, 3), W) + array("b", "i2", (4,), B) + b"u."


def numpy_pickle5():
    """Protocol 5, as numpy writes it: framed, with names on the stack and a memo of everything."""

    def put(what):
        return what + b"\x94"

    def short(s):
        return put(b"\x8c" + bytes([len(s)]) + s)

    def name(module, what):
        return put(short(module) + short(what) + b"\x93")

    def array(key, kind, shape, data):
        made = put(name(b"numpy", b"dtype") + put(short(kind) + b"\x89\x88\x87") + b"R")
        dtype = put(made + b"(K\x03" + short(b"<") + b"NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00t") + b"b"
        sizes = put(b"".join(b"K" + bytes([d]) for d in shape) + bytes([0x84 + len(shape)]))
        buffer = put(b"\x96" + struct.pack("<Q", len(data)) + data)
        call = name(b"numpy._core.numeric", b"_frombuffer")
        return short(key) + put(put(call + b"(" + buffer + dtype + sizes + short(b"C") + b"t") + b"R")

    body = b"}\x94(" + array(b"w", b"f4", (2, 3), W) + array(b"b", b"i2", (4,), B) + b"u."
    return b"\x80\x05\x95" + struct.pack("<Q", len(body)) + body


def varint(n):
    return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])


def field(number, value):
    """Of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def onnx_tensor(name, kind, dims, data):
    return b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name) + field(9, data)


def onnx_constant(output, tensor):
    return field(2, output) + field(4, b"Constant") + field(5, field(1, b"value") + field(5, tensor))


def onnx_model(graph):
    return field(1, 8) + field(2, b"test") + field(7, graph)


def onnx():
    node = onnx_constant(b"b", onnx_tensor(b"", 16, (4,), B))
    return onnx_model(field(1, node) + field(2, b"graph") + field(5, onnx_tensor(b"w", 1, (2, 3), W)))


def ggml():
    def tensor(name, kind, dims, data):
        head = struct.pack("<3I", len(dims), len(name), kind)
        return head + b"".join(struct.pack("<I", d) for d in reversed(dims)) + name + data

    head = struct.pack("<6I", 0x67676D66, 101, 7, 3, 1, 0)
    return head + tensor(b"w", 0, (2, 3), W) + tensor(b"b", 1, (4,), B)


def tar_member(name, data, kind=b"0", size=None):
    """A header of POSIX's format, and the bytes in whole blocks."""
    octal = b"%011o\0" % len(data) if size is None else size
    head = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + octal + b"00000000000\0" + b" " * 8 + kind
    head = (head.ljust(257, b"\0") + b"ustar\x0000").ljust(512, b"\0")
    head = head[:148] + b"%06o\0 " % sum(head) + head[156:]
    return head + data + bytes(-len(data) % 512)


def tar():
    return tar_member(b"w.npy", npy("<f4", (2, 3), W)) + tar_member(b"b.npy", npy("<i2", (4,), B)) + bytes(512)


def msgpack_text(s):
    return bytes([0xA0 + len(s)]) + s


def msgpack_array(kind, shape, data):
    sizes = bytes([0x90 + len(shape)]) + bytes(shape)
    triple = b"\x93" + sizes + msgpack_text(kind) + b"\xc4" + bytes([len(data)]) + data
    return b"\xc7" + bytes([len(triple)]) + b"\x01" + triple


def msgpack():
    return (b"\x82" + msgpack_text(b"w") + msgpack_array(b"float32", (2, 3), W)
            + msgpack_text(b"b") + msgpack_array(b"bfloat16", (4,), B))  # fmt: skip


class Image:
    """Bytes with places to be filled in later."""

    def __init__(self):
        self.data = bytearray()

    def put(self, fmt, *values):
        at = len(self.data)
        self.data += struct.pack("<" + fmt, *values)
        return at

    def put_bytes(self, data, align=4):
        while len(self.data) % align:
            self.data.append(0)
        at = len(self.data)
        self.data += data
        return at


def tflite(behind=False):
    """`behind`: the weights are not in buffers but behind them."""
    f = Image()

    def vector(items, fmt):
        at = f.put_bytes(struct.pack("<I", len(items)))
        f.put(f"{len(items)}{fmt}", *items)
        return at

    def table(fields):
        """Fields by number: a place to refer to, or ("I" or "Q", value)."""
        places, end = [], 4
        for v in fields:
            places.append(end if v is not None else 0)
            end += 8 if isinstance(v, tuple) and v[0] == "Q" else 4
        vtable = f.put_bytes(struct.pack("<HH", 4 + 2 * len(fields), end))
        f.put(f"{len(fields)}H", *places)
        at = f.put_bytes(b"")
        f.put("i", at - vtable)
        later = []
        for v in fields:
            place = f.put(*v) if isinstance(v, tuple) else f.put("I", 0)
            if v is not None and not isinstance(v, tuple):
                later.append((place, v))
        return at, later

    def refer(place, target):
        struct.pack_into("<I", f.data, place, target - place)

    f.put("I4s", 0, b"TFL3")
    root, (subgraphs_ref, buffers_ref) = table([None, None, 1, None, 1])
    struct.pack_into("<I", f.data, 0, root)
    subgraphs = vector([0], "I")
    refer(subgraphs_ref[0], subgraphs)
    subgraph, ((subgraph_tensors, _),) = table([1])
    refer(subgraphs + 4, subgraph)
    places = vector([0, 0], "I")
    refer(subgraph_tensors, places)
    for i, (name, kind, shape) in enumerate(((b"w", 0, (2, 3)), (b"b", 7, (4,)))):
        at, later = table([1, ("I", kind), ("I", i + 1), 1])
        refer(places + 4 + 4 * i, at)
        refer(later[0][0], vector(shape, "I"))
        refer(later[1][0], f.put_bytes(struct.pack("<I", len(name)) + name + b"\0"))
    buffers = vector([0, 0, 0], "I")
    refer(buffers_ref[0], buffers)
    ends = []
    for i, data in enumerate((None, W, B)):
        inside = data is not None and not behind
        outside = data is not None and behind
        at, later = table([None, ("Q", 0), ("Q", len(data))] if outside else [1 if inside else None])
        refer(buffers + 4 + 4 * i, at)
        if inside:
            refer(later[0][0], f.put_bytes(struct.pack("<I", len(data)) + data))
        if outside:
            ends.append((at + 8, data))
    for place, data in ends:
        struct.pack_into("<Q", f.data, place, f.put_bytes(data))
    return bytes(f.data)


def hdf5(chunked=False):
    """Chunked: "w" lies in two chunks of its rows, below an inner node, and "b" is filtered, so that nothing is
    known."""
    f = Image()

    def header(messages):
        body = b"".join(struct.pack("<HHI", kind, len(data), 0) + data for kind, data in messages)
        return f.put_bytes(struct.pack("<BxHIIxxxx", 1, len(messages), 1, len(body)) + body, 8)

    def tree(level, entries):
        return f.put_bytes(b"TREE" + struct.pack("<BBH2Q", 1, level, len(entries), 2**64 - 1, 2**64 - 1)
                           + b"".join(struct.pack("<II3QQ", 12, 0, row, 0, 0, child) for row, child in entries)
                           + struct.pack("<II3Q", 0, 0, 2, 0, 0), 8)  # fmt: skip

    def rows(data):
        chunks = [(row, f.put_bytes(data[12 * row : 12 * row + 12], 8)) for row in (0, 1)]
        return struct.pack("<BBBQ4I", 3, 2, 3, tree(1, [(0, tree(0, chunks))]), 1, 3, 4, 0)

    def data_set(kind, element, dims, data):
        space = struct.pack("<BBBxI", 1, len(dims), 0, 0) + b"".join(struct.pack("<Q", d) for d in dims)
        float_type = struct.pack("<BBBBIHHBBBBI", 0x11, 0x20, 31, 0, 4, 0, 32, 23, 8, 0, 23, 127)
        int_type = struct.pack("<BBBBIHH", 0x10, 8, 0, 0, element, 0, 8 * element)
        if chunked and kind == "f":
            layout = rows(data)
        else:
            layout = struct.pack("<BBQQ", 3, 1, f.put_bytes(data, 8), len(data)) + bytes(6)
        filters = [(11, struct.pack("<BB6x", 1, 0))] if chunked and kind == "i" else []
        return header([(1, space), (3, float_type if kind == "f" else int_type), (8, layout), *filters])

    f.put_bytes(b"\x89HDF\r\n\x1a\n" + struct.pack("<8B2HI", 0, 0, 0, 0, 0, 8, 8, 0, 4, 16, 0))
    end_of_file = f.put("4Q", 0, 2**64 - 1, 0, 2**64 - 1) + 16
    root_entry = f.put("2Q2I16x", 0, 0, 0, 0)
    names = b"\0" * 8 + b"b".ljust(8, b"\0") + b"w".ljust(8, b"\0")
    names_at = f.put_bytes(names, 8)
    heap = f.put_bytes(b"HEAP" + struct.pack("<4x3Q", len(names), 1, names_at), 8)
    objects = [(8, data_set("i", 2, (4,), B)), (16, data_set("f", 4, (2, 3), W))]
    leaf = f.put_bytes(b"SNOD" + struct.pack("<BxH", 1, 2), 8)
    for name, at in objects:
        f.put("2Q2I16x", name, at, 0, 0)
    names_tree = f.put_bytes(b"TREE" + struct.pack("<BBH2Q3Q", 0, 0, 1, 2**64 - 1, 2**64 - 1, 0, leaf, 16), 8)
    root = header([(17, struct.pack("<QQ", names_tree, heap))])
    struct.pack_into("<Q", f.data, root_entry + 8, root)
    struct.pack_into("<Q", f.data, end_of_file, len(f.data))
    return bytes(f.data)


def hdf5_latest(heap=False, rows=0):
    """The second generation: links stand in the root's header, or in a heap of one block, or of a table of blocks."""
    f = Image()
    nowhere = 2**64 - 1
    f.put_bytes(b"\x89HDF\r\n\x1a\n" + bytes([2, 8, 8, 0]) + bytes(36))

    def header(messages):
        body = b"".join(struct.pack("<BHB", kind, len(data), 0) + data for kind, data in messages)
        return f.put_bytes(b"OHDR\2\1" + struct.pack("<H", len(body)) + body + bytes(4), 8)

    def data_set(is_float, element, dims, data):
        space = struct.pack("<BBBB", 2, len(dims), 0, 1) + b"".join(struct.pack("<Q", d) for d in dims)
        float_type = struct.pack("<BBBBIHHBBBBI", 0x31, 0x20, 31, 0, 4, 0, 32, 23, 8, 0, 23, 127)
        int_type = struct.pack("<BBBBIHH", 0x30, 8, 0, 0, element, 0, 8 * element)
        layout = struct.pack("<BBQQ", 4, 1, f.put_bytes(data, 8), len(data))
        return header([(1, space), (3, float_type if is_float else int_type), (8, layout)])

    def block(links):
        return f.put_bytes((b"FHDB\0" + bytes(8 + 4) + b"".join(links)).ljust(64, b"\0"), 8)

    hard = [struct.pack("<BBB", 1, 0, 1) + name + struct.pack("<Q", at) for name, at in
            ((b"w", data_set(True, 4, (2, 3), W)), (b"b", data_set(False, 2, (4,), B)))]  # fmt: skip
    info, links = struct.pack("<BBQQ", 0, 0, nowhere, nowhere), [(6, link) for link in hard]
    if heap:
        soft = b"\1\x18\1\0\1s\1\0w"
        blocks = [block(hard[:1]), block([soft, *hard[1:]])] if rows else [block([hard[0], soft, hard[1]])]
        table = b"FHIB\0" + bytes(12) + struct.pack("<4Q", *blocks, *[nowhere] * (4 - len(blocks)))
        root = f.put_bytes(table, 8) if rows else blocks[0]
        sizes = struct.pack("<BHHBI10Q", 0, 7, 0, 0, 4096, 0, nowhere, 0, nowhere, 0, 0, 0, 3, 0, 0)
        start = struct.pack("<2QHQQHHQH", 0, 0, 2, 64, 512, 32, 1, root, rows)
        info, links = struct.pack("<BBQQ", 0, 0, f.put_bytes(b"FRHP" + sizes + start, 8), nowhere), []
    struct.pack_into("<Q", f.data, 36, header([(2, info), *links]))
    return bytes(f.data)


FILES = {
    "torch.pt": torch_zip,
    "old.pt": torch_old,
    "state.pkl": torch_pickle,
    "arrays.pkl": numpy_pickle,
    "arrays5.pkl": numpy_pickle5,
    "arrays.npz": npz,
    "model.pt2": pt2,
    "model.onnx": onnx,
    "model.tflite": tflite,
    "model.h5": hdf5,
    "latest.h5": hdf5_latest,
    "chunked.h5": lambda: hdf5(chunked=True),
    "ggml.bin": ggml,
    "model.tar": tar,
    "model.msgpack": msgpack,
}
