#!/usr/bin/env python3
"""llama.cpp reads archives through zipnn_fopen: the same logits as from the plain file.

  llama.py LIBRARY PROGRAM [MODEL.gguf...]    libzipnn.so and zipnn; without models three small ones are made

Needs the packages xllamacpp (a build of llama.cpp for processors, which exports its C functions), gguf and numpy; the
exit code is 77 without them. The structs of llama.cpp pass through here as bytes that are only as long as they must be
at most: a longer struct that is passed by value is the same to the one who reads less of it. One field is set, the way
of loading, and its place is checked first.
"""

import ctypes
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import gguf
    import numpy as np

    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
    import xllamacpp
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

N_WORDS, WIDTH, FEED, LAYERS, HEADS = 512, 256, 512, 4, 4
TOKENS = [1, 5, 17, 200, 33, 400, 7, 9]


class Struct(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint8 * 1024)]


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("offset", ctypes.c_uint64), ("message", ctypes.c_char * 240)]


def tensors(random):
    def weights(*shape):
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    ones = np.ones(WIDTH, np.float32)
    yield from (("token_embd.weight", weights(N_WORDS, WIDTH)), ("output.weight", weights(N_WORDS, WIDTH)))
    yield "output_norm.weight", ones
    for i in range(LAYERS):
        yield from ((f"blk.{i}.{name}_norm.weight", ones) for name in ("attn", "ffn"))
        rows = {"attn_q": WIDTH, "attn_k": WIDTH // 2, "attn_v": WIDTH // 2, "attn_output": WIDTH, "ffn_gate": FEED,
                "ffn_up": FEED}
        yield from ((f"blk.{i}.{name}.weight", weights(n, WIDTH)) for name, n in rows.items())
        yield f"blk.{i}.ffn_down.weight", weights(WIDTH, FEED)


def write_model(path, kind):
    """A model of four layers with random weights of the type `kind`."""
    w = gguf.GGUFWriter(path, "llama")
    w.add_context_length(256)
    w.add_embedding_length(WIDTH)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(FEED)
    w.add_head_count(HEADS)
    w.add_head_count_kv(HEADS // 2)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_vocab_size(N_WORDS)
    w.add_rope_dimension_count(WIDTH // HEADS)
    w.add_tokenizer_model("llama")
    w.add_token_list(["<unk>", "<s>", "</s>"] + [f"w{i}" for i in range(3, N_WORDS)])
    w.add_token_scores([0.0] * N_WORDS)
    w.add_token_types([2, 3, 3] + [1] * (N_WORDS - 3))
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    for name, values in tensors(np.random.default_rng(0)):
        if values.ndim == 1:
            w.add_tensor(name, values)
        else:
            w.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def load_llama():
    """The functions of llama.cpp that are called."""
    library = next(pathlib.Path(xllamacpp.__file__).parent.glob("*.so"))
    llama = ctypes.CDLL(str(library))
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("llama_model_default_params", Struct, []),
        ("llama_context_default_params", Struct, []),
        ("llama_model_load_from_file", pointer, [text, Struct]),
        ("llama_model_load_from_file_ptr", pointer, [pointer, Struct]),
        ("llama_init_from_model", pointer, [pointer, Struct]),
        ("llama_batch_get_one", Struct, [ctypes.POINTER(ctypes.c_int32), ctypes.c_int32]),
        ("llama_decode", ctypes.c_int32, [pointer, Struct]),
        ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), [pointer, ctypes.c_int32]),
        ("llama_free", None, [pointer]),
        ("llama_model_free", None, [pointer]),
        ("llama_model_get_vocab", pointer, [pointer]),
        ("llama_vocab_n_tokens", ctypes.c_int32, [pointer]),
    ):
        function = getattr(llama, name)
        function.restype, function.argtypes = result, arguments
    return llama


def without_mapping(llama):
    """Parameters that let a model be read from a stream: load_mode is LLAMA_LOAD_MODE_NONE."""
    params = llama.llama_model_default_params()
    words = ctypes.cast(ctypes.pointer(params), ctypes.POINTER(ctypes.c_int32))
    place = 6  # after two pointers, n_gpu_layers and split_mode
    if words[4] != -1 or words[5] != 1 or words[place] != int(xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_AUTO):
        print("skipped: this llama.cpp has other parameters")
        sys.exit(77)
    words[place] = int(xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE)
    return params


def logits(llama, model):
    """A digest of what the model says after TOKENS."""
    if not model:
        raise SystemExit("llama.cpp cannot load the model")
    context = llama.llama_init_from_model(model, llama.llama_context_default_params())
    tokens = (ctypes.c_int32 * len(TOKENS))(*TOKENS)
    if llama.llama_decode(context, llama.llama_batch_get_one(tokens, len(TOKENS))) != 0:
        raise SystemExit("llama.cpp cannot decode")
    n = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    found = llama.llama_get_logits_ith(context, -1)[:n]
    llama.llama_free(context)
    llama.llama_model_free(model)
    return hashlib.sha256(np.array(found, np.float32).tobytes()).hexdigest()[:16]


def main():
    zipnn, program, *models = sys.argv[1:]
    library = ctypes.CDLL(zipnn)
    library.zipnn_fopen.restype = ctypes.c_void_p
    library.zipnn_fopen.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.POINTER(Error)]
    close = ctypes.CDLL(None).fclose
    close.argtypes = [ctypes.c_void_p]
    llama, failed = load_llama(), 0
    with tempfile.TemporaryDirectory() as folder:
        if not models:
            for kind in ("F16", "BF16", "Q8_0"):
                models.append(os.path.join(folder, kind + ".gguf"))
                write_model(models[-1], gguf.GGMLQuantizationType[kind])
        for plain in models:
            archive = os.path.join(folder, os.path.basename(plain) + ".znn")
            subprocess.run([program, "-q", plain, "-o", archive], check=True)
            wanted = logits(llama, llama.llama_model_load_from_file(plain.encode(), llama.llama_model_default_params()))
            err = Error()
            stream = library.zipnn_fopen(archive.encode(), None, err)
            if not stream:
                raise SystemExit(f"{archive}: {err.message.decode()}")
            found = logits(llama, llama.llama_model_load_from_file_ptr(stream, without_mapping(llama)))
            close(stream)
            share = 100 * os.path.getsize(archive) / os.path.getsize(plain)
            print(f"{os.path.basename(plain)}: {share:.1f} % stored, logits {wanted} plain, {found} from the archive")
            failed += wanted != found
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
