"""What the data gives beyond words: of the crop's own seconds, and the same again for the same key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from disco.audio.io import write_clip
from disco.core.record import Record, write_manifest
from disco.core.views import AudioView, CodeView
from disco.data.given import STYLE_RATE, Giver
from disco.errors import DiscoError
from disco.midi.form import sections_of
from disco.midi.score import score_from_notes, write_score
from disco.midi.top_line import top_line
from tests.conditioners.given import notes, tone
from tests.data.folder import RATE, LevelCodec, serving

WANTS = ("chords", "image", "melody", "midi", "sections", "style")
A, C = 440.0, 523.25


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Sixteen seconds: A for eight, C for eight, and their score; and a piece with nothing but sound."""
    from PIL import Image

    wave = torch.cat([tone(A, 8.0, RATE).wave, tone(C, 8.0, RATE).wave], 1)
    write_clip(tmp_path / "audio/one.wav", type(tone(A))(wave, RATE))
    write_clip(tmp_path / "audio/other.wav", tone(A, 16.0, RATE))
    score = [(start, start + 1.0, 69 if start < 8 else 72) for start in map(float, range(16))]
    triads = [(start, end, pitch + step) for start, end, pitch in score for step in (-8, -5)]
    write_score(tmp_path / "midi/one.mid", score_from_notes(notes(*score, *triads)))
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    common = {"duration": 16.0, "sample_rate": RATE, "split": "train"}
    one = Record(
        id="one",
        file_path="audio/one.wav",
        midi_path="midi/one.mid",
        tempo=120.0,
        metre="2/4",
        extra={"image": "red.png"},
        **common,
    )
    write_manifest(
        tmp_path / "metadata/manifest.jsonl", [one, Record(id="other", file_path="audio/other.wav", **common)]
    )
    return tmp_path


def batches(root: Path, view):
    data = serving(root, view).dataset("train")
    return data, [data[0, index] for index in range(len(data))]


def test_a_crop_is_given_what_holds_in_its_own_seconds(root: Path) -> None:
    data, items = batches(root, AudioView(rate=RATE, channels=1, seconds=2.0, wants=WANTS))
    for crop, _ in items:
        inside = np.array([0.5, 1.5])
        second = crop.start + inside
        if crop.record.id == "other":
            assert crop.given["melody"].at(inside)[0] == 9
            assert [crop.given[name] for name in ("chords", "image", "midi", "sections")] == [None] * 4
            continue
        assert crop.given["melody"].at(inside).tolist() == np.where(second < 8, 9, 0).tolist()
        top = top_line(crop.given["midi"].table, inside + 0.01)
        assert top.tolist() == np.where(second + 0.01 < 8, 69, 72).tolist()
        chord = crop.given["chords"].at(1.0)
        assert chord == ("A:maj" if crop.start + 1.0 < 8 else "C:maj") or abs(crop.start - 7) < 0.5
        assert crop.given["image"].pixels[:, 0, 0].tolist() == [1.0, 0.0, 0.0]
    conditions = data.collate(items).conditions
    assert set(conditions.given) == set(WANTS)
    assert len(conditions.given["midi"]) == len(items)


def test_excerpts_are_of_the_same_piece_and_drawn_anew_each_epoch(root: Path) -> None:
    data, _ = batches(root, CodeView(LevelCodec(), 2.0, ("style",)))
    first, again, later = (data[epoch, 0][0].given["style"].clip.wave for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, later)
    assert first.shape[1] == 3 * STYLE_RATE


def test_nothing_is_looked_for_that_nobody_wants(root: Path) -> None:
    data, items = batches(root, CodeView(LevelCodec(), 2.0))
    assert data.collate(items).conditions.given == {}
    with pytest.raises(DiscoError, match="wants 'smell'"):
        Giver(root, ("smell",), seed=0)


def test_annotations_go_before_what_is_found_and_are_refused_where_they_cannot_be(root: Path) -> None:
    from disco.data.crops import Crop

    said = {"sections": [[0.0, "verse"], [8.0, "chorus"]]}
    record = Record(id="x", file_path="audio/one.wav", duration=16.0, sample_rate=RATE, extra=said)
    crop = Giver(root, ("sections",), seed=0).give(Crop(record, 6.0, 4.0), (0, 0))
    assert [crop.given["sections"].at(second) for second in (1.0, 3.0)] == ["verse", "chorus"]
    record.extra["sections"] = [[8.0, "chorus"], [0.0, "verse"]]
    with pytest.raises(DiscoError, match="sections cannot be read"):
        Giver(root, ("sections",), seed=0).give(Crop(record, 6.0, 4.0), (0, 0))


def test_sections_that_come_again_have_the_same_letter() -> None:
    tune = [(start + 0.5 * step, 0.0, 60 + step) for start in (0.0, 4.0) for step in range(8)]
    other = [(8.0 + 0.5 * step, 0.0, 72 - 2 * step) for step in range(8)]
    back = [(12.0 + 0.5 * step, 0.0, 60 + step) for step in range(7)]  # all but its last note
    assert sections_of(notes(*tune, *other, *back), [0.0, 4.0, 8.0, 12.0, 16.0]) == ["A", "A", "B", "A"]
