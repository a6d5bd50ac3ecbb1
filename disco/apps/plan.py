"""What a run will need, said before it starts: parameters, memory, disk, time."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.errors import InstantiationException
from omegaconf import DictConfig

from disco.apps.compose import build
from disco.apps.parts import build_adapter, build_module
from disco.errors import DiscoError

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightning as L

    from disco.core.datamodule import MusicData
    from disco.core.module import GenerativeModule

WORDS = ("auto", "brief", "only", "off")
WORTH = 300  # batches of a run; 13 dry ones, of which 8 are small, are then under a twentieth of it
LOWER = "lower model.width or model.depth (scale=…), move less (adapter=lora), or take optim=sgd"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What is known without a single step.

    Attributes:
        total, moving: parameters.
        weights, gradients, state: bytes of parameters and buffers, of gradients, of the optimiser's state.
        averages: bytes of averaged weights beside them.
        saved: bytes that the run folder's checkpoints take at most, drafts included.
    """

    total: int
    moving: int
    weights: int
    gradients: int
    state: int
    averages: int
    saved: int

    @property
    def least(self) -> int:
        """Bytes without which no step can be made."""
        return self.weights + self.gradients + self.state + self.averages


def check_word(word: str) -> None:
    """Refuse a word that `plan` does not know."""
    if word not in WORDS:
        raise DiscoError(f"plan={word}: this is no way to plan", do=f"choose from {', '.join(WORDS)}")


def foresee(cfg: DictConfig) -> Sizes | None:
    """Work out the sizes; the model is built without any weights, so the largest costs nothing.

    None where a part cannot be built so: then nothing is foreseen.

    Raises:
        DiscoError: memory or disk of this machine cannot hold them; names the keys to lower.
    """
    import torch

    try:
        with torch.device("meta"):
            module = build_module(cfg, training=True)
            build_adapter(cfg).attach(module)
    except (RuntimeError, InstantiationException):  # it looks at numbers, and there are none
        return None
    sizes = sizes_of(cfg, module)
    processes = cfg.trainer.devices if isinstance(cfg.trainer.devices, int) else 1
    free = free_memory(cfg) // (max(1, processes) if not _on_gpu(cfg) else 1)
    if isinstance(cfg.trainer.strategy, str):  # a strategy that shards its weights needs less
        refuse_too_big(sizes.least, free, "the weights, gradients and optimiser alone need", LOWER)
    folder = Path(cfg.run_dir).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    refuse_too_big(
        sizes.saved, shutil.disk_usage(there).free, f"checkpoints on the disk of {folder} need",
        "choose another run_dir (hydra.run.dir=…), callbacks.checkpoint.top_k=0, or a smaller model",
    )  # fmt: skip
    return sizes


def sizes_of(cfg: DictConfig, module: GenerativeModule) -> Sizes:
    """Add up the sizes of a model, with or without weights in it."""
    moving = [p for p in module.parameters() if p.requires_grad]
    half = str(cfg.trainer.precision).endswith("16-true")
    tensors = [*module.parameters(), *module.buffers()]
    weights = sum(t.nbytes for t in tensors) // (2 if half else 1)
    gradients = sum(p.nbytes for p in moving) // (2 if half else 1)
    state = round(gradients * _state_per_byte(cfg))
    network = sum(t.nbytes for t in module.network_state().values())
    callbacks = cfg.get("callbacks") or {}
    averages = network * sum(1 for name in ("ema", "swa") if callbacks.get(name))
    whole = sum(t.nbytes for t in module.moving_state().values()) + state + averages
    keeper = callbacks.get("checkpoint")
    # last.ckpt, the one before and a draft, milestones, best and last weights, the k best
    files = (
        (0, 1) if not keeper else (3 + len(keeper.get("milestones") or ()), 2 + int(keeper.get("top_k") or 0))
    )
    return Sizes(
        total=sum(p.numel() for p in module.parameters()),
        moving=sum(p.numel() for p in moving),
        weights=weights,
        gradients=gradients,
        state=state,
        averages=averages,
        saved=whole * files[0] + network * files[1],
    )


def _state_per_byte(cfg: DictConfig) -> float:
    """Return the bytes that the optimiser keeps per byte of what it moves, from a step of a small layer."""
    import torch

    layer = torch.nn.Linear(64, 64, bias=False)
    optimizer, _ = build(cfg.optim, "optim").build(layer, 10)
    layer.weight.grad = torch.zeros_like(layer.weight)
    optimizer.step()
    held = [value for state in optimizer.state.values() for value in state.values()]
    return sum(value.nbytes for value in held if isinstance(value, torch.Tensor)) / layer.weight.nbytes


