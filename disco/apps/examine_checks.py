"""The questions that are asked of a data set, and the answers: passed, failed, or worth a look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from disco.core.record import Fault, Record
from disco.examine.budget import amount, budget, floors_in_words
from disco.examine.tallies import coverages, tallies
from disco.prepare.leaks import Leak
from disco.prepare.split import divergences, shares_of

WISHED = {"train": 0.8, "val": 0.1, "test": 0.1}  # the guide's shares
UNEVEN = 0.01  # by which a share may miss its wish without a word
UNLIKE = 0.02  # bits of divergence between splits without a word
SHARED = "shared_sides"  # the code under which a preparation tells which ties it has let go,
TIES = {"group": "folder", "album": "album", "artist": "artist"}  # and its word for each kind


@dataclass(frozen=True)
class Facts:
    """What was found on the disk; None where nobody looked or nothing was there to look at."""

    faults: Sequence[Fault]
    damaged: Mapping[str, str] | None
    leaks: Sequence[Leak]
    duplicates: Sequence[tuple[str, str]] | None
    refusals: Sequence[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question and its answer.

    Attributes:
        passed: None where it is worth a look and no fault.
        told: the answer in a sentence.
        examples: what exactly, the first of it.
        do: the next step, where there is one.
    """

    name: str
    passed: bool | None
    told: str
    examples: Sequence[str] = field(default_factory=tuple)
    do: str = ""


def fine(name: str, told: str, examples: Sequence[str] = ()) -> Check:
    """Return the answer that all is well."""
    return Check(name=name, passed=True, told=told, examples=examples)


def wrong(name: str, told: str, examples: Sequence[str] = (), do: str = "") -> Check:
    """Return the answer that something must be mended."""
    return Check(name=name, passed=False, told=told, examples=examples, do=do)


def look(name: str, told: str, examples: Sequence[str] = (), do: str = "") -> Check:
    """Return the answer that somebody should have a look."""
    return Check(name=name, passed=None, told=told, examples=examples, do=do)


def checks(records: Sequence[Record], facts: Facts, regime: str) -> list[Check]:
    """Answer every question, in the order of their weight."""
    names = {record.id: _known_as(record) for record in records}
    asked: Sequence[Callable[[], Check]] = (
        lambda: _lines(facts.faults),
        lambda: _files(facts.damaged),
        lambda: _leaks(facts.leaks, names, let_go(facts.refusals)),
        lambda: _shares(records),
        lambda: _alike(records),
        lambda: _enough(records, regime),
        lambda: _captions(records),
        lambda: _copies(facts.duplicates, names),
        lambda: _refused(facts.refusals),
    )
    return [ask() for ask in asked]


def _lines(faults: Sequence[Fault]) -> Check:
    if not faults:
        return fine("manifest", "every line is a record")
    return wrong(
        "manifest",
        f"{_many(len(faults), 'line')} cannot be read and {'is' if len(faults) == 1 else 'are'} left out",
        [f"line {fault.line}: {fault.reason}" for fault in faults],
        "mend or remove them, or prepare again; training refuses them",
    )


def _files(damaged: Mapping[str, str] | None) -> Check:
    if damaged is None:
        return look("files", "nobody looked", do="give verify=true to read them all")
    if not damaged:
        return fine("files", "every stored file is there and whole")
    told = f"{_many(len(damaged), 'stored file')} missing or damaged"
    return wrong("files", told, [f"{name}: {why}" for name, why in damaged.items()], "prepare again")


def _known_as(record: Record) -> str:
    """Return the file by the name that its owner knows."""
    source = record.source
    return source if source and PurePosixPath(source).suffix else record.id


