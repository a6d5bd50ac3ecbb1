"""What looks like a copy stands beside its source, and is looked for anew when the source changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from disco.apps import evaluate
from disco.apps.row_cache import metric_key
from disco.apps.scores import Found
from disco.audio.clip import Clip
from disco.audio.io import write_clip
from disco.core.record import MANIFEST, Record, write_manifest
from disco.errors import DiscoError
from disco.metrics.training import training_key

RATE = 16000


def melody(seed: int, seconds: float = 8.0) -> Clip:
    """Half-second tones of a random line."""
    steps = torch.randint(0, 12, (round(seconds * 2),), generator=torch.Generator().manual_seed(seed))
    hertz = 440.0 * 2 ** (steps.double() / 12).repeat_interleave(RATE // 2)
    return Clip(0.3 * torch.sin(2 * torch.pi * hertz.cumsum(0) / RATE)[None].float(), RATE)


def cut(clip: Clip, start: float, seconds: float) -> Clip:
    first = round(start * RATE)
    return Clip(clip.wave[:, first : first + round(seconds * RATE)], RATE)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two training pieces and one that is held out."""
    records = []
    for name, split in (("tune-a", "train"), ("tune-b", "train"), ("tune-c", "test")):
        write_clip(tmp_path / "data" / f"{name}.wav", melody(ord(name[-1])))
        records.append(Record(id=name, file_path=f"{name}.wav", duration=8.0, sample_rate=RATE, split=split))
    write_manifest(tmp_path / "data" / MANIFEST, records)
    return tmp_path / "data"


def found_in(composed, folder: Path, data: Path, *words: str) -> Found:
    root = f"metric.memorisation.root={data}"
    easy = ["metric.memorisation.transpose=false", "metric.memorisation.seconds=3.0"]
    cfg = composed("evaluate", "metric=[memorisation]", root, *easy, *words)
    cfg.run_dir = str(folder)
    return evaluate.main(cfg)


def likeness(found: Found) -> float:
    """Of the take that is a copy."""
    (copy,) = (one for one in found.samples if one.name == "copy")
    return copy.values["memorisation/likeness"]


@pytest.mark.slow
def test_a_copy_stands_beside_the_passage_that_it_is_a_copy_of(composed, data: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "made" / "copy.wav", cut(melody(ord("b")), 3.0, 4.0))
    write_clip(tmp_path / "made" / "own.wav", melody(7, 4.0))
    for seed in (11, 12, 13):
        write_clip(tmp_path / "held" / f"{seed}.wav", melody(seed, 4.0))
    words = [f"audio={tmp_path / 'made'}", f"reference={tmp_path / 'held'}", f"cache={tmp_path / 'cache'}"]
    before = found_in(composed, tmp_path / "out", data, *words)
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index("Nearest training passage: copy") < page.index("Nearest training passage: own")
    assert re.search(r"tune-b, from [34]\.\d s on", page)
    assert "Of 3 held-out takes 3 are less like the training data." in page
    assert likeness(before) > 0.95

    write_clip(data / "tune-b.wav", melody(99))  # the manifest stays as it is
    after = found_in(composed, tmp_path / "out", data, *words)
    assert likeness(after) < 0.9, "what it was a copy of is gone"


def test_what_is_kept_of_a_metric_belongs_to_the_bytes_it_studied(data: Path) -> None:
    node = {"root": str(data), "most": 10}
    first = metric_key(node, training=True)
    assert metric_key(node, training=True) == first
    assert metric_key(node, training=False) != first
    write_clip(data / "tune-c.wav", melody(5))  # held out: nobody studies it
    assert metric_key(node, training=True) == first
    write_clip(data / "tune-a.wav", melody(5))
    assert metric_key(node, training=True) != first
    (data / "tune-a.wav").unlink()
    assert metric_key(node, training=True) != first
    with pytest.raises(DiscoError):
        training_key(data.parent, 10)
    assert metric_key({"root": str(data.parent), "most": 10}, training=True)
