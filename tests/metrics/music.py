"""Music whose answer is known: clicks, chords, tunes of the demo corpus."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from disco.audio.clip import Clip
from disco.core.metric import Asked, Take
from disco.corpus.tunes import load_tunes, tune_score
from disco.midi.render import render
from disco.midi.score import NoteTable, note_table, score_from_notes
from disco.midi.transform import crop, set_programs, set_tempo, transpose

RATE = 22050


def table(onset, pitch, *, length=0.1, velocity=90):
    """Notes from onsets in seconds and pitches."""
    onset = np.asarray(onset, dtype=np.float64)
    count = len(onset)
    return NoteTable(
        onset=onset,
        offset=onset + np.broadcast_to(length, count),
        pitch=np.broadcast_to(np.asarray(pitch, dtype=np.int64), count).copy(),
        velocity=np.full(count, velocity, dtype=np.int64),
        program=np.zeros(count, dtype=np.int64),
        is_drum=np.zeros(count, dtype=bool),
    )


def clicks(times, seconds, *, rate=RATE, gain=0.6):
    """A short tone at each time."""
    burst = np.arange(int(0.04 * rate)) / rate
    burst = gain * np.sin(2 * np.pi * 1500 * burst) * np.exp(-burst / 0.008)
    wave = np.zeros(int(seconds * rate) + len(burst), np.float32)
    for time in times:
        first = int(time * rate)
        if first < int(seconds * rate):
            wave[first : first + len(burst)] += burst.astype(np.float32)
    return Clip(torch.from_numpy(wave[None, : int(seconds * rate)]), rate)


def pulse(bpm, seconds=20.0):
    return np.arange(0.0, seconds - 0.05, 60.0 / bpm)


@cache
def chorales(count=12, keys=("maj", "min")):
    """Bach chorales with a major or minor key."""
    found = [tune for tune in load_tunes() if tune.book == "bach" and tune.key and tune.key[-3:] in keys]
    return tuple(found[:: max(1, len(found) // count)][:count])


@cache
def played(tune_id, *, program=0, shift=0, tempo_bpm=120.0, start=0.0, end=None, sound=True):
    """A take of a corpus piece: its notes, and its sound on one instrument."""
    score = set_tempo(set_programs(tune_score(tune_id), [program]), tempo_bpm)
    score = transpose(score, shift) if shift else score
    score = crop(score, start, end) if end is not None else score
    clip = render(score, rate=RATE, tail=0.5) if sound else None
    return Take(name=tune_id, clip=clip, notes=note_table(score), tempo_bpm=tempo_bpm)


def sung(notes, **more):
    """A take of a note table with its sound."""
    return Take(clip=render(score_from_notes(notes), rate=RATE, tail=0.3), notes=notes, **more)


def heard_only(take, **asked):
    """The same sound without its notes, as a judge gets generated audio."""
    return Take(
        name=take.name, clip=take.clip, seconds=take.length, tempo_bpm=take.tempo_bpm, asked=Asked(**asked)
    )
