#!/usr/bin/env python3
"""Others' Python libraries on archives: what each loads is compared bit by bit with what it loads from plain files.

  python_libraries.py PART...    in an environment with zipnn and the packages of the part (tools/test_integration.sh)

All models are small and made from configurations: nothing is downloaded. `in_place` makes a file itself the archive,
under its plain name, as `zipnn --in-place` does.
"""

import copy
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings
from typing import Any

import torch
import zipnn
import zipnn.torch

Folder = pathlib.Path


def in_place(*paths: Folder) -> None:
    for path in paths:
        new = path.with_name(path.name + ".new")
        zipnn.compress_file(path, new)
        os.replace(new, path)


def beside(*paths: Folder) -> None:
    """X becomes X.znn."""
    for path in paths:
        zipnn.compress_file(path)
        path.unlink()


def same_state(one: torch.nn.Module, other: torch.nn.Module) -> None:
    a, b = one.state_dict(), other.state_dict()
    assert a.keys() == b.keys()
    for name, tensor in a.items():
        assert tensor.dtype == b[name].dtype and torch.equal(tensor, b[name]), name


def random_weights(model: torch.nn.Module) -> torch.nn.Module:
    """What a library may leave at zero is compared, too."""
    torch.manual_seed(5)
    with torch.no_grad():
        for param in model.parameters():
            param.normal_(0, 0.02)
    return model.eval()


def transformers(folder: Folder) -> None:
    import transformers as library

    small = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = {**small, "num_key_value_heads": 2, "vocab_size": 900}
    kinds = {
        "LlamaForCausalLM": library.LlamaConfig(**text),
        "Qwen2ForCausalLM": library.Qwen2Config(**text, tie_word_embeddings=True),
        "MixtralForCausalLM": library.MixtralConfig(**text, num_local_experts=4),
        "GPT2LMHeadModel": library.GPT2Config(n_embd=128, n_layer=2, n_head=4, vocab_size=900),
        "BertForMaskedLM": library.BertConfig(**small, vocab_size=900),
        "T5ForConditionalGeneration": library.T5Config(
            d_model=128, d_ff=256, num_layers=2, num_heads=4, d_kv=32, vocab_size=900, decoder_start_token_id=0
        ),
        "ViTForImageClassification": library.ViTConfig(**small, image_size=32, patch_size=8),
        "WhisperForConditionalGeneration": library.WhisperConfig(
            d_model=128, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
            encoder_ffn_dim=256, decoder_ffn_dim=256, vocab_size=900, max_source_positions=50, pad_token_id=0,
            bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, num_mel_bins=16,
        ),
    }  # fmt: skip
    for name, config in kinds.items():
        kind = getattr(library, name)
        model = random_weights(kind(config)).to(torch.bfloat16)
        for size in ("10GB", "200KB"):
            place = folder / f"{name}-{size}"
            model.save_pretrained(place, max_shard_size=size)
            beside(*place.glob("*.safetensors"))
            with zipnn.zipnn_hf():
                same_state(kind.from_pretrained(place, dtype=torch.bfloat16), model)
        with zipnn.zipnn_hf(save=True):
            model.save_pretrained(folder / f"{name}-saved")
            assert list((folder / f"{name}-saved").glob("*.safetensors.znn"))
            same_state(kind.from_pretrained(folder / f"{name}-saved", dtype=torch.bfloat16), model)
        run_compressed(name, model)


def inputs_of(name: str) -> dict[str, torch.Tensor]:
    tokens = torch.tensor([[5, 7, 11, 800, 3]])
    if name.startswith("ViT"):
        return {"pixel_values": torch.randn(2, 3, 32, 32, dtype=torch.bfloat16)}
    if name.startswith("Whisper"):
        return {"input_features": torch.randn(1, 16, 100, dtype=torch.bfloat16), "decoder_input_ids": tokens}
    if name.startswith("T5"):
        return {"input_ids": tokens, "decoder_input_ids": tokens}
    return {"input_ids": tokens}


def run_compressed(name: str, model: torch.nn.Module) -> None:
    """With weights that stay compressed in memory the outputs are the same."""
    given = inputs_of(name)
    small = zipnn.torch.compressed(copy.deepcopy(model))
    taken = zipnn.torch.held(small)
    assert taken.held < 0.8 * taken.plain, (name, taken)
    with torch.inference_mode():
        expected = model(**given)[0]
        for _ in range(2):
            assert torch.equal(small(**given)[0], expected), name
    same_state(small, model)


