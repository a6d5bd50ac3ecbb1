"""What happens at the two ends of a sweep: its folder is held, and its table is shown."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from disco.apps.runs import Run
from disco.apps.sweep.points import read_rows
from disco.apps.sweep.typed import remember
from disco.errors import DiscoError


class Leaderboard(Callback):
    """Keeps a second sweep out of the folder, and shows the points of a multirun, best first."""

    def __init__(self) -> None:
        self.hold = ExitStack()

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Hold the folder and note what was typed."""
        sweep = Path(config.hydra.sweep.dir)
        try:
            self.hold.enter_context(Run(sweep).held())
            remember(sweep)
        except DiscoError as error:
            from disco.apps.launch import refuse

            refuse(error)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Show the table; exit with 1 where a point crashed."""
        from disco.apps.sweep.board import show_board  # the page needs torch

        sweep = Path(config.hydra.sweep.dir)
        rows = read_rows(sweep)
        self.hold.close()
        if rows:
            show_board(sweep, rows)
        if any(row.point.state == "crashed" for row in rows):
            raise SystemExit(1)
