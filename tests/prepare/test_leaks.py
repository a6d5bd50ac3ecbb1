"""A leak that somebody made by hand is found and its pairs are listed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from disco.core.record import Record
from disco.prepare import leaks as leaks_module
from disco.prepare.leaks import find_leaks
from disco.prepare.ties import artists_of, plain, ties_of

PLAIN = {"duration": 60.0, "sample_rate": 8000}


def pair(one: dict, other: dict) -> list[Record]:
    return [
        Record(id="a", file_path="a.wav", split="train", **{**PLAIN, **one}),
        Record(id="b", file_path="b.wav", split="test", **{**PLAIN, **other}),
    ]


SAME = [
    ("The Beatles", "beatles, the"),
    ("The Beatles", "THE  BEATLES"),
    ("Beyoncé", "Beyonce\u0301"),
    ("Beyoncé", "BEYONCE"),
    ("Ｄａｆｔ Ｐｕｎｋ", "daft punk"),
    ("AC/DC", "AC-DC"),
    ("Guns N' Roses", "Guns N’ Roses"),
    ("Eminem feat. Rihanna", "Rihanna"),
    ("Eminem (ft. Rihanna)", "Rihanna"),
    ("Simon & Garfunkel", "Simon and Garfunkel"),
    ("Miles Davis, John Coltrane", "John Coltrane"),
    ("Tom Petty and the Heartbreakers", "Tom Petty"),
    ("Bach, Johann Sebastian", "Johann Sebastian Bach"),
    ("Queen + David Bowie", "David Bowie"),
    ("美空ひばり", "美空ひばり; 誰か"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_artist_is_known_under_every_spelling(one: str, other: str) -> None:
    leaks = find_leaks(pair({"artist": one}, {"artist": other}), {})
    assert [leak.kind for leak in leaks[:1]] == ["artist"]
    assert list(leaks[0].pairs()) == [("b", "a")] or list(leaks[0].pairs()) == [("a", "b")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Various Artists", "various artists"),
        ("Unknown", "unknown"),
        ("Bruce Springsteen & The E Street Band", "The Band"),
        ("がく", "かく"),
        ("A Tribe Called Quest", "The Quest"),
    ],
)
def test_who_is_nobody_or_somebody_else_ties_nothing(one: str, other: str) -> None:
    assert find_leaks(pair({"artist": one}, {"artist": other}), {}) == []


def test_albums_files_and_groups_tie_but_titles_of_everybody_do_not() -> None:
    assert [
        x.kind for x in find_leaks(pair({"album": "Help!"}, {"album": "help (Remastered 2009)"}), {})
    ] == ["album"]
    assert (
        find_leaks(
            pair({"album": "Greatest Hits", "artist": "A B"}, {"album": "greatest hits", "artist": "C D"}), {}
        )
        == []
    )
    assert ("album", "greatest hits by queen") in ties_of(
        Record(id="q", file_path="q", artist="Queen", album="Greatest Hits", **PLAIN)
    )
    assert [x.kind for x in find_leaks(pair({"group": "g"}, {"group": "g"}), {})] == ["group"]
    one, other = pair({}, {})
    assert [x.kind for x in find_leaks([one, replace(other, file_path="a.wav")], {})] == ["file"]


def test_a_leak_made_by_hand_names_everything_on_both_sides(monkeypatch) -> None:
    records = [
        Record(id=f"{side}{n}", file_path=f"{side}{n}", artist=f"Artist {side} {n}", split=side, **PLAIN)
        for side in ("train", "val", "test")
        for n in range(4)
    ]
    assert find_leaks(records, {}) == []
    records[0] = replace(records[0], artist="Artist test 2 feat. Somebody")
    records[5] = replace(records[5], artist="The Artist test 2")
    monkeypatch.setattr(leaks_module, "duplicates", lambda prints: [("train3", "val0"), ("train1", "train2")])
    artist, recording = find_leaks(records, {"train3": np.zeros(1), "val0": np.zeros(1)})
    assert (artist.kind, artist.name) == ("artist", "artist test 2")
    assert artist.sides == {"test": ["test2"], "train": ["train0"], "val": ["val1"]}
    assert sorted(tuple(sorted(one)) for one in artist.pairs()) == [
        ("test2", "train0"), ("test2", "val1"), ("train0", "val1"),
    ]  # fmt: skip
    assert (recording.kind, recording.sides) == ("recording", {"train": ["train3"], "val": ["val0"]})
    assert str(recording) == "the same recording in train: train3; val: val0"


def test_plain_names_keep_what_makes_them_different() -> None:
    names = ["The The", "A", "!!!", "Θ", "Sigur Rós", "Prince", "4 Non Blondes", "U2"]
    assert len({plain(name) for name in names}) == len(names)
    assert plain("The The") == "the"
    assert artists_of("!!!") == {"!!!"}


def test_a_leak_is_told_by_the_names_that_people_know_each_once() -> None:
    records = [
        Record(id=f"{n}", file_path=f"{n // 2}", artist="Ann", source=f"song {n // 2}.ogg",
               split="train" if n < 6 else "val", **PLAIN)
        for n in range(8)
    ]  # fmt: skip
    (leak,) = find_leaks(records, {})
    names = {record.id: str(record.source) for record in records}
    assert leak.told(names) == "artist 'ann' in train: song 0.ogg, song 1.ogg, song 2.ogg; val: song 3.ogg"
    assert str(leak) == "artist 'ann' in train: 0, 1, 2 and 3 more; val: 6, 7"
