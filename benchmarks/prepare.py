"""Preparing recordings beside the same by hand: CPU time, wall time on two cores, again unchanged, memory."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import librosa
import numpy as np
import pyloudnorm
import soundfile
from omegaconf import OmegaConf

from benchmarks import by_hand, songs
from benchmarks.side_by_side import Contest, verdict
from disco.apps.compose import build
from disco.apps.launch import CONF
from disco.audio.loudness import LoudnessMeter
from disco.audio.resample import resample
from disco.audio.spectrum import describe
from disco.core.files import file_hash
from disco.core.stage import Stage
from disco.executors.local import Local
from disco.prepare.audio import Audio
from disco.prepare.recipe import recipe
from disco.prepare.scan import scan
from disco.prepare.work import Item, Work

SONGS, TIMED = 16, 3  # files that are done by hand, and of each round of a contest
COPIES = 4  # of every song, softer each, for what two workers do
WHOLE_RUNS = 3
GUIDE = ("standardize", "loudness", "features", "trim", "segment")
MEL = {"features": {"mel_only": True}}
HOURS, MOST_MB = 2.0, 300


@cache
def folder() -> Path:
    """A folder beside the repository's other results that goes with this process."""
    kept = tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-")
    _KEPT.append(kept)
    return Path(kept.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


@cache
def song_paths() -> tuple[Path, ...]:
    """Return the songs, which are written when they are first asked for."""
    return tuple(songs.write_songs(folder() / "songs", SONGS))


def stages(names: Sequence[str] | None, changes: dict[str, Any] | None = None) -> dict[str, Stage]:
    """Build stages as their YAML says; None for the default list of `prepare=audio`."""
    if names is None:
        defaults = OmegaConf.load(CONF / "prepare" / "audio.yaml").defaults
        names = next(iter(defaults[0].values()))
    built = {}
    for name in names:
        file: Any = OmegaConf.load(CONF / "stage" / f"{name}.yaml")
        node: Any = OmegaConf.merge(file[name], (changes or {}).get(name, {}))
        built[name] = build(node, f"stage.{name}")
    return built


def whole(source: str | Path, target: str | Path, taken: dict[str, Stage], executor: Any) -> None:
    """Prepare a folder."""
    preparation = Audio(
        source=str(source),
        target=str(target),
        materialise=False,
        shares={"train": 0.8, "val": 0.1, "test": 0.1},
        folders_apart=True,
        seed=0,
        stages=taken,
        executor=executor,
    )
    preparation.run(lambda *_, **__: None)


def check() -> str:
    """Compare loudness and mel with those of pyloudnorm and librosa, on one file.

    Raises:
        ValueError: they differ, so that no ratio means anything.
    """
    wave, rate = soundfile.read(song_paths()[0], dtype="float32", always_2d=True)
    sound = resample(wave.T, rate, by_hand.RATE)
    ours, theirs = _loudness(resample(wave.T, rate, 48_000))
    curves = describe(sound, by_hand.RATE)
    mel = librosa.feature.melspectrogram(y=sound.mean(0), sr=by_hand.RATE, n_fft=2048, hop_length=512).T
    apart = float(np.linalg.norm(curves.mel - mel) / np.linalg.norm(mel))
    if abs(ours - theirs) > 0.01 or apart > 1e-4:
        raise ValueError(f"not the same: {ours} and {theirs} LUFS, mel {apart:.1e} apart")
    return f"loudness {ours:.4f} and pyloudnorm's {theirs:.4f} LUFS; mel {apart:.1e} from librosa's"


def _loudness(sound: np.ndarray) -> tuple[float, float]:
    """Ours and the peer's at 48 kHz, where its filters "DeMan" are those that BS.1770-4 prints."""
    meter = LoudnessMeter(rate=48_000, channels=2)
    meter.push(sound)
    theirs = pyloudnorm.Meter(48_000, filter_class="DeMan").integrated_loudness(sound.T)
    return meter.result().integrated, float(theirs)


def key_of(path: Path) -> str:
    """Return the name under which a file's sound is kept."""
    return file_hash(path)[:16]


class _Timed:
    """Prepares the first files with given stages; the answer is the mean of the mel below its peak."""

    def __init__(self, names: Sequence[str] | None, changes: dict[str, Any]) -> None:
        taken = stages(names, changes)
        self.recipe = recipe(taken, materialise=False)
        self.stages = tuple(taken.values())

    def __call__(self, target: Path) -> float:
        work = Work(target=target, stages=self.stages, recipe=self.recipe, materialise=False)
        levels = []
        for found in _found():
            line = work(Item(found))
            assert isinstance(line, dict), line
            with np.load(target / "audio" / "features" / f"{line['sha256'][:16]}.npz") as arrays:
                levels.append(_below_peak(arrays["mel_db"].astype(np.float32)))
        return float(np.mean(levels))


@cache
def _found() -> tuple[Any, ...]:
    song_paths()
    return tuple(scan(folder() / "songs").files[:TIMED])


def _below_peak(level: np.ndarray) -> float:
    return float(np.maximum(level - level.max(), -80.0).mean())


def _target() -> Path:
    target = folder() / "out"
    shutil.rmtree(target, ignore_errors=True)
    (target / "audio" / "processed").mkdir(parents=True)
    (target / "audio" / "features").mkdir()
    return target


def _by_loop(target: Path) -> float:
    return float(np.mean([_below_peak(by_hand.peak_and_mel(Path(one.path), target)) for one in _found()]))


def _by_functions(target: Path) -> float:
    return float(
        np.mean([_below_peak(by_hand.everything(Path(one.path), target)["mel"]) for one in _found()])
    )


def contests() -> list[Contest]:
    """Return the guide's loop, the same with loudness and trimming in stereo, and all of its features."""
    mono = MEL | {"standardize": {"channels": 1}}
    levels = ("standardize", "loudness", "features", "trim")
    loop, hand = f"librosa's loop, {TIMED} x 30 s", f"librosa and pyloudnorm, {TIMED} x 30 s"
    return [
        _contest("P1 mono, mel", _Timed(("standardize", "features"), mono), _by_loop, loop, 1.4),
        _contest("P2 stereo, loudness, trim, mel", _Timed(levels, MEL), _by_loop, loop, 1.4),
        _contest("P3 every feature", _Timed(GUIDE, {}), _by_functions, hand, 6.0),
        _contest("P3 with quality and fingerprint", _Timed(None, {}), _by_functions, hand, None),
    ]


def _contest(name: str, ours: Any, theirs: Any, peer: str, target: float | None) -> Contest:
    """Half a per cent of the mean level: ours is kept in float16, theirs is scaled (and cut) first."""
    return Contest(
        name=name, ours=ours, theirs=theirs, peer=peer, tolerance=5e-3, setup=_target, target=target
    )


def lines() -> Iterator[str]:
    """Return what is no contest of CPU time: two cores, again unchanged, memory."""
    yield check()
    yield from _on_two_cores()
    yield _memory()


def _on_two_cores() -> Iterator[str]:
    """By wall clock, interleaved. The start of workers is told apart: it does not grow with the music."""
    many, few = folder() / "many", folder() / "few"
    songs.copy_softer(song_paths(), many, COPIES)
    songs.copy_softer(song_paths()[:2], few, 1)
    count = SONGS * COPIES
    hand, start, full, alone = [], [], [], []
    for _ in range(WHOLE_RUNS):
        hand.append(_wall(_all_by_hand) / SONGS)
        start.append(_whole_wall(few, 2))
        full.append(_whole_wall(many, 2))
        alone.append(_whole_wall(many, 1) - _whole_wall(few, 1))
    each = [(late - early) / (count - 2) for early, late in zip(start, full, strict=True)]
    ratio = median(other / own for own, other in zip(each, hand, strict=True))
    with_start = median(other * count / own for own, other in zip(full, hand, strict=True))
    efficiency = median(one / (2 * two * (count - 2)) for one, two in zip(alone, each, strict=True))
    yield (
        f"P4 2 workers, wall: {median(each) * 1e3:.1f} ms for each 30 s, librosa and pyloudnorm in one "
        f"process {median(hand) * 1e3:.1f} ms, ratio {ratio:.1f}{verdict(ratio, 10.0)}; with their start of "
        f"{median(start):.2f} s over {count / 2:.0f} minutes of music {with_start:.1f}; "
        f"two workers do {2 * efficiency:.2f} times the work of one"
    )
    again = [_again(many, folder() / "whole") for _ in range(WHOLE_RUNS)]
    ratio = median(full) / median(again)
    yield (
        f"P7 again unchanged: {median(again) * 1e3:.1f} ms of {median(full):.2f} s, "
        f"ratio {ratio:.0f}{verdict(ratio, 100.0)}, no file written"
    )


def _all_by_hand() -> None:
    target = _target()
    for path in song_paths():
        by_hand.everything(path, target)


def _wall(job: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    job()
    return time.perf_counter() - begun


def _whole_wall(source: Path, workers: int) -> float:
    """Prepare a folder anew, and return how long it took."""
    target = folder() / "whole"
    shutil.rmtree(target, ignore_errors=True)
    executor = Local(workers=workers, memory_gb=4.0, timeout_seconds=600.0)
    return _wall(lambda: whole(source, target, stages(GUIDE), executor))


def _again(source: Path, target: Path) -> float:
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}
    executor = Local(workers=2, memory_gb=4.0, timeout_seconds=600.0)
    taken = _wall(lambda: whole(source, target, stages(GUIDE), executor))
    after = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}
    if before != after:
        changed = sorted(path.name for path in before.keys() ^ after.keys()) or "times"
        raise ValueError(f"a second run without changes wrote files: {changed}")
    return taken


