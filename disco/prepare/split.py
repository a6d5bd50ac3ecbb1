"""Training, validation and test sides of a catalogue: exact shares, alike in kind, nothing on two of them.

Pieces that hang together (`disco.prepare.ties`) go to one side; the groups are dealt out so that every side
gets its share of the length, the genres, the instruments and the tempi: stratification of groups in the
spirit of Sechidis et al. 2011, "On the stratification of multi-label data".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from disco.core.record import Record, Split
from disco.prepare import ties
from disco.prepare.deal import deal

SPLITS: tuple[Split, ...] = ("train", "val", "test")
LET_GO = ("group", "album", "artist")  # in this order, where nothing could be held out otherwise
TEMPO_BIN = 20.0  # beats per minute
MOST_LABELS = 64  # of one field are told apart; rarer ones count together
LENGTH_WEIGHT = 12.0  # in the cost, beside 1 of each field

Label = tuple[str, str]
ALL: Label = ("length", "")


def split_records(
    records: Sequence[Record],
    *,
    shares: Mapping[str, float],
    seed: int,
    prints: Mapping[str, np.ndarray],
    previous: Mapping[str, str],
) -> list[Record]:
    """Return the records with `split` and `group`; the same ones with the same seed on any machine.

    Args:
        records: of the whole catalogue, in any order.
        shares: of the whole length, by split.
        seed: of the order in which groups of one length are dealt out.
        prints: fingerprints by record id; near-duplicate recordings are never separated.
        previous: split by record id of an earlier run. Those pieces stay where they were, and what hangs
            together with them joins them; pieces that come with a split count as such too. A new piece that
            hangs together with two sides gets no split: it would carry what one knows to the other.
    """
    groups = ties.components(records, prints)
    return _split_groups(records, groups, shares=shares, seed=seed, previous=previous)


def _split_groups(
    records: Sequence[Record],
    groups: Sequence[Sequence[int]],
    *,
    shares: Mapping[str, float],
    seed: int,
    previous: Mapping[str, str],
) -> list[Record]:
    split_of: dict[str, Split] = {record.id: record.split for record in records if record.split}
    split_of |= {id_: split for id_, split in previous.items() if split in SPLITS}
    sides: list[set[Split]] = [
        {split_of[records[i].id] for i in group if records[i].id in split_of} for group in groups
    ]
    free = [number for number, side in enumerate(sides) if not side]
    dealt = _dealt(records, groups, sides, free, split_of, shares=shares, seed=seed)
    found = list(records)
    for number, (group, side) in enumerate(zip(groups, sides, strict=True)):
        joined = dealt.get(number) or (next(iter(side)) if len(side) == 1 else None)
        name = _name(group, records)
        for index in group:
            mine = split_of.get(records[index].id) or joined
            called = name if len(side) < 2 else records[index].group  # two sides are no group
            found[index] = replace(records[index], split=mine, group=called)
    return found


def split_usefully(
    records: Sequence[Record],
    *,
    shares: Mapping[str, float],
    seed: int,
    prints: Mapping[str, np.ndarray],
    previous: Mapping[str, str],
) -> tuple[list[Record], tuple[str, ...]]:
    """Split as `split_records` does, and if a side stays empty, let go of folders, then albums, then artists.

    Returns:
        The records, and the kinds of ties that were let go: a soundtrack is one album, and some sets are of
        one artist; what is measured on such a split flatters.
    """
    wanted = {split for split, share in shares.items() if share > 0}
    copies = ties.duplicates(prints)
    strictest: list[Record] = []
    for gone in range(len(LET_GO) + 1):
        groups = ties.tied(records, copies, frozenset(LET_GO[gone:]))
        found = _split_groups(records, groups, shares=shares, seed=seed, previous=previous)
        if wanted <= {record.split for record in found}:
            return found, LET_GO[:gone]
        strictest = strictest or found
    return strictest, ()


def _dealt(
    records: Sequence[Record],
    groups: Sequence[Sequence[int]],
    sides: Sequence[set[Split]],
    free: Sequence[int],
    split_of: Mapping[str, Split],
    *,
    shares: Mapping[str, float],
    seed: int,
) -> dict[int, Split]:
    """Return the split of every group of which nothing was split before."""
    labels = _labels([records[index] for group in groups for index in group])
    base = np.zeros((len(SPLITS), len(labels)))
    for group, side in zip(groups, sides, strict=True):
        for index in group if side else ():
            where = split_of.get(records[index].id) or (next(iter(side)) if len(side) == 1 else None)
            if where:
                base[SPLITS.index(where)] += _amounts([records[index]], labels)
    amounts = np.zeros((len(free), len(labels)))
    for row, number in zip(amounts, free, strict=True):
        row += _amounts([records[index] for index in groups[number]], labels)
    keys = [min(records[index].id for index in groups[number]) for number in free]
    order = sorted(range(len(free)), key=lambda row: (-amounts[row, labels[ALL]], _hash(seed, keys[row])))
    weights = np.array([LENGTH_WEIGHT if label == ALL else 1.0 for label in labels])
    whole = sum(shares.get(split, 0.0) for split in SPLITS)
    parts = deal(
        amounts,
        order=order,
        base=base,
        shares=[shares.get(split, 0.0) / whole for split in SPLITS],
        weights=weights,
    )
    return {number: SPLITS[part] for number, part in zip(free, parts, strict=True)}


def shares_of(records: Iterable[Record]) -> dict[str, float]:
    """Return each split's share of the length of what has one."""
    lengths: dict[str, float] = dict.fromkeys(SPLITS, 0.0)
    for record in records:
        if record.split:
            lengths[record.split] += record.duration
    whole = sum(lengths.values())
    return {split: lengths[split] / whole if whole else 0.0 for split in SPLITS}


