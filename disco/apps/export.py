"""`scripts/export.py`: a run as other libraries save it, opened by them and compared before it counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NoReturn

from omegaconf import DictConfig
from rich.console import Console

from disco.apps.compose import build
from disco.apps.export_source import Source, Target, open_source
from disco.core.files import write_text
from disco.errors import DiscoError

CLOSE = 1e-4  # largest difference between their answer and ours
NOT_COMPARED = 3  # exit status: written, and nobody there to open it
RESULT = "comparison.json"


def main(cfg: DictConfig) -> Path:
    """Write, open with the other library, compare, and say so in a file beside it.

    Raises:
        DiscoError: the run has something that the other library has no place for, or it makes something
            else of it; what was written is then gone.
        SystemExit: with status 3, the export stands and the other library is not here to open it.
    """
    target: Target = build(cfg.to, "to")
    source = open_source(str(cfg.run), merged=cfg.merged)
    target.check(source)
    folder = Path(cfg.run_dir) / target.name
    if folder.exists():
        raise DiscoError(f"{folder} is there already", do="choose another with hydra.run.dir=…")
    folder.mkdir(parents=True)
    try:
        target.write(source, folder)
        told = _compared(target, source, folder)
    except BaseException:
        shutil.rmtree(folder)
        raise
    write_text(folder / RESULT, json.dumps({"run": str(cfg.run), "merged": cfg.merged, **told}, indent=1))
    if told["largest_difference"] is None:
        _end_uncompared(folder, target)
    Console().print(
        f"written to {folder}; opened by {target.library}, its answers differ from ours by at most "
        f"{told['largest_difference']:.2g} (allowed: {CLOSE:g})",
        soft_wrap=True,
    )
    return folder


def _compared(target: Target, source: Source, folder: Path) -> dict[str, object]:
    """Return what the comparison found.

    Raises:
        DiscoError: the answers are not the same.
    """
    apart = target.compare(source, folder)
    if apart is not None and not apart <= CLOSE:  # so that nan is none
        raise DiscoError(
            f"{target.library} makes something else of this export: logits differ by {apart:.3g}, and "
            f"{CLOSE:g} is allowed; it was removed"
        )
    return {"opened_by": target.library, "largest_difference": apart, "allowed": CLOSE}


def _end_uncompared(folder: Path, target: Target) -> NoReturn:
    Console().print(
        f"written to {folder}; NOT COMPARED: {target.library} is not installed here, so nobody has opened it "
        f"({target.how_to_install})",
        soft_wrap=True,
    )
    raise SystemExit(NOT_COMPARED)
