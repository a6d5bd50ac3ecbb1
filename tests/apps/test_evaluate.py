"""`scripts/evaluate.py` measures runs and folders beside the real thing, floors and counting."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from disco.apps import evaluate
from disco.apps.takes import read_takes, write_takes
from disco.audio.clip import Clip
from disco.errors import DiscoError

ASK = ["count=2", "seconds=3", "split=val", "metric=[signal]"]
LOSSES = ("loss", "loss_shuffled", "loss_captions", "loss_unigram", "loss_ngram")


def scores(composed, folder: Path, *words: str) -> evaluate.Scores:
    cfg = composed("evaluate", *ASK, *words)
    cfg.run_dir = str(folder)
    found = evaluate.main(cfg)
    assert json.loads((folder / "scores.json").read_text()) == found
    return found


@pytest.mark.slow
def test_a_score_model_stands_beside_counting_and_the_real_thing(
    composed, symbolic_run: Path, tmp_path: Path
) -> None:
    found = scores(composed, tmp_path, f"run={symbolic_run}", "metric=[notes]")
    assert {"made", "real"} <= set(found)
    assert all(0 < found["made"][name] < 10 for name in LOSSES)
    assert found["made"]["loss_ngram"] < found["made"]["loss_unigram"]
    assert set(found["real"]) <= set(found["made"])
    made, real = (read_takes(tmp_path / name) for name in ("made", "real"))
    assert len(made) == len(real) > 0
    assert all(take.notes is not None for take in made)


@pytest.mark.slow
def test_an_audio_model_stands_between_its_floors_and_the_real_thing(
    composed, musicgen_run: Path, tmp_path: Path
) -> None:
    found = scores(composed, tmp_path, f"run={musicgen_run}", "floors=true")
    assert set(found) == {"made", "real", "decoded", "shuffled", "random"}
    assert all(math.isfinite(found["made"][name]) for name in (*LOSSES, "loss_prior"))
    sounds = {name: read_takes(tmp_path / name) for name in found}
    lengths = [take.sound.seconds for takes in sounds.values() for take in takes]
    assert lengths == pytest.approx([3.0] * len(lengths), abs=0.04)
    real, decoded, shuffled = (sounds[name][0].sound for name in ("real", "decoded", "shuffled"))
    assert not torch.equal(decoded.wave, shuffled.wave)
    assert real.rate == 16000


@pytest.mark.slow
def test_a_codec_is_asked_to_give_back_what_it_hears(composed, codec_run: Path, tmp_path: Path) -> None:
    found = scores(composed, tmp_path, f"run={codec_run}", "metric=[signal,fd_logmel]")
    assert found["real"]["fd_logmel/fd_logmel"] == pytest.approx(0.0, abs=1e-3)
    assert found["made"]["fd_logmel/fd_logmel"] > found["real"]["fd_logmel/fd_logmel"]
    assert "loss" not in found["made"]


@pytest.mark.slow
def test_a_loss_on_what_was_trained_on_is_refused(composed, symbolic_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match=r"split=train: .*held-out"):
        scores(composed, tmp_path, f"run={symbolic_run}", "split=train")


def tone(level: float) -> Clip:
    return Clip(level * torch.sin(torch.arange(32000) * 2 * torch.pi * 440 / 16000)[None], 16000)


def test_anybodys_audio_is_judged(composed, tmp_path: Path) -> None:
    write_takes(tmp_path / "theirs", [tone(0.5), tone(0.0)], name="x", captions=[None] * 2, tempos=[None] * 2)
    found = scores(composed, tmp_path / "out", f"audio={tmp_path / 'theirs'}")
    assert found["made"]["signal/silent"] == 0.5


def test_what_overshoots_full_scale_is_written_and_counted(composed, tmp_path: Path) -> None:
    (record,) = write_takes(tmp_path / "loud", [tone(2.0)], name="x", captions=[None], tempos=[None])
    assert record.features["clipped"] == pytest.approx(2 / 3, abs=0.01), "a sine of 2 is beyond 1 so often"
    found = scores(composed, tmp_path / "out", f"audio={tmp_path / 'loud'}")
    assert found["made"]["signal/clipped"] == pytest.approx(2 / 3, abs=0.01)
    assert found["made"]["signal/ok"] == 0.0


def test_comparing_without_a_reference_and_asking_for_nothing_are_refused(composed, tmp_path: Path) -> None:
    write_takes(tmp_path / "theirs", [tone(0.5)], name="x", captions=[None], tempos=[None])
    with pytest.raises(DiscoError, match="fd_logmel compares with a reference"):
        scores(composed, tmp_path / "out", f"audio={tmp_path / 'theirs'}", "metric=[fd_logmel]")
    with pytest.raises(DiscoError, match="a run or a folder of audio"):
        scores(composed, tmp_path / "out")
    with pytest.raises(DiscoError, match="holds no audio"):
        scores(composed, tmp_path / "out", f"audio={tmp_path / 'out'}")
