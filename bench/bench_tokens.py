#!/usr/bin/env python3
"""bench_tokens.py [--hidden 1536] [--layers 6] [--threads 2] [--only NAME]...: single tokens of a Llama of bf16 on the
processor: torch's own products, the forms of zipnn.torch.compressed, and llama.cpp on the same shape.

Each contender is a process of its own, so that its memory is its own; torch's run with OMP_WAIT_POLICY=PASSIVE and
without. A token is decoded after a prompt of 16, with a cache of keys and values. Lines of JSON come out: seconds of
each token, resident bytes, and a digest of the logits of the last token, which has to be one for "stored" and "fast".
Weights are made from a config, with rows of different scale. It needs torch, transformers and zipnn; for llama.cpp
xllamacpp, gguf and numpy.
"""

import argparse
import ctypes
import hashlib
import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

TOKENS, PROMPT, WORDS = 24, 16, 32000
FORMS = ("plain", "whole", "stored", "fast")
NAMES = (*FORMS, *(f"{form}, passive" for form in FORMS), "llama.cpp")


def resident() -> int:
    """Bytes of memory of this process that is no file's."""
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


def timed(token: Callable[[int], None]) -> list[float]:
    taken = []
    for i in range(TOKENS):
        begin = time.perf_counter()
        token(i)
        taken.append(time.perf_counter() - begin)
    return taken


def run_torch(form: str, wanted: argparse.Namespace) -> dict[str, Any]:
    import packed_model
    import torch
    import zipnn.torch

    torch.set_num_threads(wanted.threads)
    model = packed_model.model_of(wanted.hidden, wanted.layers)
    if form != "plain":
        zipnn.torch.compressed(model, form=form)
    with torch.inference_mode():
        out = model(torch.arange(PROMPT).view(1, -1) * 7, use_cache=True)

        def token(i: int) -> None:
            nonlocal out
            out = model(torch.tensor([[i * 11 + 3]]), past_key_values=out.past_key_values, use_cache=True)

        taken = timed(token)
    logits = out.logits[0, -1].float()
    digest = hashlib.sha256(logits.numpy().tobytes()).hexdigest()[:16]
    held = zipnn.torch.held(model)
    return {"seconds": taken, "resident": resident(), "weights": held.held, "plain": held.plain, "digest": digest}


def write_gguf(path: str, hidden: int, layers: int) -> None:
    import gguf
    import numpy as np

    heads, feed = hidden // 64, 7 * hidden // 2
    keys = 64 * (hidden // 256)
    w = gguf.GGUFWriter(path, "llama")
    w.add_context_length(512)
    w.add_embedding_length(hidden)
    w.add_block_count(layers)
    w.add_feed_forward_length(feed)
    w.add_head_count(heads)
    w.add_head_count_kv(hidden // 256)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_vocab_size(WORDS)
    w.add_rope_dimension_count(64)
    w.add_tokenizer_model("llama")
    w.add_token_list(["<unk>", "<s>", "</s>"] + [f"w{i}" for i in range(3, WORDS)])
    w.add_token_scores([0.0] * WORDS)
    w.add_token_types([2, 3, 3] + [1] * (WORDS - 3))
    random, bf16 = np.random.default_rng(0), gguf.GGMLQuantizationType.BF16

    def matrix(name: str, rows: int, columns: int) -> None:
        values = random.standard_normal((rows, columns), np.float32) * np.float32(0.02)
        w.add_tensor(name, gguf.quants.quantize(values, bf16), raw_dtype=bf16)

    matrix("token_embd.weight", WORDS, hidden)
    matrix("output.weight", WORDS, hidden)
    ones = np.ones(hidden, np.float32)
    w.add_tensor("output_norm.weight", ones)
    for i in range(layers):
        for norm in ("attn_norm", "ffn_norm"):
            w.add_tensor(f"blk.{i}.{norm}.weight", ones)
        for name, rows, columns in (
            ("attn_q", hidden, hidden), ("attn_k", keys, hidden), ("attn_v", keys, hidden),
            ("attn_output", hidden, hidden), ("ffn_gate", feed, hidden), ("ffn_up", feed, hidden),
            ("ffn_down", hidden, feed),
        ):  # fmt: skip
            matrix(f"blk.{i}.{name}.weight", rows, columns)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def run_llama(wanted: argparse.Namespace) -> dict[str, Any]:
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))
    program: Any = importlib.import_module("llama")
    llama = program.load_llama()
    llama.llama_set_n_threads.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        subprocess.run([sys.executable, __file__, "--write", path, *shape_of(wanted)], check=True)
        model = llama.llama_model_load_from_file(path.encode(), program.without_mapping(llama))
    context = llama.llama_init_from_model(model, llama.llama_context_default_params())
    llama.llama_set_n_threads(context, wanted.threads, wanted.threads)

    def decode(tokens: list[int]) -> None:
        words = (ctypes.c_int32 * len(tokens))(*tokens)
        if llama.llama_decode(context, llama.llama_batch_get_one(words, len(tokens))) != 0:
            raise SystemExit("llama.cpp cannot decode")
        llama.llama_get_logits_ith(context, -1)

    decode([7 * i for i in range(PROMPT)])
    return {"seconds": timed(lambda i: decode([i * 11 + 3])), "resident": resident()}


def shape_of(wanted: argparse.Namespace) -> list[str]:
    return ["--hidden", str(wanted.hidden), "--layers", str(wanted.layers), "--threads", str(wanted.threads)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=1536)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", action="append", choices=NAMES)
    parser.add_argument("--run", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.write:
        write_gguf(wanted.write, wanted.hidden, wanted.layers)
        return
    if wanted.run:
        found = run_llama(wanted) if wanted.run == "llama.cpp" else run_torch(wanted.run.split(",")[0], wanted)
        print(json.dumps({"name": wanted.run, "median": statistics.median(found["seconds"]), **found}))
        return
    for name in wanted.only or NAMES:
        environment = dict(os.environ, **({"OMP_WAIT_POLICY": "PASSIVE"} if "passive" in name else {}))
        subprocess.run([sys.executable, __file__, "--run", name, *shape_of(wanted)], env=environment, check=True)


if __name__ == "__main__":
    main()
