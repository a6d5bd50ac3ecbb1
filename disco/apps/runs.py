"""The run folder: the one door to a trained thing."""

from __future__ import annotations

import errno
import fcntl
import json
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from disco.adapters.peft_layers import peft_names
from disco.apps.masking import masked_yaml
from disco.core.files import BEFORE, LAST, file_hash, write_text
from disco.core.tensors import load_tensors, save_tensors
from disco.errors import DiscoError

if TYPE_CHECKING:
    from torch import Tensor

    from disco.core.contracts import Adapter
    from disco.core.module import GenerativeModule

ADAPTER = "adapter_model.safetensors"
VERSIONS = ("torch", "lightning", "hydra-core", "transformers", "peft", "numpy")


@dataclass(frozen=True)
class Run:
    """A folder `outputs/train/<date>/<time>/`: config, command, checkpoints, weights, samples, logs."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """What training goes on from, where there is anything."""
        newest = self.folder / "checkpoints" / LAST
        before = newest.with_name(BEFORE)
        return before if before.is_file() and not newest.exists() else newest

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the folder; the hold ends with the process, however it ends.

        Raises:
            DiscoError: another process trains in it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".held").open("a+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise DiscoError(
                        f"{self.folder}: another process trains in this folder",
                        do="choose another with hydra.run.dir=…, or wait for its end",
                    ) from error  # other errors: a disk that knows no locks
            yield

    @property
    def weights(self) -> Path:
        """What was trained, there once the run is finished: all weights, or an adapter as PEFT keeps it."""
        adapter = self.folder / ADAPTER
        return adapter if adapter.is_file() else self.folder / "weights.safetensors"

    @property
    def config(self) -> DictConfig:
        """The whole resolved config.

        Raises:
            DiscoError: the folder is not a run.
        """
        path = self.folder / "config.yaml"
        if not path.is_file():
            raise DiscoError(f"{self.folder} is not a run folder", do="name one that train.py made")
        cfg = OmegaConf.load(path)
        assert isinstance(cfg, DictConfig)
        return cfg

    @property
    def facts(self) -> dict[str, Any]:
        """What `finish` wrote down."""
        path = self.folder / "run.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def begin(self, cfg: DictConfig) -> None:
        """Write config, command and environment."""
        write_text(self.folder / "config.yaml", masked_yaml(cfg))
        write_text(self.folder / "command.txt", " ".join(["python", *sys.argv]) + "\n")
        write_text(self.folder / "environment.json", json.dumps(_environment(), indent=1))

    def save(self, module: GenerativeModule, adapter: Adapter, facts: Mapping[str, str]) -> None:
        """Write what was trained; an adapter's tensors have the names that PEFT gives them.

        `facts` go into the header of the file.
        """
        tensors = module.network_state()
        if not module.adapted:
            save_tensors(self.folder / "weights.safetensors", tensors, facts)
            return
        names = peft_names(tensors)
        save_tensors(self.folder / ADAPTER, {names[n]: tensor for n, tensor in tensors.items()}, facts)
        write_text(self.folder / "adapter_config.json", json.dumps(adapter.description(), indent=1))

    def load(self, module: GenerativeModule) -> None:
        """Fill what `save` wrote into a model that the adapter, if there was one, has been attached to."""
        module.load_network(read_weights(self.weights, module))

    def finish(self, facts: dict[str, Any]) -> None:
        """Write down what came out."""
        write_text(self.folder / "run.json", json.dumps(facts, indent=1))


def read_weights(path: Path, module: GenerativeModule) -> dict[str, Tensor]:
    """Return the tensors of a file under the names that a model gives them, an adapter's too."""
    tensors = load_tensors(path)
    if not module.adapted:
        return tensors
    names = {theirs: ours for ours, theirs in peft_names(module.state_dict()).items()}
    return {names.get(name, name): tensor for name, tensor in tensors.items()}


def open_run(asked: str | Path) -> GenerativeModule:
    """Rebuild a finished run's model: config, base weights, adapter, its own weights; ready to generate.

    Args:
        asked: a run folder; behind an adapter's may stand how strongly it is heard ("outputs/a:0.5"), and
            several of them may be mixed ("outputs/a:0.7 outputs/b:0.3").

    Raises:
        DiscoError: not a run, not finished, its base has changed since, or it cannot be mixed.
    """
    from disco.apps.mixing import mix, read_parts

    parts = read_parts(str(asked))
    if len(parts) > 1 or parts[0].strength != 1:
        return mix(parts).eval()
    module, adapter = open_base(parts[0].run)
    adapter.attach(module)
    parts[0].run.load(module)
    return module.eval()


def first_run(asked: str | Path) -> Run:
    """Return the first of the runs that `open_run` would open."""
    from disco.apps.mixing import read_parts

    return read_parts(str(asked))[0].run


def open_base(run: Run) -> tuple[GenerativeModule, Adapter]:
    """Rebuild what a finished run started from, and its adapter, not yet attached.

    Raises:
        DiscoError: the run is not finished, or its base has changed since.
    """
    from disco.apps.parts import build_adapter, build_module, build_weights

    cfg = run.config
    if not run.weights.is_file():
        raise DiscoError(f"{run.folder} is not finished", do=f"go on with resume={run.folder}")
    module, adapter = build_module(cfg, training=False), build_adapter(cfg)
    if adapter.needs_base:
        check_base(cfg, run.facts.get("base", {}))
        build_weights(cfg).load(module)
    return module, adapter


def base_of(cfg: DictConfig) -> dict[str, str]:
    """Return which weights a run starts from, with their hash: a run's, or others' that have a path."""
    run, path = cfg.weights.get("run"), cfg.weights.get("path")
    if path:
        from disco.weights.published import find_published

        return {"run": path, "sha256": find_published(path).sha256}
    return {"run": run, "sha256": file_hash(Run(Path(run)).weights)} if run else {}


def check_base(cfg: DictConfig, base: dict[str, str]) -> None:
    """Refuse a base whose weights are not those that the adapter was trained on."""
    found = base_of(cfg)
    if base and found and base["sha256"] != found["sha256"]:
        raise DiscoError(
            f"{base['run']} holds other weights than this adapter was trained on", do="restore the base"
        )


def _environment() -> dict[str, Any]:
    found = {}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return {"python": platform.python_version(), "machine": platform.machine(), "packages": found}
