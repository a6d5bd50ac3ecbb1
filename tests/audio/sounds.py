"""Sounds with known beats, bars and defects, and renders of the demo corpus."""

from __future__ import annotations

from functools import cache

import numpy as np
from symusic import Note, Tempo, Track

from disco.corpus.instruments import FOUR_PART, SOLO
from disco.corpus.tunes import Tune, load_tunes, tune_score
from disco.midi.score import Score
from disco.midi.soundfont import synthesise
from disco.midi.transform import crop, set_programs, set_tempo, transpose

RATE = 32000
CHORDS = {
    4: [0, 5, 7, 0, 9, 5, 7, 0],
    3: [0, 7, 0, 5, 0, 2, 7, 0],
}  # roots of eight bars, in semitones above C


def clicks(bpm: float, seconds: float = 20.0, rate: int = RATE) -> np.ndarray:
    """A metronome: 20 ms of a decaying 1 kHz tone on every beat."""
    wave = np.zeros(round(seconds * rate), np.float32)
    time = np.arange(round(0.02 * rate)) / rate
    click = (np.sin(2 * np.pi * 1000 * time) * np.exp(-time / 0.004)).astype(np.float32)
    for beat in np.arange(0.1, seconds - 0.05, 60 / bpm):
        at = round(beat * rate)
        wave[at : at + len(click)] += 0.5 * click[: len(wave) - at]
    return wave[None]


def band(bpm: float, metre: int, seed: int, repeats: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A trio plays eight bars, again and again: the wave, and the seconds of the bar lines.

    Bass and kick on the first beat, chords on the others, a melody in quarters and eighths.
    """
    generator = np.random.default_rng(seed)
    beat, score = 480, Score(480)
    score.tempos.append(Tempo(0, qpm=bpm))
    piano, bass, melody, drums = (Track("", program, is_drum) for program, is_drum in _TRIO)
    for bar in range(8 * repeats):
        root, start = CHORDS[metre][bar % 8], bar * metre * beat
        bass.notes.append(Note(start, metre * beat, 36 + root, 100))
        drums.notes.append(Note(start, 120, 36, 100))
        third = 3 if root in (2, 9) else 4
        for place in range(metre):
            now = start + place * beat
            drums.notes.append(Note(now, 120, 42, 70))
            velocity = 85 if place == 0 else 65
            for step in (0, third, 7):
                piano.notes.append(Note(now, beat, 60 + root + step, velocity))
            for half in range(int(generator.integers(1, 3))):
                pitch = 72 + root + int(generator.choice([0, third, 7, 12]))
                melody.notes.append(Note(now + half * beat // 2, beat // 2, pitch, 80))
    score.tracks.extend([piano, bass, melody, drums])
    wave = synthesise(score, RATE, 1, tail=1.0, peak=0.7)
    return wave, np.arange(8 * repeats) * metre * 60 / bpm


_TRIO = ((0, False), (32, False), (73, False), (0, True))


@cache
def tunes(count: int, book: str = "ryan", metre: str | None = None) -> tuple[Tune, ...]:
    """The first tunes of different families."""
    chosen: dict[str, Tune] = {}
    for tune in load_tunes():
        if tune.book == book and metre in (None, tune.metre) and tune.seconds > 15:
            chosen.setdefault(tune.group, tune)
    return tuple(chosen.values())[:count]


@cache
def played(
    tune_id: str,
    instrument: str = "piano",
    *,
    bpm: float = 120.0,
    channels: int = 1,
    rate: int = RATE,
    seconds: float = 24.0,
    up: int = 0,
) -> np.ndarray:
    """A piece of the demo corpus as it sounds; up: semitones it is transposed."""
    score = crop(set_tempo(tune_score(tune_id), bpm), 0.0, seconds)
    ensemble = (SOLO | FOUR_PART)[instrument]
    wave = synthesise(
        set_programs(transpose(score, up) if up else score, ensemble.programs),
        rate,
        channels,
        tail=1.0,
        peak=0.7,
    )
    wave.setflags(write=False)
    return wave
