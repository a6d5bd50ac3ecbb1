"""Small stages and small sounds, so that tests show the engine and nothing else."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from disco.core.executor import Executor
from disco.core.record import Record
from disco.core.stage import Notes, Problem, Stage, Tap
from disco.executors.serial import Serial
from disco.prepare.audio import Audio

RATE = 8000


class Level(Stage):
    """Notes the root mean square of every tenth of a second, the gain to `target`, and refuses silence."""

    def __init__(self, *, target: float = 0.25) -> None:
        self.target = target

    def open(self, notes: Notes) -> Tap:
        return _Level(self, notes)


class _Level:
    def __init__(self, stage: Level, notes: Notes) -> None:
        self.stage, self.notes = stage, notes
        self.whole: list[np.ndarray] = []

    def push(self, block: np.ndarray) -> np.ndarray:
        self.whole.append(block.mean(0))
        return block

    def flush(self) -> np.ndarray:
        wave = np.concatenate(self.whole)
        hop = self.notes.rate // 10
        frames = wave[: len(wave) // hop * hop].reshape(-1, hop)
        self.notes.curve_rate = 10.0
        self.notes.curves["rms"] = np.sqrt((frames**2).mean(1)).astype(np.float32)
        self.notes.curves["mel"] = np.abs(frames[:, :8]).astype(np.float32)
        level = float(np.sqrt((wave**2).mean()))
        if level == 0.0:
            self.notes.problems.append(
                Problem("silent", "there is nothing to hear", "leave it out", "refuse")
            )
        else:
            self.notes.gain_db = 20.0 * np.log10(self.stage.target / level)
        self.notes.features["level"] = level
        self.notes.tell("level", tempo=round(60.0 + 100.0 * level, 2))
        return np.zeros((self.notes.channels, 0), np.float32)


class Cut(Stage):
    """Cuts pieces of `seconds`, with a fade; reads nothing but notes."""

    def __init__(self, *, seconds: float = 0.5, fade_seconds: float = 0.01) -> None:
        self.seconds = seconds
        self.fade_seconds = fade_seconds

    def conclude(self, notes: Notes) -> None:
        assert len(notes.curves["rms"])
        count = max(1, int(notes.seconds / self.seconds))
        notes.segments = [(i * self.seconds, (i + 1) * self.seconds) for i in range(count)]
        notes.fade_seconds = self.fade_seconds


class Misbehaves(Stage):
    """Does to its process what the file's name says."""

    def open(self, notes: Notes) -> None:
        name = notes.source.name
        if "abort" in name:
            os.abort()
        if "hang" in name:
            time.sleep(600)
        if "memory" in name:
            np.ones(1 << 34, np.uint8)
        if "raise" in name:
            raise ZeroDivisionError("a mistake in a stage")
        if "once" in name and not (mark := notes.source.path.with_suffix(".mark")).exists():
            mark.touch()
            os.abort()


def tone(seconds: float, hertz: float = 220.0, *, channels: int = 1, level: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = level * np.sin(2 * np.pi * hertz * time) * (0.5 + 0.5 * np.sin(2 * np.pi * 1.3 * time))
    return np.repeat(wave[:, None], channels, 1)


def write_sound(path: Path, seconds: float = 1.0, hertz: float = 220.0, **more: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}[path.suffix.lower()]
    with path.open("wb") as file:
        soundfile.write(file, tone(seconds, hertz, **more), RATE, format=kind)  # pyright: ignore
    return path


def songs(folder: Path, count: int = 6) -> Path:
    """Write some different sounds, in a folder and two albums."""
    for number in range(count):
        album = ("", "one", "two")[number % 3]
        write_sound(folder / album / f"{number}.wav", 0.6 + 0.3 * number, 150.0 + 40.0 * number)
    return folder


def stages(**changed: Stage) -> dict[str, Stage]:
    return {"level": Level(), "cut": Cut()} | changed


def engine(
    source: Path,
    target: Path | None,
    *,
    executor: Executor | None = None,
    materialise: bool = False,
    steps: Mapping[str, Stage] | None = None,
) -> Audio:
    return Audio(
        source=str(source),
        target=target and str(target),
        materialise=materialise,
        shares={"train": 0.8, "val": 0.1, "test": 0.1},
        folders_apart=True,
        seed=0,
        stages=steps or stages(),
        executor=executor or Serial(),
    )


def prepare(source: Path, target: Path, **settings) -> list[Record]:
    return engine(source, target, **settings).run(lambda *_, **__: None)


def tree(folder: Path) -> dict[str, str]:
    """Hash every file of a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
