"""The plan: exact sizes without weights, memory foretold, refusals in one line, and no trace of dry steps."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from safetensors.torch import load_file

from disco.apps import plan, train
from disco.apps.dry import SMALL, Step, measure, peak_at
from disco.apps.parts import build_adapter, build_data, build_module
from disco.apps.runs import Run
from disco.errors import DiscoError
from disco.report.history import read_lines
from tests.composing import composed_config
from tests.tiny_runs import TINY_CODEC, TINY_SYMBOLIC


def built(cfg: DictConfig):
    module = build_module(cfg, training=True)
    build_adapter(cfg).attach(module)
    return module, build_data(cfg).serve(module.view), partial(train.dry_trainer, cfg, module)


def test_a_level_that_grows_with_the_batch_is_found_beside_one_that_does_not() -> None:
    small = Step(held=100, passing=[50, -50, 10, 20, -30], seconds=0)
    larger = Step(held=100, passing=[50, -50, 15, 30, -45], seconds=0)
    assert peak_at(SMALL[0], small, larger) == 150
    assert peak_at(4, small, larger) == 100 + 60
    assert peak_at(10, small, larger) == 100 + 150


@pytest.mark.parametrize("words", [TINY_SYMBOLIC, TINY_CODEC], ids=["symbolic", "codec"])
def test_sizes_without_weights_are_those_with_them(words: list[str], composed) -> None:
    cfg = composed("train", *words)
    foreseen = plan.foresee(cfg)
    module = build_module(cfg, training=True)
    assert foreseen == plan.sizes_of(cfg, module)
    assert foreseen is not None
    assert foreseen.total == sum(p.numel() for p in module.parameters())
    assert foreseen.state == pytest.approx(2 * foreseen.gradients, rel=0.01), "Adam keeps two numbers each"


def test_what_cannot_fit_is_refused_before_it_is_built(composed, monkeypatch) -> None:
    with pytest.raises(DiscoError, match=r"alone need 1\d\d GB, and .* are free; lower model.width"):
        plan.foresee(composed("train", "model=symbolic", "scale=xl"))
    tiny = composed("train", *TINY_SYMBOLIC)
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda path: type("", (), {"free": 1000}))
    with pytest.raises(DiscoError, match=r"checkpoints on the disk of .* need .* 1\.0 kB are free"):
        plan.foresee(tiny)


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(DiscoError, match=r"plan=all: .*choose from auto, brief, only, off"):
        plan.check_word("all")


def test_averages_and_checkpoints_are_counted(composed) -> None:
    one = plan.foresee(composed("train", *TINY_SYMBOLIC, "callbacks=[checkpoint]"))
    two = plan.foresee(composed("train", *TINY_SYMBOLIC, "callbacks=[checkpoint,ema]"))
    assert one is not None
    assert two is not None
    assert two.least - one.least == two.averages > 0.9 * one.weights
    assert two.saved > one.saved > 2 * (one.weights + one.state)


@pytest.mark.slow
def test_dry_steps_leave_weights_and_chance_as_they_were(composed, corner: list[str]) -> None:
    module, data, make = built(composed("train", *TINY_SYMBOLIC, *corner, "model.dropout=0.1"))
    before = {n: v.clone() for n, v in [*module.named_parameters(), *module.named_buffers()]}
    torch.manual_seed(3)
    chance = torch.get_rng_state()
    step = measure(module, data, make, batch_size=2, timed=False)
    timed = measure(module, data, make, batch_size=2, timed=True)
    assert timed.seconds > 0
    assert step.peak > step.held > 0
    assert torch.equal(torch.get_rng_state(), chance)
    assert all(torch.equal(v, before[n]) for n, v in [*module.named_parameters(), *module.named_buffers()])
    assert all(p.grad is None for p in module.parameters())
    assert (module.fresh, module.skipped, data.batch_size) == (True, 0, 4)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [5, 12])
@pytest.mark.parametrize("words", [TINY_SYMBOLIC, TINY_CODEC], ids=["symbolic", "codec"])
def test_the_foretold_peak_is_within_15_per_cent(
    words: list[str], batch_size: int, composed, corner: list[str]
) -> None:
    module, data, make = built(composed("train", *words, *corner))
    small, larger, real = (
        measure(module, data, make, batch_size=size, timed=False) for size in (*SMALL, batch_size)
    )
    assert peak_at(batch_size, small, larger) == pytest.approx(real.peak, rel=0.15)
    assert real.peak > 1.3 * small.peak, "it did grow"


@pytest.mark.slow
def test_planning_alone_prints_the_plan_and_writes_nothing(composed, corner: list[str], capfd) -> None:
    cfg = composed("train", *TINY_SYMBOLIC, *corner, "plan=only", "trainer.max_steps=50")
    assert train.main(cfg) is None
    said, noise = capfd.readouterr()
    for word in ("parameters", "memory", "time", "disk"):
        assert word in said
    assert not noise
    assert not (plan.Path(cfg.run_dir)).exists()


@pytest.mark.parametrize(
    ("words", "begun", "measured"),
    [
        ([], False, True),
        (["trainer.max_steps=299"], False, False),
        (["trainer.max_steps=75", "trainer.accumulate_grad_batches=4"], False, True),
        ([], True, False),
        (["plan=brief"], False, False),
        (["trainer=ddp_cpu", "trainer.devices=2"], False, False),
        (["trainer=fsdp_cpu", "trainer.devices=1"], False, False),
    ],
)
def test_a_new_run_in_one_process_of_at_least_300_batches_measures(
    words: list[str], begun: bool, measured: bool, composed
) -> None:
    cfg = composed("train", *TINY_SYMBOLIC, "trainer.max_steps=300", *words)
    assert plan.pays(cfg, cfg.trainer.devices, begun=begun) == measured


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [[*TINY_SYMBOLIC, "model.dropout=0.1"], TINY_CODEC], ids=["symbolic", "codec"]
)
def test_a_run_that_measures_its_plan_ends_in_the_bits_of_one_that_does_not(
    words: list[str], corner: list[str], tmp_path: Path, monkeypatch, capfd
) -> None:
    """The codec draws its codebooks anew from what it remembers of the steps before."""
    monkeypatch.setattr(plan, "WORTH", 1)
    five = ["trainer.max_steps=5", "trainer.val_check_interval=2", "callbacks=[history]"]
    ends = []
    for word in ("off", "auto"):
        more = [*five, "callbacks.history.every_steps=1", f"plan={word}"]
        loss = train.main(composed_config("train", [*words, *corner, *more], tmp_path / word))
        (losses,) = read_lines(tmp_path / word / "history.jsonl", ["train/loss"])
        ends.append(
            (loss, losses.values, torch.get_rng_state().tolist(), load_file(Run(tmp_path / word).weights))
        )
    noise = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("plan: ")]
    assert not noise
    *plain, tensors = ends[0]
    *same, measured = ends[1]
    assert same == plain
    assert measured.keys() == tensors.keys()
    assert all(torch.equal(measured[name], tensors[name]) for name in tensors)


@pytest.mark.slow
def test_a_batch_that_memory_cannot_hold_is_refused_with_one_that_it_can(
    composed, corner: list[str], monkeypatch
) -> None:
    cfg = composed("train", *TINY_SYMBOLIC, *corner, "data.batch_size=512")
    sizes = plan.foresee(cfg)
    assert sizes is not None
    monkeypatch.setattr(plan, "free_memory", lambda cfg: 50_000_000)
    module, data, make = built(cfg)
    with pytest.raises(DiscoError, match=r"data.batch_size=512 needs .*; take data.batch_size=\d\d? and"):
        plan.measure_plan(cfg, sizes, module, data, lambda *asked: make(*asked))
