"""Metrics of runs: the whole list at once, what an adapter made its base forget, early stopping."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from disco.apps import evaluate, train
from disco.apps.scores import Found, read_found
from disco.callbacks import metrics
from disco.errors import DiscoError
from tests.composing import composed_config
from tests.tiny_runs import TINY_CODEC, TINY_MUSICGEN, TINY_SYMBOLIC

ROOT = Path(__file__).resolve().parents[2]
LIST = "metric=[fad,kl,tempo,key,chords,melody,groove,adherence,efficiency,memorisation]"
FEW = ["metric.fad.min_windows=2", "metric.kl.min_windows=2", "metric.efficiency.repeats=1"]
ASK = ["count=4", "seconds=3", "split=val", "cache=null"]


def found_in(folder: Path, *words: str) -> Found:
    evaluate.main(composed_config("evaluate", [*ASK, *words], folder))
    return read_found(folder)


@pytest.mark.long
def test_the_whole_list_measures_a_language_model(musicgen_run: Path, tmp_path: Path) -> None:
    found = found_in(tmp_path, f"run={musicgen_run}", LIST, *FEW, "partial=true")
    made, real = found.systems["made"], found.systems["real"]
    assert {name.partition("/")[0] for name in real} == {
        "fad", "kl", "tempo", "key", "chords", "melody", "groove", "adherence", "memorisation",
    }  # fmt: skip
    assert made["fad/musicnn"].value > 10 * abs(real["fad/musicnn"].value)
    assert made["kl/bands-64/js"].value > real["kl/bands-64/js"].value == 0.0
    assert made["kl/musicnn-tags/js"].value > real["kl/musicnn-tags/js"].value == 0.0
    assert real["adherence/duration"].value == made["adherence/duration"].value == 1.0
    assert real["chords/majmin"].value > made["chords/majmin"].value, "against the chords of the score"
    assert all(0 < one["memorisation/likeness"].value < 1.0 for one in (made, real))
    cost = json.loads((tmp_path / "efficiency.json").read_text())
    assert 0 < cost["first_second"] < cost["seconds_per_second"] * cost["piece_seconds"] * 1.5
    assert cost["flops_per_second"] > 2 * cost["parameters"]
    assert cost["cache_bytes"] > 0
    assert cost["seconds_per_second cpu float32"] > 0
    assert "seconds_per_second cpu bfloat16" in cost


@pytest.fixture(scope="session")
def adapted(runs: Path, symbolic_run: Path, corner: list[str]) -> Path:
    """An adapter that was trained so fast that it forgets everything."""
    words = [*TINY_SYMBOLIC, *corner, "adapter=lora", "weights=run", f"weights.run={symbolic_run}"]
    fast = ["trainer.max_steps=8", "optim.lr=2.0", "optim/schedule=constant"]
    train.main(composed_config("train", [*words, *fast], runs / "adapted"))
    return runs / "adapted"


@pytest.mark.slow
def test_what_the_base_forgot_is_told_and_fails_the_evaluation(adapted: Path, tmp_path: Path) -> None:
    words = [f"run={adapted}", *ASK, "metric=forgetting", "partial=true", f"hydra.run.dir={tmp_path}"]
    ended = subprocess.run(
        [sys.executable, "scripts/evaluate.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "error: adapting made the base forget: " in ended.stderr
    assert "What was forgotten" in ended.stdout
    found = read_found(tmp_path)
    assert list(found.systems) == ["made", "real", "base"]
    made, base = found.systems["made"], found.systems["base"]
    lost = made["loss"].value / base["loss"].value - 1
    assert lost > 0.1
    assert f"loss {base['loss'].value:.3g} → {made['loss'].value:.3g}" in ended.stderr
    assert made["forgetting/loss"].value == pytest.approx(lost, rel=1e-6)
    transfer = base["loss"].value - made["loss"].value
    assert made["forgetting/backward_transfer"].value == pytest.approx(transfer, rel=1e-6)
    assert {"forgetting/notes/notes_per_second", "forgetting/signal/ok"} & set(made)


@pytest.mark.slow
def test_an_adapter_that_says_nothing_made_nothing_be_forgotten(adapted: Path, tmp_path: Path) -> None:
    words = ["metric=[forgetting]", "metric@metric.forgetting.suite=[signal]", f"run={adapted}:0.0"]
    found = found_in(tmp_path, *words, "metric.forgetting.most=0.001")
    rows = {name: cell for name, cell in found.systems["made"].items() if name.startswith("forgetting/")}
    assert len(rows) > 5
    assert all(cell.value == pytest.approx(0.0, abs=1e-6) for cell in rows.values())


@pytest.mark.slow
def test_only_what_was_adapted_can_have_forgotten(symbolic_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DiscoError, match="no base that could forget"):
        found_in(tmp_path, f"run={symbolic_run}", "metric=[forgetting]")


@pytest.mark.slow
def test_early_stopping_watches_a_distance_of_what_a_language_model_makes(
    codec_run: Path, corner: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "time", SimpleNamespace(monotonic=lambda: 0.0))  # measuring costs nothing
    words = [
        *TINY_MUSICGEN,
        *corner,
        "codec=run",
        f"codec.run={codec_run}",
        "callbacks=[checkpoint,history,metrics,early_stopping]",
        "metric@callbacks.metrics.metrics=[fd_logmel,tempo]",
        "callbacks.metrics.player.seconds=3.0",
        "callbacks.early_stopping.monitor=val/fd_logmel/fd_logmel",
        "callbacks.early_stopping.patience=1",
        "callbacks.early_stopping.min_delta=1e9",
        "trainer.max_steps=20",
        "trainer.val_check_interval=2",
    ]
    train.main(composed_config("train", words, tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    values = [line["val/fd_logmel/fd_logmel"] for line in lines if "val/fd_logmel/fd_logmel" in line]
    assert len(values) >= 2
    assert all(value > 0 for value in values)
    assert max(line["step"] for line in lines) == 4, "no round is better by so much than the first"


@pytest.mark.long
def test_a_distance_falls_while_a_codec_learns(
    corner: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "time", SimpleNamespace(monotonic=lambda: 0.0))  # every round is measured
    words = [
        *TINY_CODEC,
        *corner,
        "callbacks=[checkpoint,history,metrics]",
        "metric@callbacks.metrics.metrics=[fd_logmel]",
        "callbacks.metrics.player.seconds=2.0",
        "trainer.max_steps=80",
        "trainer.val_check_interval=20",
    ]
    train.main(composed_config("train", words, tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    values = [line["val/fd_logmel/fd_logmel"] for line in lines if "val/fd_logmel/fd_logmel" in line]
    assert len(values) == 4
    assert values[-1] < 0.7 * values[0]
