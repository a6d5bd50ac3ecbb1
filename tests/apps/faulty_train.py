"""`train.py` that writes down what each process is fed, and breaks where it is told to.

With a list of runs as its argument it makes one after another, in whatever processes it was started in.
What was fed lies in `notes/rank-<r>.jsonl` of the run folder; `FAULT=memory:<step>` breaks it there.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from disco.apps import train
from disco.apps.launch import launch
from disco.core.batch import Batch
from disco.core.loader import Loader
from disco.core.module import GenerativeModule
from disco.errors import DiscoError
from tests.composing import composed_config

FAULT, *WHERE = os.environ.get("FAULT", "none").split(":")
whole_step = GenerativeModule.training_step


def noting_step(self: GenerativeModule, batch: Batch, batch_index: int) -> torch.Tensor:
    """Write down the items of the batch, break where that is asked for, and take the step."""
    loader, done = self.trainer.train_dataloader, self.trainer.global_step
    assert isinstance(loader, Loader)
    notes = Path(self.trainer.default_root_dir) / "notes"
    notes.mkdir(parents=True, exist_ok=True)
    with (notes / f"rank-{self.global_rank}.jsonl").open("a") as file:
        file.write(json.dumps({"step": done, "keys": loader.keys(1)[0]}) + "\n")
    if FAULT == "memory" and done == int(WHERE[0]):
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + 2**26, held + 2**26))
        torch.ones(2**27)  # half a gigabyte of activations
    return whole_step(self, batch, batch_index)


@contextmanager
def noting() -> Iterator[None]:
    """Write down, within, what is fed."""
    GenerativeModule.training_step = noting_step  # type: ignore[method-assign]
    try:
        yield
    finally:
        GenerativeModule.training_step = whole_step  # type: ignore[method-assign]


def make(folder: Path, words: list[str]) -> None:
    """Make one run; what it is refused with lies in its folder."""
    try:
        train.main(composed_config("train", [*words, "plan=off"], folder))
    except DiscoError as error:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"refused-{os.environ.get('LOCAL_RANK', 0)}.txt").write_text(str(error))


if __name__ == "__main__":
    with noting():
        if sys.argv[1].endswith(".json"):
            torch.set_num_threads(1)
            for place, its_words in json.loads(Path(sys.argv[1]).read_text()):
                make(Path(place), its_words)
        else:
            launch("train")
