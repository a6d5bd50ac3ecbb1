"""Onset F1 hears missing and wrong notes in sound, and knows what the judge itself can reach."""

import math

import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.core.metric import Take
from disco.errors import DiscoError
from disco.metrics.onset_f1 import OnsetF1
from disco.midi.render import render
from disco.midi.score import NoteTable, score_from_notes


def notes(pitches):
    count = len(pitches)
    onset = np.arange(count) * 0.4
    return NoteTable(
        onset=onset,
        offset=onset + 0.35,
        pitch=np.array(pitches, dtype=np.int64),
        velocity=np.full(count, 90),
        program=np.zeros(count, dtype=np.int64),
        is_drum=np.zeros(count, dtype=bool),
    )


def piano(pitches):
    return render(score_from_notes(notes(pitches)), rate=22050)


TUNE = [60, 64, 67, 72, 69, 65]


@pytest.fixture(scope="module")
def original():
    return Take(clip=piano(TUNE), notes=notes(TUNE))


def scores(clip, reference):
    metric = OnsetF1(tolerance=0.05)
    metric.update([Take(clip=clip)], [reference])
    return metric.compute()


def test_the_original_itself_loses_nothing(original):
    found = scores(original.clip, original)
    assert found["ratio"] == 1.0
    assert found["f1"] > 0.7


def test_half_the_tune_transposed_halves_the_score(original):
    found = scores(piano([*TUNE[:3], *(pitch + 6 for pitch in TUNE[3:])]), original)
    assert found["ratio"] == pytest.approx(0.5, abs=0.1)


def test_silence_finds_nothing(original):
    assert scores(Clip(torch.zeros(1, 44100), 22050), original)["f1"] == 0.0


def test_without_the_original_sound_there_is_no_ratio(original):
    found = scores(original.clip, Take(notes=original.notes))
    assert found["f1"] > 0.7
    assert math.isnan(found["ratio"])


def test_a_reference_without_notes_is_refused(original):
    with pytest.raises(DiscoError, match="written notes"):
        scores(original.clip, Take(clip=original.clip))
