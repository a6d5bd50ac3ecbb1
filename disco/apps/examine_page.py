"""The page of an examination: findings, what is known, how it is spread, and a few clips to hear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from disco.apps.examine_checks import SHARED
from disco.apps.go_on import train_on
from disco.audio.clip import Clip
from disco.data.pieces import read_piece
from disco.errors import DiscoError
from disco.examine.budget import amount
from disco.report.bars import Bar, Bars, Histogram
from disco.report.page import Command, Grid, Page, Player, PlayerGroup, write_page

if TYPE_CHECKING:
    from disco.apps.examine import Examination
    from disco.apps.examine_checks import Check
    from disco.core.record import Record
    from disco.examine.spreads import Spread
    from disco.examine.tallies import Tally

MOST_BARS = 12
MOST_LINES = 40  # of a list of faults; examine.json has all
LONGEST_CLIP = 10.0  # seconds
ANSWERS = {True: "✓\u00a0fine", False: "✗\u00a0wrong", None: "!\u00a0look"}  # on one line
LEAD = "What this data set holds, whether it is whole and fairly split, and whether it is enough to train on."


def write_examination(path: Path, found: Examination, *, clips: int) -> None:
    """Write the page."""
    page = Page(
        title=f"{found.root.name}: {amount(sum(r.duration for r in found.records) / 3600)} of music",
        lead=LEAD,
        findings=list(_findings(found)),
        groups=_heard(found, clips) if clips else (),
        amounts=[*(_bars(tally) for tally in found.tallies if tally.hours), *map(_histogram, found.spreads)],
        commands=_go_on(found),
        footer=f"{len(found.records):,} pieces in {found.root}.",
    )
    write_page(path, page)


def _findings(found: Examination) -> Iterator[Grid]:
    yield Grid(
        title="Checks",
        columns=["Check", "Answer", "In words", "What to do"],
        rows=[[check.name, ANSWERS[check.passed], check.told, check.do or "–"] for check in found.checks],
    )
    yield Grid(
        title="What is known",
        text="Who said it: people (human), the file's own tags (tag), or a stage of preparation (analysis).",
        columns=["Field", "Pieces", "Share", "Said by"],
        rows=[
            [
                one.field,
                f"{one.known:,} of {one.pieces:,}",
                f"{100 * one.share:.0f} %",
                ", ".join(f"{who} {count:,}" for who, count in one.by.items()) or "–",
            ]
            for one in found.coverages
        ],
    )
    yield Grid(
        title="How varied it is",
        text="As many equally common values would be as varied (e to the entropy).",
        columns=["Field", "Values", "As varied as", "Entropy", "Not known"],
        rows=[
            [
                tally.field,
                f"{len(tally.hours):,}",
                f"{tally.effective:.1f}",
                f"{tally.entropy_bits:.2f} bits",
                amount(tally.unknown_hours) if tally.unknown_hours else "–",
            ]
            for tally in found.tallies
            if tally.hours
        ],
    )
    for check in found.checks:
        if check.name == "refused":
            yield from _refused(found.facts.refusals)
        elif check.examples:
            yield _list(check)


def _list(check: Check) -> Grid:
    rows = [[str(number), example] for number, example in enumerate(check.examples[:MOST_LINES], 1)]
    more = len(check.examples) - len(rows)
    return Grid(
        title=f"{check.name.capitalize()}, in detail",
        text=f"{more:,} more are in examine.json." if more else "",
        columns=["No.", "What"],
        rows=rows,
    )


def _refused(rows: Sequence[Mapping[str, str]]) -> Iterator[Grid]:
    """Say what was left out and what was kept with a warning, each in a table of its own."""
    for verdict, title in (("refuse", "Left out"), ("warn", "Kept with a warning")):
        told = [row for row in rows if row.get("verdict") == verdict and row.get("code") != SHARED]
        if told:
            more = len(told) - MOST_LINES
            yield Grid(
                title=title,
                text=f"{more:,} more are in examine.json." if more > 0 else "",
                columns=["File", "Code", "Why", "What to do"],
                rows=[
                    [row.get(name, "") for name in ("file", "code", "reason", "cure")]
                    for row in told[:MOST_LINES]
                ],
            )


def _bars(tally: Tally) -> Bars:
    values = list(tally.hours.items())
    rest = values[MOST_BARS:]
    together = amount(sum(hours for _, hours in rest))
    many = f"{len(rest):,} more values have {together} together. "
    text = many if len(rest) > 1 else f"One more value has {together}. " if rest else ""
    return Bars(
        title=f"Hours by {tally.field}",
        bars=[Bar(name=name, value=hours, text=amount(hours)) for name, hours in values[:MOST_BARS]],
        text=text + (f"Not known of {amount(tally.unknown_hours)}." if tally.unknown_hours else ""),
    )


def _histogram(spread: Spread) -> Histogram:
    return Histogram(
        title=spread.name.capitalize(),
        edges=spread.edges,
        counts=spread.counts,
        x_label=spread.unit,
        text=f"Half lie below {_number(spread.middle)} {spread.unit}, nine tenths between "
        f"{_number(spread.low)} and {_number(spread.high)}.",
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value + 0.0:.1f}"


def _heard(found: Examination, clips: int) -> Sequence[PlayerGroup]:
    """Pick pieces evenly from the manifest, so that several genres and sides are heard."""
    records = found.records
    count = min(clips, len(records))
    chosen = [records[place * len(records) // count] for place in range(count)]
    players = [player for record in chosen if (player := _player(found.root, record))]
    return [PlayerGroup(title="Some of the pieces", text="As a model hears them.", players=players)]


def _player(root: Path, record: Record) -> Player | None:
    try:
        rate = record.sample_rate
        wave = read_piece(root, record, start=0.0, seconds=LONGEST_CLIP, rate=rate, channels=record.channels)
    except DiscoError:  # the check of the files has named it
        return None
    known = [
        *record.genre[:2],
        *record.instruments[:3],
        *([f"{record.tempo:.0f} BPM"] if record.tempo else []),
        *([record.key] if record.key else []),
        *([record.split] if record.split else []),
    ]
    text = f"{record.caption} " if record.caption else ""
    return Player(
        name=record.title or record.id,
        clip=Clip(wave, rate).within_full_scale(),
        text=f"{text}({', '.join(known)})" if known else text,
    )


def _go_on(found: Examination) -> list[Command]:
    train = train_on(found.root, found.records)
    return [
        Command(text="train on it", command=train),
        Command(
            text="hear rare genres more often",
            command=f"{train} data.balance_by=genre data.balance_power=0.5",
        ),
    ]
