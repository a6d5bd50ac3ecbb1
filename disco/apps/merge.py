"""`scripts/merge.py`: an adapter, or several by strength, folded into its base: a run of its own."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, open_dict
from rich.console import Console

from disco.adapters.full import Full
from disco.apps.compose import build
from disco.apps.mixing import mix, read_parts
from disco.apps.runs import Run
from disco.apps.self_check import check_merged


def main(cfg: DictConfig) -> Run:
    """Write a run folder with plain weights, which everything opens that opens a run.

    Raises:
        DiscoError: an adapter is no change of weights, or they have different bases.
    """
    parts = read_parts(cfg.run)
    merged = mix(parts)
    config = parts[0].run.config
    with open_dict(config):
        config.adapter = {"_target_": "disco.adapters.full.Full", "recount": False}
        config.weights = {"_target_": "disco.weights.none.Random"}
    for part in parts:
        kind = build(part.run.config.adapter, "adapter")
        if not kind.mergeable:
            kind.merge(merged)
    run = Run(Path(cfg.run_dir))
    run.begin(config)
    run.save(merged, Full(recount=False), {"merged": cfg.run})
    run.finish({"merged": cfg.run, "base": {}})
    told = check_merged(run, parts, merged)
    run.finish({"merged": cfg.run, "base": {}, "self_check": told})
    Console().print(f"written to {run.folder}; open it as run={run.folder}, or adapt it as weights.run=…")
    return run