def free_memory(cfg: DictConfig) -> int:
    """Return the bytes that are free where the model will live: on the GPU, or in this machine."""
    import torch

    if _on_gpu(cfg):
        return int(torch.cuda.mem_get_info()[0])
    found = []
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        rows = dict(line.split(":") for line in meminfo.read_text().splitlines())
        found.append(int(rows["MemAvailable"].split()[0]) * 1024)
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and limit.read_text().strip().isdigit():
        found.append(int(limit.read_text()) - int(used.read_text()))
    return min(found) if found else sys.maxsize


def _on_gpu(cfg: DictConfig) -> bool:
    import torch

    return cfg.trainer.accelerator in ("gpu", "cuda", "auto") and torch.cuda.is_available()


def refuse_too_big(needed: int, free: int, what: str, do: str) -> None:
    """Refuse what does not fit.

    Raises:
        DiscoError: says how much is needed and how much there is.
    """
    if needed > free:
        raise DiscoError(f"{what} {in_words(needed)}, and {in_words(free)} are free", do=do)


def pays(cfg: DictConfig, processes: int, *, begun: bool) -> bool:
    """Say whether a run measures its plan: one rule, a new run in one process that makes `WORTH` batches."""
    batches = cfg.trainer.max_steps * cfg.trainer.accumulate_grad_batches
    alone = processes == 1 and isinstance(cfg.trainer.strategy, str)
    return cfg.plan == "auto" and alone and not begun and batches >= WORTH


def say_briefly(sizes: Sizes | None, rest: str = "plan=only measures the rest") -> None:
    """Write one line, where anything is known."""
    if sizes is None:
        return
    sys.stderr.write(
        f"plan: {_count(sizes.total)} parameters, {_moving(sizes)}; at least {in_words(sizes.least)} of "
        f"memory, {in_words(sizes.saved)} of disk ({rest})\n"
    )


def say_measured(plan: Plan) -> None:
    """Write the rest of it: what a few steps have shown."""
    _, memory, seconds, _ = plan.lines()
    sys.stderr.write(f"plan: {memory}\nplan: {seconds}\n")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will need, with what a few steps have shown.

    Attributes:
        peak: bytes of memory at the fullest moment of a step.
        step_seconds: of one batch; seconds: until the last step, without validation.
    """

    sizes: Sizes
    batch_size: int
    peak: int
    free: int
    step_seconds: float
    seconds: float

    def lines(self) -> list[str]:
        """Return the plan in words."""
        from disco.callbacks.amounts import duration

        sizes = self.sizes
        passing = self.peak - sizes.least
        averages = f", averages {in_words(sizes.averages)}" if sizes.averages else ""
        return [
            f"parameters  {_count(sizes.total)}, {_moving(sizes)}",
            f"memory      {in_words(self.peak)} of {in_words(self.free)} at batch {self.batch_size}: weights "
            f"{in_words(sizes.weights)}, gradients {in_words(sizes.gradients)}, optimiser "
            f"{in_words(sizes.state)}{averages}, activations {in_words(max(0, passing))}; Python and its "
            "libraries take some 500 MB besides",
            f"time        {self.step_seconds:.3g} s per batch, {duration(self.seconds)} until the last step, "
            "without validation",
            f"disk        {in_words(sizes.saved)} for checkpoints at most",
        ]


def measure_plan(
    cfg: DictConfig,
    sizes: Sizes,
    module: GenerativeModule,
    data: MusicData,
    make_trainer: Callable[[int, list[L.Callback]], L.Trainer],
) -> Plan:
    """Make a few dry steps; the model is then as it was.

    Raises:
        DiscoError: the memory of this machine cannot hold a step; names the keys to lower.
    """
    from disco.apps.dry import SMALL, measure, peak_at

    size = data.batch_size
    small, larger = (measure(module, data, make_trainer, batch_size=count, timed=False) for count in SMALL)
    peak, free = peak_at(size, small, larger) + sizes.averages, free_memory(cfg)
    most = (free - small.held) // max(1, larger.peak - small.peak)
    refuse_too_big(
        peak - small.held, free, f"a step with data.batch_size={size} needs",
        f"take data.batch_size={max(1, min(most, size - 1))} and trainer.accumulate_grad_batches to make up "
        "for it, or model.checkpoint_layers=1",
    )  # fmt: skip
    timed = measure(module, data, make_trainer, batch_size=size, timed=True)
    batches = cfg.trainer.max_steps * cfg.trainer.accumulate_grad_batches
    return Plan(
        sizes=sizes,
        batch_size=size,
        peak=peak,
        free=free,
        step_seconds=timed.seconds,
        seconds=timed.seconds * max(0, batches),
    )


def in_words(count: float) -> str:
    """Write a number of bytes as people do: 512 B, 42 MB, 1.3 GB."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            value = count / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{count:.0f} B"


def _count(number: int) -> str:
    for unit, size in (("billion", 1e9), ("million", 1e6), ("thousand", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _moving(sizes: Sizes) -> str:
    share: Any = sizes.moving / max(1, sizes.total)
    return f"{_count(sizes.moving)} of them move ({share:.2%})" if share < 1 else "all of them move"