def _memory() -> str:
    source, target = folder() / "long", folder() / "long-out"
    source.mkdir()
    songs.write_long(source / "long.wav", song_paths(), HOURS)
    begun = time.perf_counter()
    peaks = _Peaks()
    with peaks:
        whole(source, target, stages(None), Local(workers=1, memory_gb=4.0, timeout_seconds=900.0))
    taken = time.perf_counter() - begun
    manifest = (target / "metadata" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    heard = max(json.loads(line)["start"] + json.loads(line)["duration"] for line in manifest)
    return (
        f"P8 {HOURS:g} h of 48 kHz stereo ({heard:.0f} s of it kept): peak of the worker {peaks.most} MB "
        f"(asked for {MOST_MB}: {'met' if peaks.most <= MOST_MB else 'MISSED'}), "
        f"{taken:.0f} s, {HOURS * 3600 / taken:.0f} times real time"
    )


class _Peaks:
    """Looks at the highest memory (VmHWM) of all processes that this one starts, twenty times a second."""

    def __init__(self) -> None:
        self.most = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self) -> _Peaks:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.done.wait(0.05):
            for children in Path("/proc/self/task").glob("*/children"):
                for child in children.read_text().split():
                    with suppress(OSError, TypeError):  # it has just ended
                        status = Path(f"/proc/{child}/status").read_text()
                        found = re.search(r"VmHWM:\s+(\d+)", status)
                        self.most = max(self.most, int(found[1]) // 1024 if found else 0)