def divergences(records: Sequence[Record]) -> dict[str, float]:
    """Return the largest Jensen-Shannon divergence of two splits in genre, instruments and tempo, in bits."""
    found: dict[str, float] = {}
    for kind in ("genre", "instruments", "tempo"):
        sides: dict[str, dict[str, float]] = {split: {} for split in SPLITS}
        for record in records:
            for (name, value), seconds in labels_of(record).items():
                if record.split and name == kind and value:
                    side = sides[record.split]
                    side[value] = side.get(value, 0.0) + seconds
        heard = [side for side in sides.values() if side]
        pairs = [(one, other) for place, one in enumerate(heard) for other in heard[place + 1 :]]
        found[kind] = max((_divergence(one, other) for one, other in pairs), default=0.0)
    return found


def labels_of(record: Record) -> dict[Label, float]:
    """Return how many seconds a piece brings to each value of each field; "" stands for not known."""
    tempo = "" if record.tempo is None else f"{TEMPO_BIN * (record.tempo // TEMPO_BIN):g}"
    found: dict[Label, float] = {("tempo", tempo): record.duration}
    for kind, values in (("genre", record.genre), ("instruments", record.instruments)):
        for value in values or [""]:
            label = (kind, value.casefold())
            found[label] = found.get(label, 0.0) + record.duration / max(1, len(values))
    return found


def _labels(records: Iterable[Record]) -> dict[Label, int]:
    """Number the labels, the most common ones of each field each for itself."""
    seconds: dict[Label, float] = {}
    for record in records:
        for label, amount in labels_of(record).items():
            seconds[label] = seconds.get(label, 0.0) + amount
    kept: list[Label] = [ALL]
    for kind in ("genre", "instruments", "tempo"):
        mine = sorted((-amount, label) for label, amount in seconds.items() if label[0] == kind)
        kept += [label for _, label in mine[:MOST_LABELS]]
        kept.append((kind, "\0rare"))
    return {label: place for place, label in enumerate(kept)}


def _amounts(records: Sequence[Record], labels: Mapping[Label, int]) -> np.ndarray:
    """Return milliseconds by label: whole numbers, whose sums are the same everywhere."""
    row = np.zeros(len(labels))
    for record in records:
        row[labels[ALL]] += round(1000 * record.duration)
        for label, seconds in labels_of(record).items():
            row[labels.get(label, labels[(label[0], "\0rare")])] += round(1000 * seconds)
    return row


def _name(group: Sequence[int], records: Sequence[Record]) -> str:
    """A group keeps the name that all its pieces have; otherwise it is called by its first piece."""
    names = {records[index].group for index in group}
    (one, *more) = names
    return one if one and not more else min(records[index].id for index in group)


def _hash(seed: int, key: str) -> str:
    return hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()


def _divergence(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    names = sorted({*one, *other})
    p = np.array([one.get(name, 0.0) for name in names]) / sum(one.values())
    q = np.array([other.get(name, 0.0) for name in names]) / sum(other.values())
    return (_relative(p, (p + q) / 2) + _relative(q, (p + q) / 2)) / 2


def _relative(p: np.ndarray, middle: np.ndarray) -> float:
    some = p > 0
    return float((p[some] * np.log2(p[some] / middle[some])).sum())
