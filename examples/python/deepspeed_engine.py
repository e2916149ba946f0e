"""DeepSpeed with archives: an engine for its checkpoints, put in the place of its own after deepspeed.initialize().

    engine, *_ = deepspeed.initialize(...)
    engine.checkpoint_engine = ArchiveEngine()

Files keep the names that DeepSpeed gives them; each is an archive of what torch.save writes, and appears when it is
complete. Files that DeepSpeed wrote itself load as before. The file `latest` is written by DeepSpeed, after commit().

    python deepspeed_engine.py FOLDER        tries the engine by itself
"""

import os
import sys
from typing import Any

import torch
import zipnn
import zipnn.safetensors
from deepspeed.runtime.checkpoint_engine.checkpoint_engine import CheckpointEngine


class ArchiveEngine(CheckpointEngine):
    """level and threads are those of zipnn.open()."""

    def __init__(self, config_params: Any = None, level: int | None = None, threads: int | None = None) -> None:
        super().__init__(config_params)
        self.level, self.threads = level, threads

    def create(self, info: Any) -> None:
        """A checkpoint begins."""

    def save(self, state_dict: Any, path: str) -> None:
        with zipnn.open(path, "wb", level=self.level, threads=self.threads) as f:
            torch.save(state_dict, f)

    def load(self, path: str, map_location: Any = None) -> Any:
        if zipnn.safetensors.is_archive(path):
            with zipnn.open(path, threads=self.threads) as f:
                return torch.load(f, map_location=map_location, weights_only=False)
        return torch.load(path, map_location=map_location, weights_only=False)

    def commit(self, info: Any) -> bool:
        return True


def main(folder: str) -> None:
    state = {"module": {"w": torch.randn(500, 300)}, "step": 7}
    engine = ArchiveEngine()
    engine.makedirs(os.path.join(folder, "global_step7"), exist_ok=True)
    path = os.path.join(folder, "global_step7", "mp_rank_00_model_states.pt")
    engine.create(None)
    engine.save(state, path)
    assert engine.commit(None) and zipnn.safetensors.is_archive(path)
    loaded = engine.load(path, map_location="cpu")
    assert loaded["step"] == 7 and torch.equal(loaded["module"]["w"], state["module"]["w"])
    torch.save(state, path)
    assert torch.equal(engine.load(path)["module"]["w"], state["module"]["w"])
    print("the same state")


if __name__ == "__main__":
    main(sys.argv[1])
