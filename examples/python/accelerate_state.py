"""Accelerate's save_state() and load_state() with archives: the weights of each model, and with them whatever its
state dict holds, go to FOLDER/model_N.znn. Optimizers, schedulers and random states stay Accelerate's.

    python accelerate_state.py FOLDER
"""

import os
import sys

import accelerate
import torch
import zipnn.torch


def use_archives(accelerator: accelerate.Accelerator, level: int | None = None) -> None:
    """From now on the weights of prepared models are saved as archives, and loaded from them."""

    def save(models: list[torch.nn.Module], weights: list[dict], folder: str) -> None:
        if accelerator.is_main_process:
            for number, state in enumerate(weights):
                zipnn.torch.save(state, os.path.join(folder, f"model_{number}.znn"), level=level)
        weights.clear()  # what stays in the list, Accelerate writes

    def load(models: list[torch.nn.Module], folder: str) -> None:
        for number, model in enumerate(models):
            state = zipnn.torch.load(os.path.join(folder, f"model_{number}.znn"))
            accelerator.unwrap_model(model).load_state_dict(state)
        models.clear()

    accelerator.register_save_state_pre_hook(save)
    accelerator.register_load_state_pre_hook(load)


def main(folder: str) -> None:
    torch.manual_seed(1)
    accelerator = accelerate.Accelerator(cpu=True)
    model = torch.nn.Linear(300, 400)
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters()))
    use_archives(accelerator)
    for _ in range(3):
        accelerator.backward(model(torch.randn(8, 300)).square().mean())
        optimizer.step()
        optimizer.zero_grad()
    accelerator.save_state(folder)
    saved = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    accelerator.load_state(folder)
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.state_dict().items())
    files = sorted(os.listdir(folder))
    assert "model_0.znn" in files and "model.safetensors" not in files, files
    print("the same weights:", ", ".join(files))


if __name__ == "__main__":
    main(sys.argv[1])
