"""Score tokens: notes survive the round trip, bars stand right, transposing moves pitches only."""

import pytest
from symusic import Note, TimeSignature, Track
from symusic.core import ScoreTick as Score

from disco.core.contracts import Tokenizer
from disco.errors import DiscoError
from disco.midi.tokens import Remi

QUARTER = 480


@pytest.fixture(scope="module")
def remi() -> Remi:
    return Remi(positions_per_beat=12)


def write(*voices: list[tuple[float, float, int]], metre=(4, 4), pickup=None) -> Score:
    """Voices of (onset, duration, pitch) in quarter notes."""
    score = Score(QUARTER)
    if pickup:
        score.time_signatures.append(TimeSignature(0, *pickup))
        start = QUARTER * 4 * pickup[0] // pickup[1]
        score.time_signatures.append(TimeSignature(start, *metre))
    else:
        score.time_signatures.append(TimeSignature(0, *metre))
    for voice in voices:
        track = Track("", 0, False)
        for onset, duration, pitch in voice:
            track.notes.append(Note(round(onset * QUARTER), round(duration * QUARTER), pitch, 90))
        score.tracks.append(track)
    return score


def notes(score: Score) -> list[tuple[float, float, int]]:
    rows = [(n.time / QUARTER, n.duration / QUARTER, n.pitch) for track in score.tracks for n in track.notes]
    return sorted((round(a, 4), round(b, 4), c) for a, b, c in rows)


MELODY = [(0, 0.25, 62), (0.25, 0.75, 66), (1, 1 / 3, 69), (4 / 3, 1 / 3, 71), (5 / 3, 1 / 3, 73), (2, 6, 74)]
CHORALE = [
    [(0, 1, 72), (1, 1, 71), (2, 2, 72)],
    [(0, 1, 67), (1, 0.5, 67), (1.5, 0.5, 65), (2, 2, 64)],
    [(0, 2, 60), (2, 2, 55)],
    [(0, 1, 48), (1, 1, 43), (2, 2, 48)],
]


@pytest.mark.parametrize("metre", [(4, 4), (3, 4), (2, 2), (6, 8), (2, 4)])
def test_a_melody_survives_the_round_trip(remi, metre) -> None:
    score = write(MELODY, metre=metre)
    assert notes(remi.decode(remi.encode(score))) == notes(score)


def test_four_voices_share_one_stream_and_keep_every_note(remi) -> None:
    score = write(*CHORALE)
    assert notes(remi.decode(remi.encode(score))) == notes(score)


def test_two_voices_on_one_note_become_one(remi) -> None:
    score = write([(0, 1, 60), (1, 1, 62)], [(0, 2, 60), (2, 1, 64)])
    assert notes(remi.decode(remi.encode(score))) == [(0, 2, 60), (1, 1, 62), (2, 1, 64)]


def test_a_pickup_is_filled_up_so_that_bar_lines_stand_right(remi) -> None:
    score = write([(0, 0.5, 62), (0.5, 3, 67), (3.5, 3, 69)], metre=(6, 8), pickup=(1, 8))
    back = remi.decode(remi.encode(score))
    assert notes(back) == [(2.5, 0.5, 62), (3.0, 3.0, 67), (6.0, 3.0, 69)]


def test_drums_are_left_out(remi) -> None:
    score = write([(0, 1, 60)], [(0, 1, 38), (1, 1, 36)])
    score.tracks[1].is_drum = True
    assert notes(remi.decode(remi.encode(score))) == [(0, 1, 60)]


def test_begun_quarters_counts_whole_bars(remi) -> None:
    score = write([(beat, 1, 60) for beat in range(9)], metre=(3, 4))
    tokens = remi.encode(score)
    assert remi.begun_quarters(tokens) == 6.0
    assert remi.begun_quarters([]) == 0.0


def test_every_tune_that_is_transposed_decodes_higher(remi) -> None:
    tokens = remi.encode(write(MELODY))
    moved = remi.decode(remi.transpose(tokens, 3))
    assert notes(moved) == [(a, b, pitch + 3) for a, b, pitch in notes(write(MELODY))]
    assert remi.transpose(remi.transpose(tokens, -5), 5) == tokens


def test_a_transposition_beyond_the_keyboard_changes_nothing(remi) -> None:
    tokens = remi.encode(write([(0, 1, 108), (1, 1, 60)]))
    assert remi.transpose(tokens, 1) == tokens


def test_nonsense_decodes_to_some_score(remi) -> None:
    tokens = [5, 5, 5, remi.eos, 300, 20, remi.bos, 7, 340]
    assert isinstance(remi.decode(tokens), Score)
    assert notes(remi.decode([])) == []


def test_a_metre_without_token_is_refused_by_name(remi) -> None:
    with pytest.raises(DiscoError, match="13/8"):
        remi.encode(write(MELODY, metre=(13, 8)))


def test_the_fingerprint_tells_grids_apart_and_nothing_else(remi) -> None:
    assert remi.fingerprint == Remi(positions_per_beat=12).fingerprint
    assert remi.fingerprint != Remi(positions_per_beat=8).fingerprint
    assert isinstance(remi, Tokenizer)
