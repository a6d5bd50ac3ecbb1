"""`python -m benchmarks.plan`: what `plan=only` foretells beside what a training process really takes.

Each config trains in a process of its own; measured is how far its resident memory rises (the highest of
`VmHWM`) above what it had when Python, its libraries and an untrained layer's first step were in.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
MOST = 15  # per cent
PLAIN = ["trainer.precision=32-true", "logger=none", "callbacks=[]", "data.num_workers=0"]
SYMBOLIC = ["model=symbolic", "scale.width=256", "scale.depth=4", "scale.heads=4", *PLAIN]
MUSICGEN = ["model=musicgen", "scale.width=256", "scale.depth=4", "scale.heads=4", *PLAIN]
CONFIGS = {
    "symbolic, batch 8": [*SYMBOLIC, "data.batch_size=8"],
    "symbolic, batch 32": [*SYMBOLIC, "data.batch_size=32"],
    "symbolic, recomputed, batch 32": [*SYMBOLIC, "data.batch_size=32", "model.checkpoint_layers=1"],
    "autoencoder, batch 16": ["model=autoencoder", *PLAIN, "data.batch_size=16"],
    "musicgen, batch 8": [*MUSICGEN, "data.batch_size=8"],
    "musicgen, LoRA, batch 16": [
        "model=musicgen", "adapter=lora", *PLAIN, "data.batch_size=16",
    ],
}  # fmt: skip

CHILD = """
import ctypes, gc, resource, sys
from functools import partial
from pathlib import Path
ctypes.CDLL("libc.so.6").mallopt(-3, 65536)  # large blocks go back at once: what is held is what is resident
sys.path.insert(0, {root!r})
from tests.composing import composed_config
from disco.apps import dry, plan, train
from disco.apps.parts import build_adapter, build_data, build_module, build_weights
import torch
cfg = train.inherit(composed_config("train", {words!r}, Path({folder!r})))
module = build_module(cfg, training=True)
adapter = build_adapter(cfg)
build_weights(cfg).load(module)
adapter.attach(module)
data = build_data(cfg).serve(module.view)
make = partial(train.dry_trainer, cfg, module)
size = data.batch_size
if {measuring!r}:
    data.batch_size = 1
    make(1, []).fit(module, datamodule=data)
    data.batch_size, data.num_workers = size, 0
    held = plan.sizes_of(cfg, module)
    module.trainer = None  # with the optimiser of its fit
    module.fresh = module.recounts = False  # the survey of the data before the first step is not foretold
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    before = int(status["VmRSS"].split()[0]) * 1024
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten
    make(3, []).fit(module, datamodule=data)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    risen = int(status["VmHWM"].split()[0]) * 1024 - before
    kept = sum(p.grad.nbytes for p in module.parameters() if p.grad is not None)
    print(risen + held.weights + kept)
else:
    steps = [dry.measure(module, data, make, batch_size=count, timed=False) for count in dry.SMALL]
    print(dry.peak_at(size, *steps))
"""


def asked(words: list[str], folder: str, *, measuring: bool) -> int:
    """Return the bytes that a child process foretells, or takes."""
    code = CHILD.format(root=str(ROOT), words=words, folder=folder, measuring=measuring)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr[-2000:])
    return int(done.stdout.split()[-1])


def lines() -> Iterator[str]:
    """Yield a line per config."""
    with TemporaryDirectory() as folder:
        for name, words in CONFIGS.items():
            foretold, taken = (asked(words, folder, measuring=flag) for flag in (False, True))
            error = 100 * (foretold / taken - 1)
            said = "met" if abs(error) <= MOST else "MISSED"
            yield (
                f"{name}: foretold {foretold / 1e6:.0f} MB, took {taken / 1e6:.0f} MB, {error:+.1f} % "
                f"(asked for {MOST} % at most: {said})"
            )


if __name__ == "__main__":
    for line in lines():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
