"""Making what the page asks for, told line by line while it is made."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from disco.apps.composing import compose_run
from disco.apps.generate import Order, make, read_order, unchanged
from disco.apps.generate_words import plainly
from disco.apps.play_stage import Stage
from disco.apps.play_wish import Wish, command
from disco.audio.io import read_clip
from disco.errors import DiscoError
from disco.report.page import Player, PlayerGroup
from disco.report.play import render_result

FAILED = "This went wrong in a way that was not foreseen: the terminal that the program runs in says more."
Told = dict[str, Any]


class StoppedError(Exception):
    """Whoever asked does not listen any more."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One way to play a wish: who plays, and the command line that does the same."""

    name: str
    run: str
    words: list[str]
    folder: Path


class Maker:
    """Makes wishes, one at a time, each in a folder of its own.

    Args:
        folder: of everything that is made.
        most_seconds: length of a piece at most.

    Attributes:
        sounds: what may be asked for, by the name under which it is.
    """

    def __init__(self, stage: Stage, folder: Path, *, most_seconds: float) -> None:
        self.stage = stage
        self.folder = folder
        self.most_seconds = most_seconds
        self.sounds: dict[str, Path] = {}
        self._count = 0

    def make(self, asked: Mapping[str, Any], sound: Path | None) -> Iterator[str]:
        """Check a wish, then return the lines that tell how it goes; the last one holds what was made.

        Raises:
            DiscoError: it cannot be made, or something else is being made.
        """
        wish = Wish(asked, list(self.stage.tags()))
        if not self.stage.busy.acquire(blocking=False):
            raise DiscoError("something else is being played", do="wait for its end, or stop it")
        try:
            number = self._count = self._count + 1
            versions = self._versions(wish, sound, self.folder / "takes" / f"{number:03d}")
            orders = [self._order(version) for version in versions]
        except BaseException:
            self.stage.busy.release()
            raise
        return _told(lambda say: self._play(wish, versions, orders, number, say), self.stage.busy)

    def _versions(self, wish: Wish, sound: Path | None, folder: Path) -> list[Version]:
        words = wish.words(None if sound is None else str(sound))
        runs = {self.stage.name: self.stage.asked(wish.strength)}
        if self.stage.base is not None and wish.compared:
            runs = {"base": self.stage.base, **runs}
        return [
            Version(name=name, run=run, words=[f"run={run}", *words], folder=folder / str(place))
            for place, (name, run) in enumerate(runs.items())
        ]

    def _order(self, version: Version) -> Order:
        """Check a version as `scripts/generate.py` does."""
        try:
            cfg = compose_run("generate", plainly(version.words), version.folder)
        except (HydraException, OmegaConfBaseException) as error:
            raise DiscoError(f"this cannot be read: {str(error).splitlines()[0][:200]}") from error
        order = read_order(cfg)
        if cfg.seconds > self.most_seconds:
            raise DiscoError(
                f"seconds={cfg.seconds:g}: {self.most_seconds:g} at most are played here",
                do="scripts/generate.py plays longer pieces, and so does most_seconds=… of this program",
            )
        return order

    def _play(
        self,
        wish: Wish,
        versions: list[Version],
        orders: list[Order],
        number: int,
        say: Callable[[Told], None],
    ) -> None:
        players, begun = [], time.monotonic()
        for place, (version, order) in enumerate(zip(versions, orders, strict=True)):
            seconds, name = order.cfg.seconds, version.name

            def report(done: float, speed: float, *, share: float = float(place), name: str = name) -> None:
                whole = orders[0].cfg.seconds
                text = f"{name}: {done:.1f} of {whole:.1f} s, {speed:.2f} × real time"
                say({"share": (share + done / whole) / len(versions), "text": text})

            say({"share": place / len(versions), "text": f"{name}: opening …"})
            module = self.stage.open(version.run)
            (record,) = make(order, module, strengthen=unchanged, report=report)
            path = version.folder / record.file_path
            address = f"/takes/{number:03d}-{place}.wav"
            self.sounds[address] = path
            clip = read_clip(path, seconds=seconds)
            players.append(Player(name=name, clip=clip, address=address, command=command(version.words)))
        waited = time.monotonic() - begun
        group = PlayerGroup(
            title=wish.title if len(wish.title) <= 120 else f"{wish.title[:119]}…",
            text=_settings(orders[0], wish, self.stage, waited),
            players=players,
            switched=len(players) > 1,
        )
        say({"html": render_result(group)})


def _settings(order: Order, wish: Wish, stage: Stage, waited: float) -> str:
    cfg = order.cfg
    said = [
        f"{cfg.seconds:g} s",
        f"seed {cfg.seed}",
        f"guidance {cfg.sampler.guidance:g}",
        f"temperature {cfg.sampler.temperature:g}",
    ]
    if stage.adapted:
        said.append(f"strength {wish.strength:g}")
    return f"{', '.join(said)}. Played in {waited:.1f} s."


def _told(work: Callable[[Callable[[Told], None]], None], busy: threading.Lock) -> Iterator[str]:
    """Do work in a thread and yield what it says, a line of JSON each; `busy` is released at its end.

    When nobody takes the lines any more, the work stops at the next thing that it says.
    """
    said: queue.SimpleQueue[Told | None] = queue.SimpleQueue()
    gone = threading.Event()

    def say(told: Told) -> None:
        if gone.is_set():
            raise StoppedError
        said.put(told)

    def body() -> None:
        try:
            work(say)
        except StoppedError:
            pass
        except DiscoError as error:
            said.put({"error": str(error)})
        except Exception:
            logging.getLogger(__name__).exception("a piece could not be played")
            said.put({"error": FAILED})
        finally:
            busy.release()
            said.put(None)

    threading.Thread(target=body, daemon=True).start()
    return _lines(said, gone)


def _lines(said: queue.SimpleQueue[Told | None], gone: threading.Event) -> Iterator[str]:
    try:
        while (told := said.get()) is not None:
            yield json.dumps(told) + "\n"
    finally:
        gone.set()
