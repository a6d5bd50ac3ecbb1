"""The page of an evaluation: figures with intervals, the worst and the best to hear, what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from disco.apps.judging import Known
from disco.apps.order import orders
from disco.apps.scores import Cell, Found, Sample
from disco.apps.systems import REFERENCE
from disco.audio.clip import Clip
from disco.errors import DiscoError
from disco.report.bars import Histogram
from disco.report.page import LARGEST, Command, Grid, Page, Player, PlayerGroup, number, write_page

LONGEST = 30.0  # seconds of a clip on the page
MOST_PLOTS = 24
ROUNDING = 1e-9  # below it, a distance of equal sets is what rounding left
WORD = {True: "higher is better", False: "lower is better", None: "nearest to the real music is best"}


def write_report(
    folder: Path,
    found: Found,
    systems: Mapping[str, Sequence[Known]],
    *,
    command: str,
    cost: Mapping[str, Any],
    shown: int,
    deaf: Mapping[str, Mapping[str, str]],
    passages: Sequence[PlayerGroup] = (),
) -> None:
    """Write `report.html`; with fewer clips where the page would be too large to mail."""
    shown = min(shown, len(systems[found.subject]))
    while True:
        groups = [*_groups(found, systems, shown), *passages]
        if shown <= 1 or sum(_weight(group) for group in groups) < LARGEST:
            break
        shown //= 2
    page = Page(
        title="Evaluation",
        lead=_lead(found, systems),
        findings=[*orders(found), _scores(found), *_missing(found)],
        groups=groups,
        grids=[*_costs(cost), *_deaf(deaf)],
        amounts=list(_spreads(found)),
        commands=[Command(text="This evaluation", command=command)],
        footer="Intervals hold the value of endlessly many takes in 95 of 100 evaluations.",
    )
    write_page(folder / "report.html", page)


def written(cell: Cell | None) -> str:
    """Write a value with its interval; nothing where there is none."""
    if cell is None:
        return ""
    if cell.low is None or cell.high is None:
        return _rounded(cell.value)
    return f"{_rounded(cell.value)} [{_rounded(cell.low)}, {_rounded(cell.high)}]"


def _rounded(value: float) -> str:
    return number(0.0 if abs(value) < ROUNDING else value)


def _lead(found: Found, systems: Mapping[str, Sequence[Known]]) -> str:
    takes = len(systems[found.subject])
    text = f"{takes} takes, measured" + (" beside real music." if REFERENCE in systems else ".")
    others = [name for name in systems if name not in (found.subject, REFERENCE)]
    if others:
        text += f" Beside them: {', '.join(others)}."
    if takes < 20:
        text += f" From {takes} takes only large differences can be told: look at the intervals."
    if found.skipped:
        text += f" {len(found.skipped)} files could not be read and are left out."
    missing = sum(len(reasons) for reasons in found.not_computed.values())
    return text + (f" {missing} values could not be computed; the reasons stand below." if missing else "")


def _scores(found: Found) -> Grid:
    names = dict.fromkeys(name for row in found.systems.values() for name in row)
    rows = []
    for name in names:
        cells = [row.get(name) for row in found.systems.values()]
        first = next(cell for cell in cells if cell is not None)
        takes = "" if first.takes is None else str(first.takes)
        rows.append([name, *map(written, cells), takes, WORD[first.higher_is_better]])
    return Grid(
        title="Scores",
        columns=["measure", *found.systems, "takes", "which way"],
        rows=rows,
        text="Each value with the interval in which it would lie with other takes of the same kind (95 %).",
    )


def _missing(found: Found) -> Iterator[Grid]:
    rows = [
        [name, system, reason]
        for system, reasons in found.not_computed.items()
        for name, reason in reasons.items()
    ]
    if rows:
        yield Grid(title="Not computed", columns=["measure", "system", "why"], rows=rows)
    if found.skipped:
        yield Grid(
            title="Files left out",
            columns=["file", "why"],
            rows=[[one.file, one.reason] for one in found.skipped],
        )


def _costs(cost: Mapping[str, Any]) -> Iterator[Grid]:
    if cost:
        rows = [
            [name, number(value) if isinstance(value, int | float) else str(value)]
            for name, value in cost.items()
        ]
        yield Grid(title="What making costs", columns=["figure", "value"], rows=rows)


def _deaf(metrics: Mapping[str, Mapping[str, str]]) -> Iterator[Grid]:
    rows = [[name, fault, why] for name, faults in metrics.items() for fault, why in faults.items()]
    if rows:
        yield Grid(
            title="What they do not hear",
            columns=["metric", "fault", "why"],
            rows=rows,
            text="Music was spoilt on purpose to see what each metric hears: noise, low-pass, players out of "
            "tune (detune), notes out of time (jitter), passages in another order (shuffle). A good score "
            "does not rule these out.",
        )


def _spreads(found: Found) -> Iterator[Histogram]:
    """Yield how the made takes' own values are spread, measure by measure."""
    made = [sample.values for sample in found.samples if sample.system == found.subject]
    names = dict.fromkeys(name for values in made for name in values)
    plotted = 0
    for name in names:
        values = np.array([one[name] for one in made if name in one])
        if len(values) < 3 or np.ptp(values) == 0 or plotted == MOST_PLOTS:
            continue
        plotted += 1
        counts, edges = np.histogram(values, bins=min(12, max(4, round(math.sqrt(len(values)) * 2))))
        real = [
            sample.values[name]
            for sample in found.samples
            if sample.system == REFERENCE and name in sample.values
        ]
        beside = f" Mean of the real music: {number(float(np.mean(real)))}." if real else ""
        yield Histogram(
            title=name,
            edges=edges.tolist(),
            counts=counts.tolist(),
            x_label=f"takes by {name}",
            text=f"{len(values)} takes, mean {number(float(values.mean()))}.{beside}",
        )


