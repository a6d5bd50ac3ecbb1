"""ABC means what the notation says, and what does not add up is refused."""

from fractions import Fraction

import pytest

from disco.corpus.abc import read_abc
from disco.corpus.abc_key import AbcError, parse_key

HEAD = "X:1\nT:A Tune -- Reel\nR:reel\nM:2/4\nL:1/8\nK:{key}\n"
BAR = "cdef|"


def _pitches(body: str, key: str = "C") -> list[int]:
    return [note[2] for note in read_abc(HEAD.format(key=key) + body).notes]


def test_a_part_without_repeat_signs_plays_once_and_with_them_twice() -> None:
    assert len(_pitches(4 * BAR)) == 16
    assert len(_pitches("|:" + 4 * BAR + "|")) == 16
    assert len(_pitches(3 * BAR + "cdef:|")) == 32
    assert len(_pitches(4 * BAR + "|:" + "GABc|GABc:|")) == 32


def test_endings_are_played_in_turn() -> None:
    played = _pitches(3 * BAR + "[1 cccc :|2 gggg |]")
    assert played[12:16] == [72] * 4
    assert played[-4:] == [79] * 4
    assert len(played) == 32


def test_an_ending_after_the_repeat_needs_no_number() -> None:
    assert _pitches(3 * BAR + "[1 cccc :| gggg |]") == _pitches(3 * BAR + "[1 cccc :|2 gggg |]")


def test_accidentals_last_to_the_bar_line_and_signatures_for_ever() -> None:
    assert _pitches("^cdcd|cdcd|" + 2 * BAR)[:8] == [73, 74, 73, 74, 72, 74, 72, 74]
    assert _pitches("FCFC|=FCFC|" + 2 * BAR, key="D")[:8] == [66, 61, 66, 61, 65, 61, 65, 61]


def test_ties_join_and_tuplets_and_dots_divide_time() -> None:
    notes = read_abc(HEAD.format(key="C") + "c-c(3ddd|e>ff<e|" + 3 * BAR).notes
    lengths = [str(note[1]) for note in notes[:8]]
    assert lengths == ["1", "1/3", "1/3", "1/3", "3/4", "1/4", "1/4", "3/4"]


def test_ornaments_bowings_and_fingerings_are_no_notes() -> None:
    assert _pitches('vc"4"d{gf}~e.f|u(cd)Tef|' + 2 * BAR) == _pitches(4 * BAR)


def test_of_a_double_stop_the_upper_note_stays() -> None:
    assert _pitches("[ce]def|" + 3 * BAR)[:2] == [76, 74]


def test_the_pickup_is_what_stands_before_the_first_full_bar() -> None:
    assert read_abc(HEAD.format(key="C") + "G|" + 4 * BAR).pickup == Fraction(1, 2)
    assert read_abc(HEAD.format(key="C") + 4 * BAR).pickup == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BAR + "cdefg|" + 3 * BAR, "bars that do not add up"),
        (BAR + "cde|" + 3 * BAR, "bars that do not add up"),
        (4 * BAR + "[M:3/4]cdefga|", "metre changes"),
        (4 * BAR + "c#d#", "not ABC"),
        (BAR, "fewer than 16"),
    ],
)
def test_what_does_not_add_up_is_refused(body: str, reason: str) -> None:
    with pytest.raises(AbcError, match=reason):
        read_abc(HEAD.format(key="C") + body)


@pytest.mark.parametrize(
    ("text", "name", "signature"),
    [
        ("G", "Gmaj", {"F": 1}),
        ("Am", "Amin", {}),
        ("Edor", "Edor", {"F": 1, "C": 1}),
        ("Dmix", "Dmix", {"F": 1}),
        ("Glydian % as printed", "Glyd", {"F": 1, "C": 1}),
        ("Bb", "Bbmaj", {"B": -1, "E": -1}),
        ("F#min", "F#min", {"F": 1, "C": 1, "G": 1}),
        ("GM", "Gmin", {"B": -1, "E": -1}),
    ],
)
def test_keys_have_their_signatures(text: str, name: str, signature: dict[str, int]) -> None:
    assert parse_key(text) == (name, signature)
