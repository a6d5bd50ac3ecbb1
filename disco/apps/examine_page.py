"""The page of an examination: findings, what is known, how it is spread, and a few clips to hear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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
        if check.examples:
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


def _bars(tally: Tally) -> Bars:
    values = list(tally.hours.items())
    rest = values[MOST_BARS:]
    text = (
        f"{len(rest):,} more values have {amount(sum(hours for _, hours in rest))} together. " if rest else ""
    )
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
        text=f"Half lie below {spread.middle:.4g} {spread.unit}, nine tenths between {spread.low:.4g} and "
        f"{spread.high:.4g}.",
    )


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
    return [
        Command(text="train on it", command=f"python train.py data=audio data.root={found.root}"),
        Command(
            text="hear rare genres more often",
            command=f"python train.py data=audio data.root={found.root} data.balance_by=genre "
            "data.balance_power=0.5",
        ),
    ]
