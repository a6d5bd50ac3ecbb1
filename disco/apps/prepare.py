"""`scripts/prepare.py`: raw material becomes a data set with a manifest.

Exit codes: 0 the data set stands, and `metadata/report.jsonl` names the files that were left out; 2 nothing
was begun, because the command, the source or the target is wrong; 3 it stopped on the way, because the target
takes no more; 130 it was interrupted. After 3 and 130 the same command goes on where it stopped.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from omegaconf import DictConfig
from rich.console import Console

from disco.apps.compose import build, resolve
from disco.apps.go_on import train_on
from disco.apps.parts import build_codec
from disco.core.record import Record
from disco.errors import DiscoError
from disco.prepare.layout import HaltedError
from disco.prepare.store import CURVES as FEATURES
from disco.prepare.work import halted

if TYPE_CHECKING:
    from disco.core.contracts import Codec

STOPPED, INTERRUPTED = 3, 130


def main(cfg: DictConfig) -> None:
    """Run what the config names and say what it left behind."""
    preparation = build_preparation(cfg)
    codec = build_codec(cfg.codec)
    encoders = build_encoders(cfg.get("conditioner"))
    line = ProgressLine()
    try:
        records = preparation.run(line.report)
        if codec is not None:
            line.end()
            line = ProgressLine()
            _encode(codec, Path(preparation.target), records, line.report)
        for name, encoder in encoders.items():
            line.end()
            line = ProgressLine()
            _read_captions(name, encoder, Path(preparation.target), records, line.report)
    except HaltedError as error:
        line.end()
        _stop(f"error: {error}", STOPPED)
    except KeyboardInterrupt:
        line.end()
        _stop("stopped; what is finished is kept, and the same command goes on", INTERRUPTED)
    line.end()
    _tell(records, Path(preparation.target))


def build_preparation(cfg: DictConfig) -> Any:
    """Build what prepares, with the stages and the executor if it works through files."""
    wanted = inspect.signature(resolve(cfg.prepare._target_, "prepare")).parameters
    parts: dict[str, Any] = {}
    if "stages" in wanted:
        stages = {str(name): node for name, node in cfg.stage.items() if node}
        parts["stages"] = {name: build(node, f"stage.{name}") for name, node in stages.items()}
    if "executor" in wanted:
        parts["executor"] = build(cfg.executor, "executor")
    return build(cfg.prepare, "prepare", **parts)


def _encode(codec: Codec, target: Path, records: list[Record], report: Callable[..., None]) -> None:
    """Fill the token cache that training would fill at its beginning; what is in it stays."""
    from disco.data.code_cache import CodeCache  # with torch, which no worker needs

    sys.stdout.write("codec tokens:\n")
    try:
        CodeCache(target / FEATURES, codec).fill(target, records, report)
    except OSError as error:
        reason, todo = halted(target, error)
        raise HaltedError(reason, do=todo) from error


def build_encoders(cfg: DictConfig | None) -> dict[str, Any]:
    """Build the text encoders of the conditioners that have one, by the name of the conditioner."""
    nodes = {str(name): node for name, node in (cfg or {}).items() if node}
    without = [name for name, node in nodes.items() if "encoder" not in node]
    if without:
        raise DiscoError(
            f"conditioner={without[0]} has no text encoder, so there is nothing to prepare for it",
            do="leave it out here; training reads it from the manifest",
        )
    return {name: build(node.encoder, f"conditioner.{name}.encoder") for name, node in nodes.items()}


def _read_captions(
    name: str, encoder: Any, target: Path, records: list[Record], report: Callable[..., None]
) -> None:
    """Fill the caption cache that training would fill at its beginning; what is in it stays."""
    from disco.apps.captions import keep_captions, spoken

    captions = spoken(record.caption for record in records)
    if not captions:
        sys.stdout.write(
            f"captions for conditioner={name}: no piece has one; write song.txt beside song.wav\n"
        )
        return
    sys.stdout.write(f"captions for conditioner={name}:\n")
    try:
        keep_captions(encoder, target, captions, report)
    except OSError as error:
        reason, todo = halted(target, error)
        raise HaltedError(reason, do=todo) from error


def _tell(records: list[Record], target: Path) -> None:
    console = Console(highlight=False)
    sides = ("train", "val", "test")
    seconds = {split: sum(r.duration for r in records if r.split == split) for split in sides}
    hours = ", ".join(f"{split} {value / 3600:.2f} h" for split, value in seconds.items())
    console.print(f"{len(records)} pieces: {hours}")
    report = target / "metadata" / "report.jsonl"
    for verdict, words in (("refuse", "left out"), ("warn", "kept with a warning")):
        if counts := _counts(report, verdict):
            named = ", ".join(f"{count} {code}" for code, count in counts.most_common())
            console.print(f"{words}: {named}; see {report}", soft_wrap=True)
    for row in _rows(report):
        if row["code"] == "shared_sides":  # of the whole set, not of its file
            console.print(f"note: {row['reason']}; {row['cure']}", soft_wrap=True)
    console.print(f"train on it: {train_on(target, records)}", soft_wrap=True, markup=False)


def _counts(report: Path, verdict: str) -> Counter[str]:
    named = {(row["file"], row["code"]) for row in _rows(report) if row["verdict"] == verdict}
    return Counter(code for _, code in sorted(named))  # files, not lines


def _rows(report: Path) -> list[dict[str, str]]:
    lines = report.read_text(encoding="utf-8").splitlines() if report.is_file() else []
    return [json.loads(line) for line in lines]


def _stop(words: str, code: int) -> NoReturn:
    sys.stderr.write(f"{words}\n")
    raise SystemExit(code)


class ProgressLine:
    """One updating line on a terminal, and a line per tenth elsewhere."""

    def __init__(self) -> None:
        self.tty = sys.stdout.isatty()
        self.began = time.monotonic()
        self.shown = -1
        self.told = 0.0
        self.open = False

    def report(
        self, done: int, total: int, *, seconds: float = 0.0, refused: int = 0, share: float | None = None
    ) -> None:
        """Say how far it is: files, hours of sound, how fast, how many are left out, how long it takes."""
        share = done / max(1, total) if share is None else share
        now = time.monotonic()
        if self.tty:
            if done < total and now < self.told + 0.2:
                return
            self.told = now
            sys.stdout.write(f"\r\x1b[2K{self.words(done, total, seconds, refused, share, now - self.began)}")
            self.open = True
            sys.stdout.flush()
        elif done * 10 // max(1, total) > self.shown:
            self.shown = done * 10 // max(1, total)
            sys.stdout.write(self.words(done, total, seconds, refused, share, now - self.began) + "\n")
            sys.stdout.flush()

    @staticmethod
    def words(done: int, total: int, seconds: float, refused: int, share: float, elapsed: float) -> str:
        """Return the line."""
        parts = [f"{done}/{total}"]
        if seconds:
            parts.append(f"{seconds / 3600:.2f} h at {seconds / max(elapsed, 1e-3):.0f}× real time")
        if refused:
            parts.append(f"{refused} left out")
        if 0.01 < share < 1:
            parts.append(f"{_span(elapsed * (1 - share) / share)} to go")
        return " · ".join(parts)

    def end(self) -> None:
        """Leave the line."""
        if self.open:
            sys.stdout.write("\n")
            self.open = False


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
