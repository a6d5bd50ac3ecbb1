"""A rendering sounds the notes of its score: right pitch, right time, no clipping, every time the same."""

import logging

import numpy as np
import pytest
import torch
from symusic import Note, Track

from disco.corpus.tunes import load_tunes, tune_score
from disco.errors import DiscoError
from disco.midi.compare import onset_agreement
from disco.midi.render import render
from disco.midi.score import NoteTable, Score, note_table
from disco.midi.transcribe import transcribe
from disco.midi.transform import crop, set_programs, set_tempo, transpose


def _chorale(seconds: float = 12.0) -> Score:
    tune = next(tune for tune in load_tunes() if tune.id == "bach-bwv66.6")
    return crop(set_tempo(tune_score(tune.id), 100.0), 0.0, seconds)


def _note(pitch: int, start: int = 0, program: int = 0) -> Score:
    score = Score(480)
    track = Track("", program, False)
    track.notes.append(Note(start, 480, pitch, 100))
    score.tracks.append(track)
    return score


@pytest.mark.parametrize("program", [0, 40, 71])
def test_transcribed_onsets_of_a_rendered_chorale_match_its_notes(program: int) -> None:
    score = set_programs(_chorale(), [program])
    heard = transcribe(render(score))
    assert onset_agreement(note_table(score), heard).f1 >= 0.75
    assert onset_agreement(note_table(transpose(score, 1)), heard).f1 <= 0.1


def test_a_transposed_rendering_is_not_taken_for_the_score() -> None:
    score = _chorale()
    assert onset_agreement(note_table(score), transcribe(render(transpose(score, 1)))).f1 <= 0.1


@pytest.mark.parametrize("pitch", [57, 69, 81])
def test_a_note_sounds_at_its_frequency(pitch: int) -> None:
    clip = render(_note(pitch, program=71), rate=16000)
    wave = clip.wave[0, 1600:8000].numpy()
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 2**18))
    low = int(200 * 2**18 / 16000)
    fundamental = (low + spectrum[low : low * 6].argmax()) * 16000 / 2**18
    assert 12 * np.log2(fundamental / (440 * 2 ** ((pitch - 69) / 12))) == pytest.approx(0, abs=0.2)


def test_score_time_is_clip_time() -> None:
    clip = render(_note(69, start=960), rate=32000, tail=0.5)
    loud = (clip.wave[0].abs() > 0.05).nonzero()
    assert loud[0].item() / 32000 == pytest.approx(1.0, abs=0.02)
    assert clip.seconds == pytest.approx(2.0, abs=0.01)


def test_rendering_twice_gives_the_same_samples() -> None:
    score = crop(_chorale(), 0.0, 3.0)
    assert torch.equal(render(score).wave, render(score).wave)


def test_even_a_thick_loud_score_does_not_clip() -> None:
    score = Score(480)
    for _ in range(16):
        track = Track("", 19, False)
        for pitch in (36, 48, 60):
            track.notes.append(Note(0, 960, pitch, 127))
        score.tracks.append(track)
    clip = render(score, channels=2)
    assert clip.wave.abs().max() == pytest.approx(0.7, abs=1e-4)
    flat_top = (clip.wave.abs() > 0.699).sum() / clip.wave.numel()
    assert flat_top < 1e-3


def test_a_score_without_notes_is_refused() -> None:
    with pytest.raises(DiscoError, match="without notes"):
        render(Score(480))


def test_transcribing_leaves_the_log_alone_and_hears_nothing_in_silence() -> None:
    from disco.audio.clip import Clip

    handlers = list(logging.getLogger().handlers)
    assert len(transcribe(Clip(torch.zeros(2, 44100), 44100))) == 0
    assert len(transcribe(Clip(torch.zeros(1, 10), 44100))) == 0
    assert logging.getLogger().handlers == handlers


def test_agreement_is_one_for_equal_notes_and_zero_for_none() -> None:
    table = note_table(_chorale())
    nothing = table.where(np.zeros(len(table), dtype=bool))
    assert onset_agreement(table, table).f1 == 1
    assert onset_agreement(table, nothing).f1 == 0
    assert onset_agreement(nothing, nothing).f1 == 1
    late = NoteTable(
        table.onset + 0.2, table.offset + 0.2, table.pitch, table.velocity, table.program, table.is_drum
    )
    assert onset_agreement(table, late).f1 < 0.2