def ranked(found: Found) -> list[tuple[Sample, str]]:
    """Return the made takes, the worst first, each with the sentence that says why.

    A take's rank is its mean distance, in deviations, from the other takes over all measures that have a
    better side; it says which takes to hear first, and is no score.
    """
    made = [sample for sample in found.samples if sample.system == found.subject]
    ways = {
        name: cell.higher_is_better
        for name, cell in found.systems[found.subject].items()
        if cell.higher_is_better is not None
    }
    far: dict[str, dict[str, float]] = {sample.name: {} for sample in made}
    for name, better in ways.items():
        known = {sample.name: sample.values[name] for sample in made if name in sample.values}
        spread = float(np.std(list(known.values()))) if len(known) > 1 else 0.0
        if spread > 0:
            middle = float(np.mean(list(known.values())))
            sign = 1.0 if better else -1.0
            for take, value in known.items():
                far[take][name] = sign * (value - middle) / spread

    def place(sample: Sample) -> float:
        return float(np.mean(list(far[sample.name].values()))) if far[sample.name] else 0.0

    def why(sample: Sample) -> str:
        marks = sorted(far[sample.name].items(), key=lambda one: (-abs(one[1]), one[0]))[:3]
        said = ", ".join(f"{name} {number(sample.values[name])}" for name, _ in marks)
        return f"Most unlike the others by {said}." if said else ""

    return [(sample, why(sample)) for sample in sorted(made, key=lambda one: (place(one), one.name))]


def _groups(found: Found, systems: Mapping[str, Sequence[Known]], shown: int) -> Iterator[PlayerGroup]:
    """Yield the worst and the best takes, each beside what other systems made of the same wish."""
    order = ranked(found)
    worst = order[: shown - shown // 2]
    best = order[::-1][: shown // 2]
    beside = {
        (sample.system, sample.pair): sample.name
        for sample in found.samples
        if sample.system != found.subject
    }
    pieces = {(name, one.piece.name): one.piece for name, known in systems.items() for one in known}
    captions = {sample.pair: sample.caption for sample in found.samples if sample.system == found.subject}
    for rank, some in (("Among the worst", worst), ("Among the best", best)):
        for sample, why in some:
            takes = {found.subject: sample.name} | {
                name: beside[name, sample.pair] for name in systems if (name, sample.pair) in beside
            }
            caption = captions[sample.pair]
            yield PlayerGroup(
                title=f"{rank}: {sample.name}",
                text=" ".join(part for part in (f"“{caption}”" if caption else "", why) if part),
                players=[_player(name, pieces[name, take].load().sound) for name, take in takes.items()],
                switched=len(takes) > 1,
            )
    alone = [
        name
        for name in systems
        if name != found.subject and not any((name, sample.pair) in beside for sample, _ in (*worst, *best))
    ]
    if alone and shown > 1:
        middle = {name: sorted(systems[name], key=lambda one: one.piece.name) for name in alone}
        yield PlayerGroup(
            title="One take of each of the others",
            text="They were asked for, or are, something else: nothing here belongs together.",
            players=[_player(name, some[len(some) // 2].piece.load().sound) for name, some in middle.items()],
        )


def _player(name: str, clip: Clip) -> Player:
    if not clip.wave.shape[1]:
        raise DiscoError(f"a take of {name} is empty", do="leave it out")
    cut = clip.seconds > LONGEST
    wave = clip.mono().wave[:, : round(LONGEST * clip.rate)]
    text = f"The first {LONGEST:.0f} of {clip.seconds:.0f} seconds." if cut else ""
    return Player(name=name, clip=Clip(wave, clip.rate), text=text)


def _weight(group: PlayerGroup) -> float:
    """Return about how many bytes a group takes on the page: sound, as text, and pictures."""
    return sum(13_000 * player.clip.seconds + 60_000 for player in group.players if player.clip is not None)
