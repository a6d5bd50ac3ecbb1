"""Pitch classes of tones whose pitch is known."""

import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.callbacks.chroma import NAMES, chroma, chroma_picture


def tone(hz, rate=24000, seconds=1.0):
    return torch.sin(2 * torch.pi * hz * torch.arange(int(seconds * rate)) / rate)[None]


@pytest.mark.parametrize(("hz", "name"), [(261.63, "C"), (440.0, "A"), (880.0, "A"), (369.99, "F♯")])
def test_a_tone_lights_its_pitch_class_whatever_the_octave(hz, name):
    assert NAMES[int(chroma(Clip(tone(hz), 24000)).mean(1).argmax())] == name


def test_both_channels_count_even_in_opposite_phase():
    found = chroma(Clip(torch.cat([tone(440.0), -tone(440.0)]), 24000))
    assert NAMES[int(found.mean(1).argmax())] == "A"
    two = chroma(Clip(torch.cat([tone(440.0), tone(261.63)]), 24000)).mean(1)
    assert {NAMES[k] for k in np.argsort(two)[-2:]} == {"A", "C"}


def test_silence_stays_dark_and_a_short_clip_is_drawn():
    assert chroma(Clip(torch.zeros(1, 24000), 24000)).max() == 0
    picture = chroma_picture(Clip(tone(440.0, seconds=0.01), 24000))
    assert picture.dtype == np.uint8
    assert picture.std() > 0
