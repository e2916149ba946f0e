"""vLLM on a small Llama: the same tokens and log-probabilities, to the last bit, from the plain model, from archives,
from archives under their own names, and in a worker process of its own.

    vllm_program.py                         all of it
    vllm_program.py run FOLDER FORMAT KIND  one run, which prints what the model says; KIND is inner or workers
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Any

SETTINGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "INFO",
}


def make_model(folder: pathlib.Path) -> None:
    import tokenizers
    import torch
    import transformers

    torch.manual_seed(0)
    words = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, 512)}}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    named = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **named)
    config = transformers.LlamaConfig(
        vocab_size=512, hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
        head_dim=64,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.05)
    model.save_pretrained(folder, max_shard_size="2MB")
    tokenizer.save_pretrained(folder)


def run(folder: str, load_format: str, kind: str) -> None:
    from vllm import LLM, SamplingParams

    options: dict[str, Any] = {"distributed_executor_backend": "uni"} if kind == "inner" else {}
    if load_format == "zipnn":
        options["model_loader_extra_config"] = {"threads": 2}
    llm = LLM(folder, load_format=load_format, enforce_eager=True, max_model_len=64, **options)
    sampling = SamplingParams(temperature=0, max_tokens=16, logprobs=20, ignore_eos=True)
    said = []
    for output in llm.generate(["w5 w7 w11 w300", "w4 w4 w9"], sampling):
        answer = output.outputs[0]
        logprobs = [sorted((t, p.logprob) for t, p in step.items()) for step in answer.logprobs or []]
        said.append([list(answer.token_ids), logprobs])
    print("SAID " + json.dumps(said))


def said(folder: pathlib.Path, load_format: str, kind: str = "inner") -> tuple[str, str]:
    """Returns what the model says, and the log."""
    inner = "0" if kind == "inner" else "1"
    environment = {**os.environ, **SETTINGS, "VLLM_ENABLE_V1_MULTIPROCESSING": inner}
    words = [sys.executable, __file__, "run", os.fspath(folder), load_format, kind]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("SAID ")]
    assert done.returncode == 0 and len(lines) == 1, done.stdout[-4000:] + done.stderr[-8000:]
    return lines[0], done.stdout + done.stderr


def main() -> None:
    import zipnn

    with tempfile.TemporaryDirectory() as made:
        plain, beside, inside = (pathlib.Path(made) / name for name in ("plain", "beside", "in place"))
        make_model(plain)
        for folder in (beside, inside):
            shutil.copytree(plain, folder)
            for path in folder.glob("*.safetensors"):
                zipnn.compress_file(path)
                path.unlink()
        for path in inside.glob("*.znn"):
            path.rename(path.with_suffix(""))
        assert len(list(beside.glob("*.znn"))) > 2
        expected, _ = said(plain, "auto")
        for folder, kind in ((beside, "inner"), (inside, "inner"), (plain, "inner"), (beside, "workers")):
            found, log = said(folder, "zipnn", kind)
            assert found == expected, (folder.name, kind)
            assert ("loading archives from" in log) == (folder != plain), log[-4000:]
            print(f"vllm: {folder.name}, {kind}: the same tokens and log-probabilities", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(*sys.argv[2:])
    else:
        main()
