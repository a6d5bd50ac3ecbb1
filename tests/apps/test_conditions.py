"""`scripts/conditions.py` trains a model per condition, measures each once, and shows a table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from disco.apps.conditions_corpus import build_corpus, paint
from disco.apps.conditions_judges import (
    InstrumentEar,
    heard_tempos,
    melody_likeness,
    onset_f1,
    own_against_others,
)
from disco.audio.clip import Clip
from disco.core.record import read_manifest
from disco.midi.render import render
from disco.midi.score import score_from_notes
from tests.conditioners.given import notes, tone

ROOT = Path(__file__).resolve().parents[2]


def clicks(bpm: float, seconds: float = 6.0, rate: int = 16000) -> Clip:
    """A short tone on every beat."""
    wave = torch.zeros(1, round(seconds * rate))
    for beat in np.arange(0.0, seconds - 0.1, 60.0 / bpm):
        wave[0, round(beat * rate) :][:1600] += tone(880.0, 0.1).wave[0]
    return Clip(wave, rate)


def test_tempos_are_folded_into_one_octave_whatever_was_asked() -> None:
    asked = [90.0, 120.0, 145.0, 180.0]
    heard = heard_tempos([clicks(bpm) for bpm in asked], slowest=81.0)
    assert heard == pytest.approx([90.0, 120.0, 145.0, 90.0], rel=0.03)


def test_a_melody_is_most_like_itself() -> None:
    tunes = [(440.0, 523.25), (587.33, 659.26), (493.88, 440.0), (349.23, 698.46), (622.25, 415.3)] * 2
    clips = [
        Clip(torch.cat([tone(hz, 0.5 + 0.05 * place).wave for hz in pair], 1), 16000)
        for place, pair in enumerate(tunes)
    ]
    own, others, p = own_against_others(melody_likeness(clips, clips))
    assert own == pytest.approx(1.0, abs=1e-6)
    assert others < 0.6
    assert p < 0.01
    assert own_against_others(np.random.default_rng(0).uniform(size=(20, 20)))[2] > 0.05


@pytest.mark.slow
def test_instruments_and_notes_are_heard() -> None:
    table = notes(*((0.5 * step, 0.5 * step + 0.4, 62 + 2 * step) for step in range(6)))
    score = score_from_notes(table)
    clips = [render(played, 16000) for played in _on(score, (0, 40, 73))]
    names = ["piano", "violin", "flute"]
    assert InstrumentEar(clips, names).hear(clips) == names
    assert onset_f1([clips[0]], [table])[0] > 0.8
    assert onset_f1([tone(440.0, 3.0)], [table])[0] < 0.3


def _on(score, programs):
    from disco.midi.transform import set_programs

    return [set_programs(score, [program]) for program in programs]


def test_pictures_of_one_instrument_are_of_one_hue_and_none_is_like_another() -> None:
    names = ["piano", "violin", "flute"]
    means = {(n, s): paint(n, names, s).reshape(-1, 3).mean(0) for n in names for s in range(20)}

    def hue(colour: np.ndarray) -> float:
        import colorsys

        return colorsys.rgb_to_hsv(*(colour / 255.0))[0]

    for place, name in enumerate(sorted(names)):
        apart = [(hue(means[name, s]) - place / 3 + 0.5) % 1.0 - 0.5 for s in range(20)]
        assert max(map(abs, apart)) < 1 / 6
    assert len({tuple(mean) for mean in means.values()}) == 60


@pytest.mark.long
def test_a_part_is_trained_and_measured_once(tmp_path: Path) -> None:
    codec, corpus = tmp_path / "codec", tmp_path / "corpus"
    small = "scale.width=32 scale.depth=2 scale.heads=2 data.batch_size=4 trainer.max_steps=2"
    words = [
        "scripts/conditions.py",
        "parts=[words,key,melody,midi,style,image]",
        f"codec_run={codec}",
        f"corpus={corpus}",
        "hours=0.25",
        "count=4",
        f"more={json.dumps(small)}",
        f"hydra.run.dir={tmp_path / 'study'}",
    ]
    first, second = (
        subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        for _ in range(2)
    )
    assert first.returncode == 0, first.stdout + first.stderr
    assert second.stdout.count("trained before") == 7, "six parts and their codec"
    rows = json.loads((tmp_path / "study" / "midi" / "conditions.json").read_text())
    assert [row["condition"] for row in rows] == ["MIDI"]
    assert all(0 <= row[name] <= 1 for row in rows for name in ("value", "floor", "ceiling"))
    assert "tempo" in (tmp_path / "study" / "report.html").read_text()


@pytest.mark.slow
def test_the_corpus_has_a_picture_for_each_piece_and_tunes_on_one_side(tmp_path: Path) -> None:
    settings = {"tempos_bpm": [90.0, 120.0], "instruments": ["piano", "violin"], "hours": 0.02}
    build_corpus(tmp_path, **settings)
    records = read_manifest(tmp_path / "metadata" / "manifest.jsonl")
    assert {record.tempo for record in records} == {90.0, 120.0}
    for record in records:
        assert (tmp_path / record.file_path).is_file()
        assert (tmp_path / str(record.midi_path)).is_file()
        assert (tmp_path / record.extra["image"]).is_file()
        assert record.metre in ("2/4", "4/4", "2/2")
    before = (tmp_path / "metadata" / "manifest.jsonl").stat().st_mtime_ns
    build_corpus(tmp_path, **settings)
    assert (tmp_path / "metadata" / "manifest.jsonl").stat().st_mtime_ns == before
