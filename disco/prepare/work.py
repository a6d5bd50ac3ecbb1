"""What is done with one file, in whichever process: hash, one pass through the stages, conclude, store."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from disco.audio.faults import BadAudio
from disco.audio.pcm import TooLongError
from disco.audio.stream import AudioStream
from disco.core.files import file_hash
from disco.core.stage import Notes, Problem, Source, Stage, Tap
from disco.drafts import drafted, durable
from disco.errors import DiscoError
from disco.prepare.journal import Line
from disco.prepare.keep import Grown, checksum, notes_of, plain_notes, plain_problems, read_curves, shrink
from disco.prepare.recipe import Recipe
from disco.prepare.scan import Found, stamp
from disco.prepare.store import CURVES, SOUNDS, write_curves, write_pieces, write_wave

TRIES = 2  # a file that changes while it is read is read once more


@dataclass(frozen=True)
class Item:
    """A file to prepare, and finished lines that may be of the same bytes."""

    found: Found
    known: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Halt:
    """Why no file can be prepared: the target takes no more, or else the stages do not fit together."""

    reason: str
    do: str
    by_target: bool


@dataclass(frozen=True)
class Passing:
    """A file left out for a reason that may be gone the next time: it is not noted as finished."""

    name: str
    problem: Problem


class _UnkeptError(Exception):
    """Leave without letting the draft appear."""


class _ChangedError(Exception):
    """The file is not what it was when its hash was taken."""


class _SourceError(Exception):
    """The file cannot be prepared, for a reason of its own."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


@dataclass(frozen=True)
class Work:
    """Prepares one file; plain values go in and come out, so that it can run anywhere.

    Args:
        target: the data set's folder.
        materialise: store each piece as a file of its own, with its gain and fades.
    """

    target: Path
    stages: tuple[Stage, ...]
    recipe: Recipe
    materialise: bool

    def __call__(self, item: Item) -> Line | Passing | Halt:
        """Return the line of the journal for this file, or why there is none."""
        name = item.found.name
        try:
            for _ in range(TRIES):
                try:
                    return self._line(item)
                except (_ChangedError, FileNotFoundError):
                    continue
        except _SourceError as error:  # before there was a hash
            return Passing(name, error.problem)
        except DiscoError as error:
            return Halt(error.message, error.do, by_target=False)
        except OSError as error:
            return Halt(*halted(self.target, error), by_target=True)
        except MemoryError:
            raise  # for the executor to count
        except Exception as error:
            reason = f"preparing it failed with {type(error).__name__}: {error}"
            return Passing(name, Problem("internal_error", reason, "report this with the file", "refuse"))
        cure = "prepare again when nothing writes to it"
        return Passing(name, Problem("changed", "it changed while it was read", cure, "refuse"))

    def _line(self, item: Item) -> Line | Passing:
        path = Path(item.found.path)
        with _reading():
            before = stamp(path.stat())
            whole = file_hash(path)
        line: Line = {
            "name": item.found.name,
            "stamp": list(before),
            "sha256": whole,
            "passed": self.recipe.passed,
            "tail": self.recipe.tail,
        }
        for known in item.known:
            if known["sha256"] == whole and self.recipe.serves(known):
                return line | self._again(known, item.found, whole[:16])
        try:
            return line | self._prepared(path, item.found.name, whole[:16], before)
        except (_SourceError, BadAudio) as error:
            _check_unchanged(path, before)
            problem = error.problem if isinstance(error, _SourceError) else _problem(error)
            if problem.code == "missing_extra":  # which may be installed by the next time
                return Passing(item.found.name, problem)
            return line | {"problems": plain_problems([problem]), "files": {}}

    def _again(self, known: Line, found: Found, key: str) -> Line:
        """Return what is known, with the tail done anew if it is another one."""
        if known["tail"] == self.recipe.tail:
            return {name: value for name, value in known.items() if name not in ("name", "stamp")}
        source = Source(path=Path(found.path), name=found.name, key=key, **known["source"])
        arrays = read_curves(self.target / CURVES / f"{key}.npz")
        arrays = {name: arrays[name] for name in known["curves"]}
        notes = notes_of(known["pass"], source, Grown(arrays))
        added = self._finish(notes)
        if _is_refused(notes):
            return _concluded(notes)
        kept = {name: known[name] for name in ("pass", "curves")}
        files = dict(known["files"])
        if added or known["added"]:
            files |= write_curves(self.target, key, arrays | added)
        return _concluded(notes) | kept | {"files": files, "added": sorted(added)}

    def _finish(self, notes: Notes) -> dict[str, np.ndarray]:
        """Do the tail, and return the arrays that it added."""
        before = notes.curves.names() if isinstance(notes.curves, Grown) else set(notes.curves)
        for stage in self.stages[self.recipe.turn :]:
            stage.conclude(notes)
        return shrink({name: curve for name, curve in notes.curves.items() if name not in before})

    def _prepared(self, path: Path, name: str, key: str, before: tuple[int, ...]) -> Line:
        sound = f"{SOUNDS}/{key}.wav"
        line: Line = {}
        try:
            with (drafted if self.materialise else durable)(self.target / sound) as draft:
                notes = self._streamed(path, name, key, draft)
                for stage in self.stages[: self.recipe.turn]:
                    stage.conclude(notes)
                arrays = shrink(notes.curves)
                notes.curves = Grown(arrays)
                passed = plain_notes(notes)
                added = self._finish(notes)
                _check_unchanged(path, before)
                line = _concluded(notes)
                if _is_refused(notes):
                    raise _UnkeptError
                line |= {"pass": passed, "curves": sorted(arrays), "added": sorted(added)}
                line["files"] = write_curves(self.target, key, arrays | added)
                if self.materialise:
                    line["files"] |= write_pieces(self.target, draft, notes)
                    raise _UnkeptError
                line["files"][sound] = checksum(draft)
        except _UnkeptError:
            pass
        return line

    def _streamed(self, path: Path, name: str, key: str, draft: Path) -> Notes:
        """Send the sound through the taps and what leaves them into the draft."""
        with _reading():
            stream = AudioStream(path)
        with stream:
            source = Source(
                path=path,
                name=name,
                key=key,
                rate=stream.rate,
                channels=stream.channels,
                frames=stream.frames,
            )
            notes = Notes(source=source, rate=source.rate, channels=source.channels)
            taps = [tap for stage in self.stages if (tap := stage.open(notes)) is not None]
            try:
                frames = write_wave(draft, _tapped(stream, taps), notes, seed=int(key, 16))
            except TooLongError as error:
                raise _SourceError(Problem("too_long", str(error), "cut it into parts", "refuse")) from error
        if not frames:
            raise _SourceError(Problem("empty", "the stages left nothing of it", "leave it out", "refuse"))
        notes.seconds = frames / notes.rate
        notes.problems.extend(_problem(doubt) for doubt in stream.doubts)
        return notes


