"""The plan: exact sizes without weights, memory foretold, refusals in one line, and no trace of dry steps."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from omegaconf import DictConfig

from disco.apps import plan, train
from disco.apps.dry import SMALL, Step, measure, peak_at
from disco.apps.parts import build_adapter, build_data, build_module
from disco.errors import DiscoError
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
    with pytest.raises(DiscoError, match=r"plan=all: .*choose from brief, only, off"):
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
def test_planning_alone_prints_the_plan_and_writes_nothing(composed, corner: list[str], capsys) -> None:
    cfg = composed("train", *TINY_SYMBOLIC, *corner, "plan=only", "trainer.max_steps=50")
    assert train.main(cfg) is None
    said = capsys.readouterr().out
    for word in ("parameters", "memory", "time", "disk"):
        assert word in said
    assert not (plan.Path(cfg.run_dir)).exists()


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
