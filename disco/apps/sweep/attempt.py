"""One point of a sweep: skipped when it is done, gone on with when it died, written down when it crashes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from disco.apps.sweep.points import DONE, Point, read_point
from disco.core.files import write_text
from disco.errors import DiscoError


def attempt(cfg: DictConfig, work: Callable[[DictConfig], float | None]) -> float | None:
    """Do the work of a point unless it is done; a crash is said, and the other points go on.

    Returns:
        What the work returned now or the first time; None after a crash.
    """
    hydra = HydraConfig.get()
    folder, words = Path(hydra.runtime.output_dir), sorted(hydra.overrides.task)
    before = read_point(folder)
    if before is not None and sorted(before.words) != words:
        _stop(
            DiscoError(
                f"{folder} holds a point of another sweep: {' '.join(before.words)}",
                do="type the sweep as it was begun, or choose another hydra.sweep.dir",
            )
        )
    if before is not None and before.state in DONE:
        sys.stdout.write(f"{folder}: {before.state} before\n")
        return before.value
    if before is not None:
        with open_dict(cfg):
            cfg.resume = "auto"
    _note(Point(words=words), folder)
    try:
        value = work(cfg)
    except DiscoError as error:
        told = str(error)
    except Exception as error:
        write_text(folder / "error.txt", traceback.format_exc())
        told = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    else:
        noted = read_point(folder)
        pruned = noted.pruned_at if noted else None
        state = "finished" if pruned is None else "pruned"
        _note(Point(words=words, state=state, value=value, pruned_at=pruned), folder)
        return value
    _note(Point(words=words, state="crashed", error=told), folder)
    sys.stderr.write(f"error: {told}\n")
    return None


def _note(point: Point, folder: Path) -> None:
    rank = os.environ.get("SLURM_PROCID", os.environ.get("LOCAL_RANK", "0"))
    if rank == "0":  # the other ranks of a job share the folder
        point.write(folder)


def _stop(error: DiscoError) -> NoReturn:
    sys.stderr.write(f"error: {error}\n")
    raise SystemExit(2)  # Hydra passes it on, and so ends the whole sweep
