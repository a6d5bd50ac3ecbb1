"""Scores as REMI tokens: bar, metre, position, pitch, duration (Huang & Yang 2020, 2002.00212)."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from symusic.core import NoteTick, TempoTick, TimeSignatureTick, TrackTick
from symusic.core import ScoreTick as Score

from disco.errors import DiscoError
from disco.midi.score import DEFAULT_TEMPO_BPM, TICKS_PER_QUARTER

METRES = {4: [1, 2, 3, 4, 5, 6, 8], 8: [2, 3, 4, 5, 6, 7, 9, 12]}
FALLBACK_METRE = (4, 4)


class Remi:
    """Tokens of a melody or of several voices in one stream; instruments, loudness and tempo are left out.

    A short first bar (a pickup, written as a metre of its own) is filled up with rests at its beginning,
    so that every bar line stands right; so such a score comes back later by that rest. Times are kept to
    `positions_per_beat` (a beat is what the metre's lower number says, but never longer than a quarter),
    durations up to 24 beats, pitches within the piano's 88 keys.

    Attributes:
        vocabulary: number of tokens; pad, bos, eos: three of them, never part of `encode`'s answer.
        pitches: the tokens of pitches, in semitones: adding 1 to such a token transposes it by one.
        lowest_pitch: the MIDI number of the first of them.
        fingerprint: changes when the meaning of any token does.
    """

    def __init__(self, *, positions_per_beat: int) -> None:
        from miditok import REMI, TokenizerConfig

        fine, coarse = positions_per_beat, max(positions_per_beat // 3, 1)
        self._remi = REMI(
            TokenizerConfig(
                pitch_range=(21, 108),
                beat_res={(0, 4): fine, (4, 12): coarse, (12, 24): 1},
                special_tokens=["PAD", "BOS", "EOS"],
                encode_ids_split="no",
                use_velocities=False,
                use_time_signatures=True,
                use_note_duration_programs=[0],
                use_pitchdrum_tokens=False,
                time_signature_range=METRES,
            )
        )
        words: Any = self._remi.vocab
        self.vocabulary = len(words)
        self.pad, self.bos, self.eos = (words[f"{name}_None"] for name in ("PAD", "BOS", "EOS"))
        self.fingerprint = hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]
        numbers = sorted(int(word.removeprefix("Pitch_")) for word in words if word.startswith("Pitch_"))
        self.lowest_pitch = numbers[0]
        self.pitches = range(words[f"Pitch_{numbers[0]}"], words[f"Pitch_{numbers[-1]}"] + 1)
        self._bar = words["Bar_None"]
        self._bar_quarters = {
            token: 4.0 * int(upper) / int(lower)
            for word, token in words.items()
            if word.startswith("TimeSig_")
            for upper, lower in [word.removeprefix("TimeSig_").split("/")]
        }

    def encode(self, score: Score) -> list[int]:
        """Return the tokens of a score, without BOS and EOS; drums are left out, unisons become one note.

        Raises:
            DiscoError: no notes but drums, or a metre that has no token.
        """
        single = _one_track(score)
        _check_metres(single)
        sequence: Any = self._remi.encode(single)
        return [int(token) for token in (sequence[0].ids if sequence else [])]

    def decode(self, tokens: Sequence[int]) -> Score:
        """Return the score at the default tempo; tokens that make no sense are passed over."""
        kept = [int(token) for token in tokens if token not in (self.pad, self.bos, self.eos)]
        if not kept:
            return Score(TICKS_PER_QUARTER)
        return self._remi.decode([kept]).resample(TICKS_PER_QUARTER, 1)

    def begun_quarters(self, tokens: Sequence[int]) -> float:
        """Return the quarter notes before the last bar line: how far the music has surely come."""
        done, length, bars = 0.0, 4.0 * FALLBACK_METRE[0] / FALLBACK_METRE[1], 0
        for token in tokens:
            if token == self._bar:
                done += length if bars else 0.0
                bars += 1
            else:
                length = self._bar_quarters.get(token, length)
        return done

    def transpose(self, tokens: Sequence[int], semitones: int) -> list[int]:
        """Move every pitch; the tokens come back unchanged where one of them would leave the keyboard."""
        moved = [token + semitones if token in self.pitches else token for token in tokens]
        stayed = all(
            (new in self.pitches) == (old in self.pitches) for new, old in zip(moved, tokens, strict=True)
        )
        return moved if stayed else list(tokens)


def _one_track(score: Score) -> Score:
    """Join all melodic tracks, so that every voice stands in one stream, sorted by onset and pitch."""
    notes = [track.notes.numpy() for track in score.tracks if not track.is_drum and len(track.notes)]
    if not notes:
        raise DiscoError("the score holds no notes but drums", do="leave it out")
    joined = {name: np.concatenate([part[name] for part in notes]) for name in notes[0]}
    order = np.lexsort((-joined["duration"], joined["pitch"], joined["time"]))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(joined["time"][order]) != 0) | (np.diff(joined["pitch"][order].astype(int)) != 0)
    order = order[first]
    metres = [(metre.time, metre.numerator, metre.denominator) for metre in score.time_signatures]
    metres = [_in_quarters(*metre) for metre in metres or [(0, *FALLBACK_METRE)]]
    lead = _missing_ticks(metres, score.ticks_per_quarter)
    if lead:
        metres = [(0, *metres[1][1:]), *((time + lead, *metre) for time, *metre in metres[2:])]
    track = TrackTick("", 0, is_drum=False)
    for row in order:
        time, *rest = (int(joined[name][row]) for name in ("time", "duration", "pitch", "velocity"))
        track.notes.append(NoteTick(time + lead, *rest))
    single = Score(score.ticks_per_quarter)
    single.tempos.append(TempoTick(0, qpm=DEFAULT_TEMPO_BPM))
    for metre in metres:
        single.time_signatures.append(TimeSignatureTick(*metre))
    single.tracks.append(track)
    return single


def _in_quarters(time: int, upper: int, lower: int) -> tuple[int, int, int]:
    """Write 2/2 as 4/4: the same bar, on a grid fine enough for the sixteenths of slow beats."""
    return (time, upper, lower) if lower >= 4 else (time, upper * 4 // lower, 4)


def _missing_ticks(metres: Sequence[tuple[int, int, int]], ticks_per_quarter: int) -> int:
    """Return what a short first bar lacks of the bars after it, 0 where the score begins with a whole bar."""
    if len(metres) < 2 or metres[0][0] != 0:
        return 0
    short, full = (ticks_per_quarter * 4 * upper // lower for _, upper, lower in metres[:2])
    return full - short if metres[1][0] == short < full else 0


def _check_metres(score: Score) -> None:
    for metre in score.time_signatures:
        if metre.numerator not in METRES.get(metre.denominator, []):
            raise DiscoError(
                f"there is no token for the metre {metre.numerator}/{metre.denominator}",
                do="write the piece in a metre such as 4/4, 3/4 or 6/8, or leave it out",
            )