def diffusers(folder: Folder) -> None:
    import diffusers as library

    unet = random_weights(
        library.UNet2DModel(
            sample_size=16, block_out_channels=(32, 64), layers_per_block=1,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        )
    )  # fmt: skip
    unet.save_pretrained(folder / "unet")
    in_place(*(folder / "unet").glob("*.safetensors"))
    pipeline = library.DDPMPipeline(unet=unet, scheduler=library.DDPMScheduler())
    pipeline.save_pretrained(folder / "pipeline")
    in_place(*(folder / "pipeline").rglob("*.safetensors"))
    vae = random_weights(library.AutoencoderKL(block_out_channels=(32,), norm_num_groups=8, latent_channels=4))
    vae.save_pretrained(folder / "sharded", max_shard_size="40KB")
    in_place(*(folder / "sharded").glob("*.safetensors"))
    with zipnn.zipnn_safetensors():
        same_state(library.UNet2DModel.from_pretrained(folder / "unet"), unet)
        same_state(library.DDPMPipeline.from_pretrained(folder / "pipeline").unet, unet)
        same_state(library.AutoencoderKL.from_pretrained(folder / "sharded"), vae)
    small = zipnn.torch.compressed(copy.deepcopy(unet))
    with torch.inference_mode():
        noise = torch.randn(1, 3, 16, 16)
        assert torch.equal(small(noise, 3).sample, unet(noise, 3).sample)


def tiny_llama() -> torch.nn.Module:
    import transformers as library

    config = library.LlamaConfig(
        hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, vocab_size=900
    )
    return random_weights(library.LlamaForCausalLM(config))


def peft(folder: Folder) -> None:
    import peft as library

    base = tiny_llama()
    adapted = library.get_peft_model(copy.deepcopy(base), library.LoraConfig(r=8, target_modules=["q_proj", "v_proj"]))
    with torch.no_grad():
        for name, param in adapted.named_parameters():
            if "lora" in name:
                param.normal_(0, 0.02)
    adapted.save_pretrained(folder)
    in_place(folder / "adapter_model.safetensors")
    with zipnn.zipnn_safetensors():
        same_state(library.PeftModel.from_pretrained(copy.deepcopy(base), folder), adapted)


def accelerate(folder: Folder) -> None:
    import accelerate as library

    model = tiny_llama()
    library.Accelerator().save_model(model, folder / "sharded", max_shard_size="300KB")
    in_place(*(folder / "sharded").glob("*.safetensors"))
    with zipnn.zipnn_safetensors():
        other = random_weights(tiny_llama()).double().float()
        for param in other.parameters():
            param.data.zero_()
        library.load_checkpoint_in_model(other, folder / "sharded")
        same_state(other, model)
        with library.init_empty_weights():
            empty = type(model)(model.config)
        loaded = library.load_checkpoint_and_dispatch(empty, folder / "sharded", device_map={"": "cpu"})
        same_state(loaded, model)
    example("accelerate_state.py", folder)


def timm(folder: Folder) -> None:
    import safetensors.torch

    try:
        import timm as library
    except RuntimeError as error:  # of torchvision, where it was built for another torch
        print(f"skipped: timm cannot be imported here: {error}")
        sys.exit(77)
    for name in ("vit_tiny_patch16_224", "resnet10t", "convnext_atto"):
        model = random_weights(library.create_model(name))
        path = folder / f"{name}.safetensors"
        safetensors.torch.save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
        in_place(path)
        with zipnn.zipnn_safetensors():
            same_state(library.create_model(name, checkpoint_path=os.fspath(path)), model)


def sentence(folder: Folder) -> None:
    import sentence_transformers as library
    import tokenizers
    import transformers

    words = {word: i for i, word in enumerate("[PAD] [UNK] [CLS] [SEP] [MASK] weights take less room".split())}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]")
    config = transformers.BertConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, vocab_size=len(words)
    )
    random_weights(transformers.BertModel(config)).save_pretrained(folder / "bert")
    fast.save_pretrained(folder / "bert")
    modules = library.models if hasattr(library, "models") else library.sentence_transformer.modules
    bert = modules.Transformer(os.fspath(folder / "bert"))
    model = library.SentenceTransformer(modules=[bert, modules.Pooling(64)], device="cpu")
    model.save(os.fspath(folder / "model"))
    text = ["weights take less room", "room room"]
    expected = model.encode(text)
    beside(*(folder / "model").rglob("*.safetensors"))
    with zipnn.zipnn_hf():
        again = library.SentenceTransformer(os.fspath(folder / "model"), device="cpu")
    assert (again.encode(text) == expected).all()


