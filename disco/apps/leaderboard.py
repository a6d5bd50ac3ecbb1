"""The table of a sweep: what each run was given and what came out, best first."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from disco.core.files import write_text


class Leaderboard(Callback):
    """Prints the runs of a multirun, and writes them to `leaderboard.json` in the sweep's folder."""

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Rank by the lowest validation loss; failed runs come last."""
        sweep = Path(config.hydra.sweep.dir)
        rows = sorted(map(_row, sorted(sweep.glob("*/.hydra"))), key=lambda row: row["val/loss"])
        if not rows:
            return
        write_text(sweep / "leaderboard.json", json.dumps(rows, indent=1))
        names = sorted({name for row in rows for name in row["overrides"]})
        names = [name for name in names if len({row["overrides"].get(name) for row in rows}) > 1]
        shown = Table("run", *names, "val/loss", "moving", "seconds")
        for row in rows:
            loss = f"{row['val/loss']:.4f}" if math.isfinite(row["val/loss"]) else "failed"
            given = (str(row["overrides"].get(name, "")) for name in names)
            shown.add_row(Path(row["run"]).name, *given, loss, str(row["moving"]), str(row["seconds"]))
        console = Console()
        console.print(shown)
        console.print(f"the runs are in {sweep}")


def _row(hydra: Path) -> dict[str, Any]:
    run = hydra.parent
    lines = map(str, OmegaConf.load(hydra / "overrides.yaml"))
    given = {name: value for name, separator, value in (line.partition("=") for line in lines) if separator}
    path = run / "run.json"
    facts = json.loads(path.read_text()) if path.is_file() else {}
    return {
        "run": str(run),
        "overrides": given,
        "val/loss": facts.get("measures", {}).get("val/loss", math.inf),
        "moving": facts.get("parameters", {}).get("moving"),
        "seconds": facts.get("seconds"),
    }
