"""Keys of transposed chorales, their names, and the MIREX table."""

import mir_eval
import numpy as np
import pytest

from disco.core.metric import Asked, Take
from disco.errors import DiscoError
from disco.metrics.key import KeyAgreement
from disco.metrics.tonality import TONICS, Key, fifths_apart, find_key, mirex_score, parse_key, pitch_classes
from tests.metrics.music import chorales, heard_only, played, table


def judged(made, reference=None):
    metric = KeyAgreement()
    metric.update([made], [reference or made])
    return metric.compute()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Dmaj", Key(2, "major")),
        ("D major", Key(2, "major")),
        ("Bb minor", Key(10, "minor")),
        ("F#min", Key(6, "minor")),
        ("Ador", Key(9, "minor")),
        ("Gmix", Key(7, "major")),
        ("B flat minor", Key(10, "minor")),
        ("C", Key(0, "major")),
        ("bb", Key(10, "major")),
        ("Am", Key(9, "minor")),
    ],
)
def test_keys_are_read_as_musicians_write_them(name, key):
    assert parse_key(name) == key
    assert parse_key(str(key)) == key


@pytest.mark.parametrize("name", ["", "H major", "loud", "D purple"])
def test_what_is_no_key_is_refused(name):
    with pytest.raises(DiscoError, match="is no key"):
        parse_key(name)


def test_all_24_keys_of_a_cadence_are_found():
    for tonic in range(12):
        for mode, third in (("major", 4), ("minor", 3)):
            chords = [(0, third, 7), (5, 5 + third, 12), (7, 11, 14), (0, third, 7)]
            notes = table(
                np.repeat(np.arange(4) * 0.5, 3), [48 + tonic + step for chord in chords for step in chord]
            )
            assert find_key(pitch_classes(notes)) == Key(tonic, mode)


def test_chorales_are_in_their_keys_and_move_with_them():
    right = 0
    for tune in chorales(12):
        found = find_key(pitch_classes(played(tune.id, sound=False).notes))
        right += found == parse_key(tune.key)
        for shift in (-4, -1, 3, 5):
            moved = find_key(pitch_classes(played(tune.id, sound=False, shift=shift).notes))
            assert moved == Key((found.tonic + shift) % 12, found.mode)
    assert right >= 9


@pytest.mark.long
def test_the_key_is_heard_in_sound():
    scores = []
    for tune in chorales(3):
        take = heard_only(played(tune.id, end=16.0), key=tune.key)
        scores.append(judged(take)["mirex"])
    assert sum(scores) / len(scores) > 0.6


def test_the_score_is_mirexs():
    keys = [Key(tonic, mode) for tonic in range(12) for mode in ("major", "minor")]
    table_of = {round(mirex_score(Key(0, "major"), key), 1): key for key in reversed(keys)}
    assert {score: str(key) for score, key in table_of.items() if score} == {
        1.0: "C major",
        0.5: "G major",
        0.3: "A minor",
        0.2: "C minor",
    }
    for reference in keys:
        for estimate in keys:
            assert mirex_score(reference, estimate) == mir_eval.key.weighted_score(
                str(reference), str(estimate)
            )


def test_signatures_lie_on_the_circle_of_fifths():
    assert [fifths_apart(Key(0, "major"), Key(tonic, "major")) for tonic in range(12)] == [
        0, 5, 2, 3, 4, 1, 6, 1, 4, 3, 2, 5,
    ]  # fmt: skip
    assert fifths_apart(Key(0, "major"), Key(9, "minor")) == 0
    assert len(set(TONICS)) == 12


def test_the_asked_key_wins_over_the_reference():
    scale = table(np.arange(8) * 0.25, [60, 64, 67, 72, 65, 69, 67, 60], length=0.25)
    asked = Take(notes=scale, asked=Asked(key="C major"))
    other = Take(notes=scale, asked=Asked(key="F# major"))
    assert judged(asked, other)["mirex"] == 1.0
    assert judged(Take(notes=scale), other)["mirex"] == 0.0


def test_all_pitch_classes_alike_are_in_no_key():
    notes = table(np.arange(12) * 0.2, np.arange(60, 72))
    assert find_key(np.ones(12)) is None
    assert judged(Take(notes=notes, asked=Asked(key="C major")))["clarity"] < 0.2
