"""A folder of recordings becomes a data set: scan, prepare what is new, split, and say what was refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from disco.core.executor import Executor, Failed
from disco.core.files import write_text
from disco.core.ranges import Share
from disco.core.record import MANIFEST, Record, read_manifest, write_manifest
from disco.core.stage import Problem, Stage
from disco.errors import DiscoError
from disco.prepare.derive import Derived, derive
from disco.prepare.journal import Journal, Line
from disco.prepare.layout import HaltedError, check_places, make_folders, prune, sole_writer, sweep
from disco.prepare.receipt import Receipt
from disco.prepare.recipe import Recipe, recipe
from disco.prepare.scan import SUFFIXES, Found, Scan, scan
from disco.prepare.store import CURVES, SOUNDS
from disco.prepare.unpack import unpacked
from disco.prepare.work import Halt, Item, Passing, Work, halted

FLUSH_LINES, FLUSH_SECONDS = 64, 2.0  # what a crash may cost: files that are done again
REPORT, RAW = "metadata/report.jsonl", "audio/raw/files.jsonl"


class Audio:
    """Streams every sound file below `source` through the stages and writes the guide's tree to `target`.

    What is finished is never done twice, whenever a preparation is stopped; the result does not depend on
    the executor, on the order in which files are listed, or on how often it was stopped.

    Args:
        source: where the music is, a folder or a ZIP or TAR archive; it is only read.
        target: the data set's folder.
        materialise: store each piece as a file of its own, with its gain and fades, instead of one
            file per recording from which pieces are cut when they are loaded.
        shares: of the whole length, by split.
        folders_apart: recordings of which neither artist nor album is known are kept on one side of the
            split by folder, in sets of at least three folders.
        seed: of the split.
        stages, executor: see `conf/stage` and `conf/executor`.
    """

    def __init__(
        self,
        *,
        source: str | None,
        target: str | None,
        materialise: bool,
        shares: Mapping[str, Share],
        folders_apart: bool,
        seed: int,
        stages: Mapping[str, Stage],
        executor: Executor,
    ) -> None:
        if source is None or target is None:
            raise DiscoError("prepare=audio reads source=… and writes target=…", do="give both")
        if not stages:
            raise DiscoError("prepare=audio has no stages", do="name some: stage=[standardize,features]")
        self.source = Path(source).expanduser()
        self.target = Path(target).expanduser()
        self.materialise = materialise
        self.shares = dict(shares)
        self.folders_apart = folders_apart
        self.seed = seed
        self.stages = dict(stages)
        self.executor = executor

    def run(self, report: Callable[..., None]) -> list[Record]:
        """Prepare what is not prepared yet and return the records.

        Args:
            report: hears how many files of how many are done, and as keywords the `seconds` of sound that
                this was, how many files were `refused`, and the `share` of the bytes.

        Raises:
            DiscoError: before any work: nothing to read, or nowhere to write.
            HaltedError: the target takes no more; the same command goes on.
        """
        check_places(self.source, self.target)
        folder = self._folder()
        found = scan(folder)
        if not found.files and not found.problems:
            raise DiscoError(
                f"{self.source} holds no {', '.join(sorted(SUFFIXES))} files", do="choose another source"
            )
        make_folders(self.target)
        with _writing(self.target):
            return self._run(folder, found, report)

    def _folder(self) -> Path:
        """Return the folder of the sounds: what is in an archive is unpacked into the target first."""
        if self.source.is_dir():
            return self.source
        make_folders(self.target)
        with _writing(self.target):
            sweep(self.target)
            return unpacked(self.source, (self.target / RAW).parent)

    def _run(self, folder: Path, found: Scan, report: Callable[..., None]) -> list[Record]:
        sweep(self.target)
        way = recipe(self.stages, materialise=self.materialise)
        journal = Journal(
            self.target / "metadata" / "journal.jsonl", [self.target / SOUNDS, self.target / CURVES]
        )
        items = self._items(found, journal, way)
        receipt = Receipt(self.target, self._described(found, way), (MANIFEST, REPORT, RAW))
        if not items and receipt.holds() and set(journal.lines) == {one.name for one in found.files}:
            report(len(found.files), len(found.files))
            return read_manifest(self.target / MANIFEST)
        passing = self._prepared(items, journal, way, report, known=len(found.files) - len(items))
        names = [one.name for one in found.files if one.name in journal.lines]
        lines = [journal.lines[name] for name in names]
        derived = derive(
            self.target,
            lines,
            problems={**found.problems, **passing},
            source=folder,
            previous=self._previous(),
            shares=self.shares,
            seed=self.seed,
            materialised=self.materialise,
            folders_apart=self.folders_apart,
        )
        sweep(self.target)  # of workers that died
        self._write(derived, found)
        journal.keep(names)
        prune(self.target, {name for line in lines for name in line["files"]})
        if not passing:  # what was passed over is tried again
            receipt.write()
        if not derived.records:
            raise DiscoError("no file could be prepared", do=f"see {self.target / REPORT}")
        return derived.records

    def _items(self, found: Scan, journal: Journal, way: Recipe) -> list[Item]:
        """Return what is to do, the largest first, so that no worker is left with a long one at the end."""
        sound = {name: line for name, line in journal.lines.items() if self._stands(line)}
        by_size: dict[int, list[Line]] = {}
        for line in sound.values():
            if way.serves(line):
                by_size.setdefault(line["stamp"][0], []).append(line)
        items: list[Item] = []
        for one in found.files:
            line = sound.get(one.name)
            done = line and line["stamp"] == list(one.stamp) and way.serves(line) and line["tail"] == way.tail
            if not done:
                items.append(Item(one, tuple(by_size.get(one.size, ()))))
        return sorted(items, key=lambda item: -item.found.size)

    def _stands(self, line: Line) -> bool:
        """Tell whether what a line speaks of is there, with the right size."""
        try:
            return all(
                (self.target / name).stat().st_size == size for name, (size, _) in line["files"].items()
            )
        except OSError:
            return False

    def _prepared(
        self, items: Sequence[Item], journal: Journal, way: Recipe, report: Callable[..., None], *, known: int
    ) -> dict[str, Problem]:
        """Do the items; return the files that were passed over."""
        work = Work(
            target=self.target.absolute(),
            stages=tuple(self.stages.values()),
            recipe=way,
            materialise=self.materialise,
        )
        passing: dict[str, Problem] = {}
        count = _Count(report, items, known)
        flushed = time.monotonic()
        results = self.executor.run(work, items)
        try:
            for index, result in results:
                one = items[index].found
                if isinstance(result, Halt):
                    raise (HaltedError if result.by_target else DiscoError)(result.reason, do=result.do)
                if isinstance(result, Failed):
                    cure = "prepare it alone with executor=serial to see why, or leave it out"
                    passing[one.name] = Problem(result.code, result.reason, cure, "refuse")
                elif isinstance(result, Passing):
                    passing[one.name] = result.problem
                else:
                    journal.add(result)
                count.add(one, result)
                if journal.waiting >= FLUSH_LINES or time.monotonic() > flushed + FLUSH_SECONDS:
                    journal.flush()
                    flushed = time.monotonic()
        except BaseException:  # Ctrl-C too: what is finished is noted, if that is still possible
            with suppress(OSError):
                journal.flush()
            raise
        finally:
            close = getattr(results, "close", None)
            if close is not None:
                close()
        journal.flush()
        for name in passing:  # an older result of another content does not stand for it
            journal.lines.pop(name, None)
        return passing

    def _previous(self) -> dict[str, str]:
        path = self.target / MANIFEST
        if not path.is_file():
            return {}
        return {record.id: record.split for record in read_manifest(path, faults=[]) if record.split}

    def _described(self, found: Scan, way: Recipe) -> dict[str, Any]:
        """Return all that manifest and report depend on."""
        return {
            "recipe": [way.passed, way.tail],
            "split": [self.shares, self.seed, self.folders_apart],
            "files": [[one.name, one.stamp] for one in (*found.files, *found.beside)],
            "problems": {name: asdict(problem) for name, problem in found.problems.items()},
        }

    def _write(self, derived: Derived, found: Scan) -> None:
        self._put(RAW, [{"file": one.name, "path": one.path, "bytes": one.size} for one in found.files])
        self._put(REPORT, derived.report)
        write_manifest(self.target / MANIFEST, derived.records)

    def _put(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        write_text(self.target / name, "".join(json.dumps(row) + "\n" for row in rows))


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Be the only one that writes there, and say so if it takes no more."""
    try:
        with sole_writer(target):
            yield
    except OSError as error:
        reason, todo = halted(target, error)
        raise HaltedError(reason, do=todo) from error


class _Count:
    """Adds up what is done and tells it."""

    def __init__(self, report: Callable[..., None], items: Sequence[Item], known: int) -> None:
        self.report = report
        self.total = known + len(items)
        self.done = known
        self.bytes = sum(item.found.size for item in items) or 1
        self.bytes_done = 0
        self.seconds = 0.0
        self.refused = 0
        if items:
            report(known, self.total, seconds=0.0, refused=0, share=0.0)

    def add(self, one: Found, result: Line | Passing | Failed) -> None:
        self.done += 1
        self.bytes_done += one.size
        problems = result["problems"] if isinstance(result, dict) else [{"verdict": "refuse"}]
        if any(problem["verdict"] == "refuse" for problem in problems):
            self.refused += 1
        else:
            self.seconds += result["notes"]["seconds"] if isinstance(result, dict) else 0.0
        self.report(
            self.done,
            self.total,
            seconds=self.seconds,
            refused=self.refused,
            share=self.bytes_done / self.bytes,
        )
