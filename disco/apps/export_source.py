"""What is exported: an open run, what it is asked to prove itself, and what a target must be able to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from omegaconf import DictConfig

from disco.errors import DiscoError

if TYPE_CHECKING:
    from torch import Tensor

    from disco.core.contracts import Adapter
    from disco.core.module import GenerativeModule
    from disco.models.musicgen import MusicGen

CAPTIONS = ("a lively reel on the fiddle", "slow air")
FRAMES = 40


@dataclass(frozen=True)
class Source:
    """An open run.

    Attributes:
        folder: of the run, the first where several are mixed.
        config: of it.
        module: with the adapter folded in, or attached.
        base: without the adapter, where it is to stay apart; else the module itself.
        adapter: where it is to stay apart.
    """

    folder: Path
    config: DictConfig
    module: GenerativeModule
    base: GenerativeModule
    adapter: Adapter | None


@runtime_checkable
class Target(Protocol):
    """How another library saves a model.

    Attributes:
        name: of the folder that is written.
        library: what opens it, and how that is installed.
    """

    name: str
    library: str
    how_to_install: str

    def check(self, source: Source) -> None:
        """Refuse what the other library has no place for; names it."""
        ...

    def write(self, source: Source, folder: Path) -> None:
        """Write the files."""
        ...

    def compare(self, source: Source, folder: Path) -> float | None:
        """Open them with the other library and return the largest difference of answers; None without it."""
        ...


def open_source(asked: str, *, merged: bool) -> Source:
    """Open a run, or several adapters mixed.

    Raises:
        DiscoError: not a run, or an adapter that cannot be folded and is not to stay apart.
    """
    from disco.apps.mixing import open_start, read_parts
    from disco.apps.parts import build_adapter
    from disco.apps.runs import open_run

    parts = read_parts(asked)
    run = parts[0].run
    module = open_run(asked)
    if not module.adapted:
        return Source(run.folder, run.config, module, module, None)
    if not merged and len(parts) == 1:
        return Source(run.folder, run.config, module, open_start(run)[0].eval(), build_adapter(run.config))
    adapter = build_adapter(run.config)
    if not adapter.mergeable:
        raise DiscoError(f"{asked}: this adapter cannot be folded in", do="set merged=false")
    adapter.merge(module)
    return Source(run.folder, run.config, module.eval(), module, None)


def asked_of(model: MusicGen) -> Iterator[tuple[Tensor, str, Tensor]]:
    """Yield tokens `[1, k, f]`, a caption and the model's answer `[1, k, f, v]`, the same every time.

    One piece at a time, as libraries differ in what they make of the padding of a batch.
    """
    import torch

    from disco.core.batch import CodeBatch, Conditions

    generator = torch.Generator().manual_seed(0)
    for caption in CAPTIONS:
        codes = torch.randint(model.special, (1, model.num_codebooks, FRAMES), generator=generator)
        batch = CodeBatch(codes=codes, valid=torch.tensor([FRAMES]), conditions=Conditions(text=(caption,)))
        with torch.no_grad():
            yield codes, caption, model(batch).logits


def largest_apart(one: Tensor, other: Tensor) -> float:
    """Return the largest difference; nan counts as one."""
    return float((one.float() - other.float()).abs().max())
