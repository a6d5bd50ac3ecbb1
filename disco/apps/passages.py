"""What was made beside the training passage that it is most like, to be heard one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from disco.apps.judging import Judge, Known
from disco.audio.clip import Clip
from disco.audio.io import read_clip
from disco.core.record import Record
from disco.metrics.training import Match, Nearest, training_records
from disco.report.page import Player, PlayerGroup, number

SHORTEST = 3.0  # seconds of a passage on the page: a few tokens alone say nothing to the ear


def nearest_passages(
    judge: Judge, made: Sequence[Known], reference: Sequence[Known], *, most: int
) -> list[PlayerGroup]:
    """Return players of the takes that are most like their nearest training passage, the most alike first.

    Each metric that looks for copies, and has a folder of training data, shows up to `most` of them.
    """
    groups: list[PlayerGroup] = []
    plan = judge.plan(made, reference, None)
    for name, metric in judge.metrics.items():
        asks = plan[name]
        if not isinstance(metric, Nearest) or metric.root is None or isinstance(asks, str):
            continue
        rows = judge.rows_of(name, asks)
        if isinstance(rows, list):
            takes = {one.piece.name: one for one in made}
            groups += _groups(name, rows, takes, Path(metric.root), metric.most, most)
    return groups


def _groups(
    name: str, rows: Sequence[Match], takes: Mapping[str, Known], root: Path, studied: int, most: int
) -> Iterator[PlayerGroup]:
    sources: dict[str, Record] = {record.id: record for record in training_records(root, studied)}
    held = [match.likeness for match in rows if match.side == "reference"]
    mine = [match for match in rows if match.side == "made" and match.likeness > 0]
    for match in sorted(mine, key=lambda one: (-one.likeness, one.name))[:most]:
        take, source = takes.get(match.name or ""), sources.get(match.source or "")
        if take is None or source is None:
            continue
        less = sum(likeness < match.likeness for likeness in held)
        seconds = max(match.seconds, SHORTEST)
        passage = read_clip(root / source.file_path, start=source.start + match.at, seconds=seconds)
        yield PlayerGroup(
            title=f"Nearest training passage: {match.name}",
            text=f"{name}/likeness {number(match.likeness)}. Of {len(held)} held-out takes {less} are less "
            "like the training data.",
            players=[
                Player(
                    name="made",
                    clip=_part(take.piece.load().sound, match.here, seconds),
                    text=f"From {match.here:.1f} s on.",
                ),
                Player(
                    name="training", clip=passage.mono(), text=f"{match.source}, from {match.at:.1f} s on."
                ),
            ],
            switched=True,
        )


def _part(clip: Clip, start: float, seconds: float) -> Clip:
    first = round(start * clip.rate)
    return Clip(clip.mono().wave[:, first : first + round(seconds * clip.rate)], clip.rate)
