"""One HTML file that says what was made, how good it is, and lets everybody hear it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from disco.audio.clip import Clip
from disco.core.files import write_text
from disco.errors import DiscoError
from disco.midi.score import NoteTable
from disco.report.bars import Bars, Histogram, draw_amounts
from disco.report.chart import Curve, draw
from disco.report.embed import data_uri, mp3
from disco.report.parallel import Parallel, draw_parallel
from disco.report.pictures import FRAME, Pixels, piano_roll_picture, spectrogram_picture, webp

LARGEST = 15_000_000  # bytes; a larger page is slow to open and cannot be mailed


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Something to hold a value against: what it is, and what it reaches."""

    name: str
    value: float | int


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A value with what stands below it (chance, untrained) and above it (originals).

    Attributes:
        meaning: what the value says, in plain words.
        goal: what was hoped for, in words ("at least 0.85"); empty where nothing was.
        passed: whether the goal was met; None where there is none.
    """

    name: str
    value: float | int
    meaning: str
    unit: str = ""
    floor: Bound | None = None
    ceiling: Bound | None = None
    goal: str = ""
    passed: bool | None = None

    @property
    def position(self) -> float | None:
        """Where the value lies between floor and ceiling, 0 to 1; None where that makes no sense."""
        if self.floor is None or self.ceiling is None:
            return None
        span = self.ceiling.value - self.floor.value
        share = (self.value - self.floor.value) / span if span else math.nan
        return min(1.0, max(0.0, share)) if math.isfinite(share) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Player:
    """Something to hear: its sound, its notes, or both.

    Attributes:
        address: where a server has its sound; empty puts the sound into the page.
        command: a line for the terminal that makes the same sound.
    """

    name: str
    clip: Clip | None = None
    notes: NoteTable | None = None
    text: str = ""
    address: str = ""
    command: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlayerGroup:
    """Players that belong beside one another; they share a time axis.

    Attributes:
        switched: they are the same place in different versions: one goes on where the other was.
    """

    title: str
    players: Sequence[Player]
    text: str = ""
    switched: bool = False


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Things beside one another: a row each, what is said of them in columns."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A line for the terminal, and what it does."""

    text: str
    command: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """Everything on the page, from top to bottom; empty parts are left out."""

    title: str
    lead: str
    findings: Sequence[Grid] = ()
    measures: Sequence[Measure] = ()
    grids: Sequence[Grid] = ()
    groups: Sequence[PlayerGroup] = ()
    amounts: Sequence[Bars | Histogram | Parallel] = ()
    curves: Sequence[Curve] = ()
    rough: Sequence[str] = ()
    commands: Sequence[Command] = ()
    footer: str = ""


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """A player as the template reads it; sound and pictures are data URIs or None."""

    name: str
    text: str
    seconds: float
    sound: str | None
    spectrogram: str | None
    roll: str | None
    num_notes: int
    saved: bool
    command: str


def write_page(path: Path, page: Page) -> int:
    """Write the page, whole or not at all, and return its size in bytes.

    The file asks the network for nothing: sound, pictures, style and script are inside.

    Raises:
        DiscoError: a clip is empty or not finite, or the page would be larger than 15 MB.
    """
    html = render_page(page)
    size = len(html.encode("utf-8"))
    if size > LARGEST:
        raise DiscoError(f"the page would have {size / 1e6:.1f} MB", do="give it fewer or shorter clips")
    write_text(path, html)
    return size


def render_page(page: Page) -> str:
    """Return the page as HTML."""
    groups = [(group, shown_players(group)) for group in page.groups]
    charts = [(curve, draw(curve)) for curve in page.curves]
    amounts = [
        (one, draw_parallel(one) if isinstance(one, Parallel) else draw_amounts(one)) for one in page.amounts
    ]
    template = environment().get_template("page.html.j2")
    return template.render(page=page, groups=groups, charts=charts, amounts=amounts, frame=FRAME)


def environment() -> Environment:
    """Return what renders the templates beside this file; whatever they are given is escaped."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = number
    return made


def number(value: float | int) -> str:
    """Write a value with three significant digits, and a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 1000 or (value == int(value) and abs(value) < 1000):
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.1e}"


def shown_players(group: PlayerGroup) -> list[_Shown]:
    """Prepare players with axes that end at the longest and brightest of the group."""
    clips = [player.clip for player in group.players if player.clip is not None]
    silent = [player.notes for player in group.players if player.clip is None and player.notes is not None]
    ends = [clip.seconds for clip in clips] + [float(notes.offset.max(initial=0.1)) for notes in silent]
    top_hz = max((clip.rate / 2 for clip in clips), default=None)
    return [_shown(player, max(ends, default=0.1), top_hz) for player in group.players]


def _shown(player: Player, seconds: float, top_hz: float | None) -> _Shown:
    clip, notes = player.clip, player.notes
    return _Shown(
        name=player.name,
        text=player.text,
        seconds=seconds,
        sound=player.address or (None if clip is None else data_uri("audio/mpeg", mp3(clip))),
        spectrogram=None
        if clip is None
        else _picture(spectrogram_picture(clip, seconds=seconds, top_hz=top_hz)),
        roll=None if notes is None else _picture(piano_roll_picture(notes, seconds=seconds)),
        num_notes=0 if notes is None else len(notes),
        saved=bool(player.address),
        command=player.command,
    )


def _picture(pixels: Pixels) -> str:
    return data_uri("image/webp", webp(pixels))
