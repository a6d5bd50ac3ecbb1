"""The run folder: the one door to a trained thing."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from disco.core.files import file_hash, load_tensors, write_text
from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.core.module import GenerativeModule

VERSIONS = ("torch", "lightning", "hydra-core", "transformers", "peft", "numpy")


@dataclass(frozen=True)
class Run:
    """A folder `outputs/train/<date>/<time>/`: config, command, checkpoints, weights, samples, logs."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """What training goes on from."""
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def weights(self) -> Path:
        """The trained weights; there once the run is finished."""
        return self.folder / "weights.safetensors"

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
        write_text(self.folder / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
        write_text(self.folder / "command.txt", " ".join(["python", *sys.argv]) + "\n")
        write_text(self.folder / "environment.json", json.dumps(_environment(), indent=1))

    def finish(self, facts: dict[str, Any]) -> None:
        """Write down what came out."""
        write_text(self.folder / "run.json", json.dumps(facts, indent=1))


def open_run(folder: str | Path) -> GenerativeModule:
    """Rebuild a finished run's model: config, base weights, adapter, its own weights; ready to generate.

    Raises:
        DiscoError: not a run, not finished, or its base has changed since.
    """
    from disco.apps.parts import build_adapter, build_module, build_weights

    run = Run(Path(folder))
    cfg = run.config
    if not run.weights.is_file():
        raise DiscoError(f"{run.folder} is not finished", do=f"go on with resume={run.folder}")
    module = build_module(cfg, training=False)
    adapter = build_adapter(cfg)
    if adapter.needs_base:
        check_base(cfg, run.facts.get("base", {}))
        build_weights(cfg).load(module)
    adapter.attach(module)
    module.load_network(load_tensors(run.weights))
    return module.eval()


def base_of(cfg: DictConfig) -> dict[str, str]:
    """Return which weights a run starts from, with their hash."""
    run = cfg.weights.get("run")
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
