"""The base that ships with the repository, where it stands in for what `make demo` trains."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, open_dict

from disco.apps.launch import CONF
from disco.apps.runs import Run

SHIPPED = CONF.parent / "weights"  # a run folder for each family, with float16 weights and a card
DEMO = "outputs/demo"
FAMILIES = {"codec": "autoencoder"}  # the demo's names of runs that are not those of their families


def take_shipped(cfg: DictConfig) -> None:
    """Let a base or codec that `make demo` has not trained here be the one that ships, if one does."""
    for group in ("weights", "codec"):
        node = cfg.get(group)
        run = node.get("run") if isinstance(node, DictConfig) else None
        found = shipped_for(run) if run else None
        if found is not None:
            with open_dict(cfg):
                node.run = str(found)


def shipped_for(run: str) -> Path | None:
    """Return the shipped run that stands in for one of the demo's; None where none does or need be."""
    place = Path(run)
    if place.parent != Path(DEMO) or Run(place).weights.is_file():
        return None
    found = SHIPPED / FAMILIES.get(place.name, place.name)
    return found if Run(found).weights.is_file() else None


def none_ships(run: str) -> str:
    """Say, of a run of the demo's that is not there, that none ships; nothing of other runs."""
    return ", and no such base ships with this version" if Path(run).parent == Path(DEMO) else ""