def let_go(refusals: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """Return the kinds of ties of which the preparation itself said that it could not keep them."""
    words = " ".join(one.get("reason", "") for one in refusals if one.get("code") == SHARED)
    return frozenset(kind for kind, word in TIES.items() if word in words.split(" on one side")[0].split())


def _leaks(leaks: Sequence[Leak], names: Mapping[str, str], known: frozenset[str]) -> Check:
    if not leaks:
        return fine("leaks", "no artist, album, file or recording stands on two sides of the split")
    if {leak.kind for leak in leaks} <= known:
        shared = " and ".join(sorted({TIES[leak.kind] for leak in leaks}))
        return look(
            "leaks",
            f"recordings of one {shared} are on several sides, as nothing could be held out otherwise",
            [leak.told(names) for leak in leaks],
            "add music of others; until then, measures on val and test flatter",
        )
    return wrong(
        "leaks",
        f"{_many(len(leaks), 'thing')} that training hears and validation or test asks for",
        [leak.told(names) for leak in leaks],
        "prepare again: it makes splits without leaks where the music allows it",
    )


def _shares(records: Sequence[Record]) -> Check:
    shares = shares_of(records)
    told = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    empty = [name for name, share in shares.items() if not share]
    without = sum(record.split is None for record in records)
    if without:
        told += f"; {_many(without, 'piece')} on no side, being tied to several or never split"
    if empty:
        told += f"; {' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty"
        return wrong("shares", told, do="give more pieces by different artists")
    off = max(abs(shares[name] - wish) for name, wish in WISHED.items())
    if off > UNEVEN:
        told += f"; up to {100 * off:.1f} points from 80/10/10"
        do = (
            "" if off < 0.05 else "one artist or album may own too much: nothing of it can stand on two sides"
        )
        return look("shares", told, do=do)
    return fine("shares", told)


def _alike(records: Sequence[Record]) -> Check:
    found = divergences(records)
    name = max(found, key=lambda one: found[one])
    told = f"the splits differ most in {name}: {found[name]:.3f} bits (Jensen-Shannon; {UNLIKE} is little)"
    return fine("alike", told) if found[name] <= UNLIKE else look("alike", told)


def _enough(records: Sequence[Record], regime: str) -> Check:
    training = [record for record in records if record.split == "train"]
    (genres,) = (tally for tally in tallies(training) if tally.field == "genre")
    found = budget(records, genres, regime)
    told = f"{amount(found.hours)} to train on: {floors_in_words(found.hours)}"
    thin = [f"{name}: {amount(hours)}" for name, hours in found.thin.items()]
    if not found.enough:
        do = f"bring {amount(found.floor - found.hours)} more for regime={regime}, or choose a smaller one"
        return wrong("enough", told, do=do)
    if thin and len(thin) < len(genres.hours):
        return fine("enough", f"{told}; of some genres there is less than {amount(found.floor)}", thin)
    return fine("enough", told)


def _captions(records: Sequence[Record]) -> Check:
    (captions,) = (one for one in coverages(records) if one.field == "caption")
    if captions.known == captions.pieces:
        return fine("captions", "every piece has one")
    lacking = captions.pieces - captions.known
    told = f"{_many(lacking, 'piece')} of {captions.pieces:,} {'has' if lacking == 1 else 'have'} none"
    do = "a model that is told by text needs them: song.txt beside song.wav"
    return look("captions", told, do=do)


def _copies(duplicates: Sequence[tuple[str, str]] | None, names: Mapping[str, str]) -> Check:
    if duplicates is None:
        return look("copies", "there are no fingerprints to compare", do="prepare=audio takes them")
    if not duplicates:
        return fine("copies", "no recording is there twice")
    told = f"{_many(len(duplicates), 'pair')} of the same recording"
    return look("copies", told, [f"{names.get(a, a)} and {names.get(b, b)}" for a, b in duplicates])


def _refused(refusals: Sequence[Mapping[str, str]]) -> Check:
    of_files = [one for one in refusals if one.get("code") != SHARED]  # that is told of the split
    left_out = [one for one in of_files if one.get("verdict") == "refuse"]
    kept = [one for one in of_files if one.get("verdict") != "refuse"]
    if not of_files:
        return fine("refused", "nothing was left out when it was prepared")
    told = f"{_many(len(left_out), 'file')} left out, {_many(len(kept), 'warning')}"
    shown = [
        f"{one.get('file')}: {one.get('reason')} ({one.get('code')}); {one.get('cure')}"
        for one in (*left_out, *kept)
    ]
    return look("refused", told, shown)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
