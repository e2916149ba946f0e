#!/usr/bin/env python3
"""What zipnn.torch.compressed costs: seconds for a token and for a prompt, beside the plain model. Whole weights give
the same bits.

packed_model.py [--hidden 2048] [--layers 4] [--threads 2] [--form fast]

The model is a Llama made from a config, bf16 with rows of different scale; it needs torch and transformers.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
import zipnn.torch

RUNS = 7


def model_of(hidden: int, layers: int) -> Any:
    config = transformers.LlamaConfig(
        hidden_size=hidden, intermediate_size=7 * hidden // 2, num_hidden_layers=layers, vocab_size=32000,
        num_attention_heads=hidden // 64, num_key_value_heads=hidden // 256, max_position_embeddings=512,
    )  # fmt: skip
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16).eval()
    for param in model.parameters():
        if param.ndim == 2:
            param.data.mul_(torch.exp(0.3 * torch.randn(param.shape[0], 1)))
    return model


def seconds(call: Callable[[], Any]) -> float:
    call()
    taken = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def measure(model: Any) -> tuple[float, float, Any]:
    """Returns the seconds of a token after a prompt, those of the prompt, and its logits."""
    prompt = torch.arange(128).view(1, -1) * 7
    with torch.inference_mode():
        out = model(prompt, use_cache=True)
        token = torch.tensor([[5]])
        places = torch.tensor([[128]])
        one = seconds(lambda: model(token, past_key_values=None, position_ids=places, use_cache=False))
        return one, seconds(lambda: model(prompt, use_cache=False)), out.logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--form", choices=("whole", "stored", "fast"), default="whole", help="others differ a little")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    model = model_of(wanted.hidden, wanted.layers)
    token, prompt, logits = measure(model)
    small = zipnn.torch.compressed(model, form=wanted.form)
    token2, prompt2, logits2 = measure(small)
    plain, held = zipnn.torch.held(small)
    print(f"{plain / 1e6:.0f} MB of weights are {held / 1e6:.0f} MB ({held / plain:.1%})")
    print(f"a token {1e3 * token:8.1f} ms plain, {1e3 * token2:8.1f} ms compressed: {token2 / token:.2f} times")
    print(f"128 at once {1e3 * prompt:6.1f} ms plain, {1e3 * prompt2:8.1f} ms compressed: {prompt2 / prompt:.2f} times")
    most = (logits.float() - logits2.float()).abs().max() / logits.float().abs().max()
    print(f"the logits differ by up to {most:.2%} of the largest")


if __name__ == "__main__":
    main()
