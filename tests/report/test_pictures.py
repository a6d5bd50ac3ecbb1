"""Pictures show what is there: a tone at its frequency, a note at its time and pitch."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from disco.audio.clip import Clip
from disco.midi.score import NoteTable
from disco.report.pictures import FRAME, piano_roll_picture, spectrogram_picture, webp


def tone(hz, *, rate=16000, seconds=2.0, gain=0.5):
    return Clip(gain * torch.sin(2 * math.pi * hz * torch.arange(int(rate * seconds)) / rate)[None], rate)


def plot(picture):
    """Cut the plot out of its frame, as brightness."""
    height, width, _ = picture.shape
    top, bottom = (
        round(height * (1 - FRAME.bottom - FRAME.height)) + 3,
        round(height * (1 - FRAME.bottom)) - 3,
    )
    left, right = round(width * FRAME.left) + 3, round(width * (FRAME.left + FRAME.width)) - 3
    return picture[top:bottom, left:right].astype(np.float64).sum(axis=2)


def place(hz, top_hz):
    """Where a frequency lies on a mel axis from 40 Hz, as a share from the bottom (Slaney's mel scale)."""

    def mel(f):
        return f / (200 / 3) if f < 1000 else 15 + 27 * math.log(f / 1000) / math.log(6.4)

    return (mel(hz) - mel(40)) / (mel(top_hz) - mel(40))


@pytest.mark.parametrize("hz", [440.0, 3000.0])
def test_a_tone_shines_at_its_frequency(hz):
    rows = plot(spectrogram_picture(tone(hz))).mean(axis=1)
    found = 1 - rows.argmax() / len(rows)
    assert found == pytest.approx(place(hz, 8000), abs=0.015)


def test_pictures_with_one_top_show_a_tone_at_one_height_whatever_the_rate():
    low, high = (
        plot(spectrogram_picture(tone(1000.0, rate=rate), top_hz=16000.0)) for rate in (16000, 32000)
    )
    assert abs(int(low.mean(axis=1).argmax()) - int(high.mean(axis=1).argmax())) <= 2


def test_a_shorter_clip_leaves_the_rest_of_the_time_axis_dark():
    columns = plot(spectrogram_picture(tone(1000.0, seconds=1.0), seconds=4.0)).max(axis=0)
    quarter = len(columns) // 4
    assert columns[: quarter - 5].min() > 2 * columns[quarter + 5 :].max()


def test_silence_is_dark_and_level_does_not_matter():
    silent = plot(spectrogram_picture(Clip(torch.zeros(1, 16000), 16000)))
    assert silent.max() < 20
    loud, soft = (spectrogram_picture(tone(500.0, gain=gain)).astype(int) for gain in (0.5, 0.05))
    assert abs(loud - soft).max() < 12


@pytest.mark.parametrize("samples", [1, 100, 16001])
def test_the_shortest_clips_can_be_drawn(samples):
    assert spectrogram_picture(Clip(torch.rand(2, samples), 16000)).std() > 0


def notes(*rows):
    onset = np.array([row[0] for row in rows], dtype=np.float64)
    return NoteTable(
        onset=onset,
        offset=onset + 0.5,
        pitch=np.array([row[1] for row in rows], dtype=np.int64),
        velocity=np.full(len(rows), 127),
        program=np.array([row[2] for row in rows], dtype=np.int64),
        is_drum=np.zeros(len(rows), dtype=bool),
    )


def test_notes_stand_at_their_time_and_higher_ones_higher():
    picture = plot(piano_roll_picture(notes((0.0, 60, 0), (3.0, 72, 0)), seconds=4.0))
    bars = picture > 300
    columns = np.flatnonzero(bars.any(axis=0)) / bars.shape[1]
    assert ((columns < 0.14) | ((columns > 0.74) & (columns < 0.89))).all()
    first, second = (
        np.flatnonzero(bars[:, half].any(axis=1)).mean() for half in (slice(0, 200), slice(400, None))
    )
    assert second < first  # rows count from the top


def test_each_program_has_its_colour_and_no_notes_make_an_empty_roll():
    one, two = (
        piano_roll_picture(notes((0.0, 60, 0), (1.0, 60, program)), seconds=2.0) for program in (0, 40)
    )
    assert not np.array_equal(one, two)
    empty = piano_roll_picture(notes(), seconds=2.0)
    assert (plot(empty) > 300).sum() == 0


def test_webp_keeps_size_and_colours():
    picture = spectrogram_picture(tone(800.0))
    back = np.array(Image.open(io.BytesIO(webp(picture))).convert("RGB"))
    assert back.shape == picture.shape
    assert abs(back.astype(float) - picture).mean() < 5