def halted(target: Path, error: OSError) -> tuple[str, str]:
    """Say that the target takes no more, and what to do."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    where = f" ({error.filename})" if error.filename else ""
    what = "there is no space left" if full else f"{error.strerror or error}{where}"
    todo = "free some space" if full else "mend that"
    return f"{target} cannot be written to: {what}", f"{todo} and run the same command again: it goes on"


@contextmanager
def _reading() -> Iterator[None]:
    """Tell what goes wrong with the source from what goes wrong with the target."""
    try:
        yield
    except FileNotFoundError:
        raise
    except BadAudio as error:
        raise _SourceError(_problem(error)) from error
    except OSError as error:
        reason = f"it cannot be read ({error.strerror or error})"
        problem = Problem("unreadable", reason, "check its permissions and its disk", "refuse")
        raise _SourceError(problem) from error


def _tapped(stream: AudioStream, taps: list[Tap]) -> Iterator[np.ndarray]:
    """Yield what leaves the last tap."""
    blocks = iter(stream)
    while True:
        with _reading():
            block = next(blocks, None)
        if block is None:
            break
        yield from _through(taps, block)
    for place, tap in enumerate(taps):
        yield from _through(taps[place + 1 :], tap.flush())


def _through(taps: list[Tap], block: np.ndarray) -> Iterator[np.ndarray]:
    for tap in taps:
        if not block.shape[1]:
            return
        block = tap.push(block)
    if block.shape[1]:
        yield block


def _check_unchanged(path: Path, before: tuple[int, ...]) -> None:
    if stamp(path.stat()) != before:
        raise _ChangedError


def _concluded(notes: Notes) -> Line:
    """Return what a line says of the notes; a refused file keeps no more than this."""
    source = notes.source
    facts = {"rate": source.rate, "channels": source.channels, "frames": source.frames}
    problems = plain_problems(notes.problems)
    return {"source": facts, "notes": plain_notes(notes), "problems": problems, "files": {}}


def _is_refused(notes: Notes) -> bool:
    return any(problem.verdict == "refuse" for problem in notes.problems)


def _problem(error: BadAudio) -> Problem:
    return Problem(error.code, error.message, error.do, error.verdict)