def lightning(folder: Folder) -> None:
    import lightning as library

    class Module(library.LightningModule):
        def __init__(self, wide: int = 64) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(wide, wide)

        def training_step(self, batch: torch.Tensor) -> torch.Tensor:
            return self.layer(batch).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters())

    trainer = library.Trainer(
        max_steps=3, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, default_root_dir=folder,
    )  # fmt: skip
    model = Module()
    trainer.fit(model, torch.utils.data.DataLoader(torch.randn(12, 64), batch_size=4))
    trainer.save_checkpoint(folder / "last.ckpt")
    beside(folder / "last.ckpt")
    with zipnn.open(folder / "last.ckpt.znn") as file:
        same_state(Module.load_from_checkpoint(file, weights_only=False), model)
    with zipnn.open(folder / "last.ckpt.znn") as file:
        state = torch.load(file, weights_only=False)
    zipnn.torch.save({"state_dict": state["state_dict"], "optimizer": state["optimizer_states"]}, folder / "tree.znn")
    tree = zipnn.torch.load(folder / "tree.znn")
    assert torch.equal(tree["optimizer"][0]["state"][0]["exp_avg"], state["optimizer_states"][0]["state"][0]["exp_avg"])


    trainer_with_archives(library, Module, folder)


def trainer_with_archives(library: Any, module: Any, folder: Folder) -> None:
    """Checkpoints of a Trainer that are archives under their own names: kept, counted, removed, and gone on from."""
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.plugins.io import AsyncCheckpointIO
    from zipnn.lightning import ZipnnCheckpointIO

    data = torch.utils.data.DataLoader(torch.randn(24, 64, generator=torch.Generator().manual_seed(2)), batch_size=4)
    quiet = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    for name, plugin in (("sync", ZipnnCheckpointIO()), ("async", AsyncCheckpointIO(ZipnnCheckpointIO(level=1)))):
        place = folder / name
        keeper = ModelCheckpoint(place, save_last=True, save_top_k=2, monitor="step", mode="max", every_n_train_steps=1)
        model = random_weights(module())
        library.Trainer(max_steps=5, plugins=[plugin], callbacks=[keeper], **quiet).fit(model, data)
        files = sorted(place.glob("*.ckpt"))
        # The asynchronous one may be told to remove a file before it has written it, which Lightning leaves at that.
        assert len(files) == 3 or (name == "async" and len(files) > 3), files
        assert all(zipnn.safetensors.is_archive(file) for file in files)
        with zipnn.open(place / "last.ckpt") as file:
            same_state(module.load_from_checkpoint(file, weights_only=False), model)
        further = library.Trainer(max_steps=7, plugins=[ZipnnCheckpointIO()], enable_checkpointing=False, **quiet)
        further.fit(module(), data, ckpt_path=place / "last.ckpt", weights_only=False)
        assert further.global_step == 7


def example(name: str, folder: Folder) -> None:
    program = pathlib.Path(__file__).parents[2] / "examples" / "python" / name
    done = subprocess.run([sys.executable, program, folder / name], capture_output=True, text=True)
    assert done.returncode == 0 and "the same" in done.stdout, done.stdout + done.stderr


def deepspeed(folder: Folder) -> None:
    example("deepspeed_engine.py", folder)


def dcp(folder: Folder) -> None:
    torch.multiprocessing.spawn(rank_of_dcp, (os.fspath(folder),), nprocs=2)


def rank_of_dcp(rank: int, folder: str) -> None:
    """One of two ranks saves a model that is divided among them, and loads it."""
    import torch.distributed.checkpoint as checkpoint
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from zipnn.torch.distributed import StorageReader, StorageWriter

    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    torch.manual_seed(1)
    layers = [torch.nn.Linear(256, 300), torch.nn.Linear(300, 100)]
    whole = torch.nn.Sequential(*layers)
    model, other = copy.deepcopy(whole), torch.nn.Sequential(torch.nn.Linear(256, 300), torch.nn.Linear(300, 100))
    for module in (model, other):
        fully_shard(module, mesh=mesh)
    checkpoint.save({"model": model.state_dict()}, storage_writer=StorageWriter(f"{folder}/step"))
    state = {"model": other.state_dict()}
    checkpoint.load(state, storage_reader=StorageReader(f"{folder}/step"))
    for name, tensor in state["model"].items():
        assert torch.equal(tensor.full_tensor(), whole.state_dict()[name]), name
    distributed.destroy_process_group()


PARTS = {f.__name__: f for f in (transformers, diffusers, peft, accelerate, timm, sentence, lightning, deepspeed, dcp)}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for part in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as made:
            PARTS[part](pathlib.Path(made))
        print(f"{part}: everything is equal, bit by bit")
