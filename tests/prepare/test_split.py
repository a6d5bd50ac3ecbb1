"""Splits have the asked shares, are alike, never leak, and never move what was split before."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disco.core.record import Record
from disco.prepare import ties as ties_module
from disco.prepare.leaks import find_leaks
from disco.prepare.split import divergences, shares_of, split_records, split_usefully
from disco.prepare.ties import components
from tests.prepare.catalogues import catalogue

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
NO_PRINTS: dict[str, np.ndarray] = {}


def split(records: list[Record], *, seed: int = 0, previous=None, prints=None) -> list[Record]:
    return split_records(records, shares=SHARES, seed=seed, prints=prints or {}, previous=previous or {})


def deviation(records: list[Record]) -> float:
    return max(abs(share - SHARES[name]) for name, share in shares_of(records).items())


@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.long), pytest.param(2, marks=pytest.mark.long)]
)
def test_a_thousand_tracks_of_artists_are_split_exactly_and_alike(seed: int) -> None:
    records = catalogue(seed=seed)
    found = split(records, seed=seed)
    assert deviation(found) < 0.01
    assert max(divergences(found).values()) <= 0.02
    assert find_leaks(found, NO_PRINTS) == []
    assert max(divergences(at_random(records, seed)).values()) >= 0.08, "else there was nothing to do"


def at_random(records: list[Record], seed: int) -> list[Record]:
    """Whole groups into sides in random order until each has its share: what most people do."""
    groups = components(records, NO_PRINTS)
    random.Random(seed).shuffle(groups)
    whole, done, found = sum(record.duration for record in records), 0.0, list(records)
    for group in groups:
        side = "train" if done < 0.8 * whole else "val" if done < 0.9 * whole else "test"
        for index in group:
            found[index] = replace(records[index], split=side)
        done += sum(records[index].duration for index in group)
    return found


def test_the_same_catalogue_is_split_the_same_in_any_order_and_differently_by_another_seed() -> None:
    records = catalogue(200, 60)
    once = {record.id: (record.split, record.group) for record in split(records)}
    again = {record.id: (record.split, record.group) for record in split(records[::-1])}
    assert once == again
    same = [replace(one, duration=200.0, tempo=100.0, genre=["x"], instruments=[]) for one in records]
    assert split(same, seed=0) != split(same, seed=1)


def test_what_was_split_before_stays_when_files_are_added() -> None:
    records = catalogue(400, 100, guests=0.02)
    first = split(records[:300])
    previous = {record.id: str(record.split) for record in first if record.split}
    found = split(records, previous=previous)
    assert {record.id: record.split for record in found if record.id in previous} == previous
    assert find_leaks(found, NO_PRINTS) == []
    placed = sum(record.split is not None for record in found)
    assert placed >= 380
    assert deviation(found) < 0.03


def test_a_new_piece_that_ties_two_sides_together_goes_to_neither() -> None:
    plain = {"duration": 100.0, "sample_rate": 8000}
    old = [Record(id=f"o{n}", file_path=f"o{n}", artist=f"A{n}", **plain) for n in range(10)]
    first = split(old)
    previous = {record.id: str(record.split) for record in first}
    by_side = {record.split: record for record in first}
    both = f"{by_side['train'].artist} & {by_side['test'].artist}"
    found = split([*old, Record(id="duo", file_path="duo", artist=both, **plain)], previous=previous)
    assert {record.id: record.split for record in found} == {**previous, "duo": None}
    assert find_leaks(found, NO_PRINTS) == []


def test_one_artist_who_owns_nearly_everything_is_not_torn() -> None:
    plain = {"sample_rate": 8000, "duration": 60.0}
    mine = [Record(id=f"m{n}", file_path=f"m{n}", artist="The One", **plain) for n in range(95)]
    rest = [Record(id=f"r{n}", file_path=f"r{n}", artist=f"Other {n}", **plain) for n in range(5)]
    found = split([*mine, *rest])
    assert find_leaks(found, NO_PRINTS) == []
    assert {record.split for record in found[:95]} == {"train"}
    shares = shares_of(found)
    assert shares["train"] == pytest.approx(0.95)
    assert min(shares["val"], shares["test"]) > 0


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_a_handful_of_files_still_gives_every_side_something(count: int) -> None:
    plain = {"sample_rate": 8000, "duration": 30.0}
    found = split([Record(id=f"x{n}", file_path=f"x{n}", **plain) for n in range(count)])
    assert len({record.split for record in found}) == min(3, count)
    assert found[0].split is not None
    assert split([]) == []


def test_segments_of_a_file_and_recordings_that_sound_the_same_stay_together(monkeypatch) -> None:
    plain = {"sample_rate": 8000, "duration": 30.0}
    records = [
        Record(id=f"f{n}-{part}", file_path=f"f{n}", start=30.0 * part, **plain)
        for n in range(20)
        for part in range(3)
    ]
    prints = {record.id: np.zeros(1, np.uint32) for record in records}
    monkeypatch.setattr(ties_module, "duplicates", lambda given: [("f0-0", "f7-2"), ("f7-0", "f9-1")])
    found = {record.id: record for record in split(records, prints=prints)}
    for n in range(20):
        assert len({found[f"f{n}-{part}"].split for part in range(3)}) == 1
    assert len({found[f"f{n}-0"].group for n in (0, 7, 9)}) == 1
    assert len({record.group for record in found.values()}) == 18


def test_a_side_that_came_with_the_data_is_kept() -> None:
    records = [replace(record, split="test" if record.id < "t0003" else None) for record in catalogue(60, 60)]
    found = split(records)
    assert [record.split for record in found[:3]] == ["test"] * 3
    assert {record.split for record in found} == {"train", "val", "test"}


NAMES = st.sampled_from(
    ["Beatles", "The Beatles", "beatles, the", "BEATLES", "Motörhead", "Motorhead", "A", "B"]
)
CREDITS = st.one_of(
    st.none(),
    NAMES,
    st.tuples(NAMES, st.sampled_from([" feat. ", " & ", ", ", " vs. ", " (ft. ", "; "]), NAMES).map("".join),
)
PIECES = st.lists(
    st.tuples(
        CREDITS, st.sampled_from([None, "Live", "Help!", "help", "Ace"]), st.floats(1, 500), st.booleans()
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(pieces=PIECES, seed=st.integers(0, 5), old=st.integers(0, 40))
def test_no_catalogue_leaks_and_no_old_piece_moves(pieces, seed: int, old: int) -> None:
    records = [
        Record(
            id=f"p{n}", file_path=f"p{n // 2 if pairs else n}", duration=length, sample_rate=8000,
            artist=credit, album=album,
        )
        for n, (credit, album, length, pairs) in enumerate(pieces)
    ]  # fmt: skip
    first = split(records[:old], seed=seed)
    assert find_leaks(first, NO_PRINTS) == []
    previous = {record.id: str(record.split) for record in first if record.split}
    found = split(records, seed=seed, previous=previous)
    assert find_leaks(found, NO_PRINTS) == []
    assert {record.id: record.split for record in found if record.id in previous} == previous


@pytest.mark.long
def test_ten_thousand_random_catalogues_never_leak() -> None:
    for seed in range(10_000):
        rng = random.Random(seed)
        records = catalogue(rng.randrange(1, 25), rng.randrange(1, 12), seed, guests=0.3, loud=True)
        assert find_leaks(split(records, seed=seed), NO_PRINTS) == []


@pytest.mark.parametrize(
    ("artists", "let_go"),
    [(["ann", "bob", "cy", "di", "ed", "flo"], ("group", "album")), (["ann"], ("group", "album", "artist"))],
)
def test_where_nothing_could_be_held_out_the_weakest_ties_are_let_go(artists: list[str], let_go) -> None:
    def piece(number: int, album: str | None) -> Record:
        artist = artists[number % len(artists)]
        return Record(
            id=f"p{number}",
            file_path=f"{number}.wav",
            duration=20.0,
            sample_rate=32000,
            artist=artist,
            album=album,
        )

    soundtrack = [piece(number, "the game") for number in range(24)]
    found, gone = split_usefully(soundtrack, shares=SHARES, seed=0, prints=NO_PRINTS, previous={})
    assert gone == let_go
    assert {record.split for record in found} == set(SHARES)
    kinds = {leak.kind for leak in find_leaks(found, NO_PRINTS)}
    assert kinds <= set(let_go), "nothing else is torn"


def test_no_tie_is_let_go_without_need() -> None:
    records = catalogue(seed=0)
    found, gone = split_usefully(records, shares=SHARES, seed=0, prints=NO_PRINTS, previous={})
    assert gone == ()
    assert found == split(records)
