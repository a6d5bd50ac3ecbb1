"""Items per step: made of whole batches, said with where they come from, and the rate that goes with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from safetensors.torch import load_file

from disco.apps import train
from disco.apps.batches import largest_batch, processes_of, settle
from disco.apps.runs import Run
from disco.errors import DiscoError
from tests.core.test_steps import Reader, apart, batches, fit, sgd
from tests.tiny_runs import TINY_SYMBOLIC


def settled(cfg, before=None) -> dict[str, tuple[Any, str]]:
    return {setting.key: (setting.value, setting.source) for setting in settle(cfg, before)}


def test_nothing_is_changed_unless_it_is_asked_for(composed) -> None:
    cfg = composed("train", *TINY_SYMBOLIC)
    before = OmegaConf.to_container(cfg, resolve=True)
    assert settled(cfg) == {}
    assert OmegaConf.to_container(cfg, resolve=True) == before


@pytest.mark.parametrize(
    ("words", "count", "why"),
    [
        (["effective_batch=32"], 8, "effective_batch=32 of 4 items"),
        (["effective_batch=4"], 1, "effective_batch=4 of 4 items"),
        (
            ["effective_batch=32", "trainer.devices=2"],
            4,
            "effective_batch=32 of 4 items in each of 2 processes",
        ),
        (
            ["effective_batch=96", "trainer.devices=[0,1,2]", "trainer.num_nodes=2"],
            4,
            "effective_batch=96 of 4 items in each of 6 processes",
        ),
        (["effective_batch=32", "trainer.accumulate_grad_batches=8"], 8, "effective_batch=32 of 4 items"),
    ],
)
def test_batches_are_accumulated_up_to_what_a_step_shall_see(words, count, why, composed) -> None:
    cfg = composed("train", *TINY_SYMBOLIC, *words)
    assert settled(cfg) == {"trainer.accumulate_grad_batches": (count, why)}
    assert cfg.trainer.accumulate_grad_batches == count


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["effective_batch=30"], "no whole number of batches of 4 items; take effective_batch=28 or 32"),
        (["effective_batch=2"], "no whole number of batches of 4 items; take effective_batch=4, or another"),
        (
            ["effective_batch=20", "trainer.devices=2"],
            "in each of 2 processes; take effective_batch=16 or 24",
        ),
        (["effective_batch=32", "trainer.accumulate_grad_batches=2"], "is 8 batches .* give one of the two"),
        (["effective_batch=0"], "effective_batch=0: a whole number of at least 1"),
        (["effective_batch=many"], "effective_batch=many: a whole number of at least 1"),
        (["lr_scaling.batch=-8"], "lr_scaling.batch=-8: a whole number of at least 1"),
        (["lr_scaling.batch=8", "lr_scaling.power=2"], "lr_scaling.power=2: it must be from 0 to 1"),
    ],
)
def test_what_whole_batches_cannot_make_is_refused(words, says, composed) -> None:
    with pytest.raises(DiscoError, match=says):
        settle(composed("train", *TINY_SYMBOLIC, *words))


@pytest.mark.parametrize(
    ("devices", "nodes", "processes"),
    [(1, 1, 1), ("3", 1, 3), ("'0,2'", 2, 4), ("auto", 1, 1), ("[1]", 1, 1)],
)
def test_processes_are_counted_as_the_trainer_counts_them(devices, nodes, processes, composed) -> None:
    words = [f"trainer.devices={devices}", f"trainer.num_nodes={nodes}"]
    assert processes_of(composed("train", *TINY_SYMBOLIC, *words)) == processes


@pytest.mark.parametrize(
    ("power", "rate"),
    [(1.0, 8e-3), (0.5, 8**0.5 * 1e-3), (0.0, 1e-3)],  # Goyal et al. 2017; Malladi et al. 2022; as it was
)
def test_the_rate_grows_by_its_rule_with_the_items_of_a_step(power, rate, composed) -> None:
    words = ["effective_batch=32", "lr_scaling.batch=4", f"lr_scaling.power={power}", "optim.lr=1e-3"]
    cfg = composed("train", *TINY_SYMBOLIC, *words)
    value, why = settled(cfg)["optim.lr"]
    assert value == cfg.optim.lr == pytest.approx(rate, rel=1e-5)
    assert why == f"lr_scaling: 0.001 × (32 / 4) ^ {power:g}"


def test_a_rate_is_scaled_to_the_batches_of_several_processes_too(composed) -> None:
    words = ["trainer.devices=2", "trainer.accumulate_grad_batches=2", "lr_scaling.batch=8", "optim.lr=1e-3"]
    cfg = composed("train", *TINY_SYMBOLIC, *words, "lr_scaling.power=1")
    assert settled(cfg)["optim.lr"][0] == pytest.approx(2e-3), "4 items × 2 processes × 2 batches"


def test_a_run_that_goes_on_with_fewer_processes_keeps_the_items_of_its_steps(composed) -> None:
    words = [*TINY_SYMBOLIC, "effective_batch=32"]
    before = composed("train", *words, "trainer.devices=2")
    settle(before)
    alone = composed("train", *words)  # the data takes 8 at a time now, as two processes took together
    assert settled(alone, before)["trainer.accumulate_grad_batches"][0] == 4
    smaller = composed("train", *words, "data.batch_size=2")  # which is what each batch then has
    assert settled(smaller, before)["trainer.accumulate_grad_batches"][0] == 16


@pytest.mark.parametrize(("most", "size"), [(16, 12), (12, 12), (11, 8), (7, 6), (1, 1)])
def test_a_found_size_is_one_that_makes_up_the_step(most, size, composed) -> None:
    assert largest_batch(composed("train", *TINY_SYMBOLIC, "effective_batch=24"), most) == size
    assert largest_batch(composed("train", *TINY_SYMBOLIC), most) == most


def test_four_batches_of_eight_are_one_of_thirty_two(composed, tmp_path: Path) -> None:
    """Of lines that count from 1 to 11 tokens, so that a mean of means would be another step."""
    modules = []
    for size in (32, 8):
        cfg = composed("train", *TINY_SYMBOLIC, f"data.batch_size={size}", "effective_batch=32")
        settle(cfg)
        modules.append(Reader(sgd()))
        windows = cfg.trainer.accumulate_grad_batches
        assert windows == 32 // size
        fit(modules[-1], batches(32, size), tmp_path, accumulate_grad_batches=windows)
    assert apart(*modules) <= 1e-6
    assert apart(modules[0], Reader(sgd())) > 1e-2, "and it did move"


@pytest.mark.slow
def test_train_makes_the_step_that_was_asked_for_and_says_how(
    composed, corner: list[str], tmp_path: Path, capsys
) -> None:
    """On scores of different lengths."""
    plainly = ["optim=sgd", "optim.lr=0.1", "optim.clip_norm=0", "optim.schedule.warmup=0"]
    still = ["model.dropout=0", "model.condition_dropout=0", "model.length=400", "trainer.max_steps=1"]
    words = [*TINY_SYMBOLIC, *corner, *plainly, *still, "plan=off", "callbacks=[history]"]
    weights = []
    for size, asked in ((4, 4), (1, 4), (1, 1)):
        cfg = composed("train", *words, f"data.batch_size={size}", f"effective_batch={asked}")
        cfg.run_dir = str(tmp_path / f"{size}-{asked}")
        train.main(cfg)
        weights.append(load_file(tmp_path / f"{size}-{asked}" / "weights.safetensors"))
        assert Run(tmp_path / f"{size}-{asked}").facts["steps"] == 1
    whole, parts, fewer = weights
    assert max(float((whole[name] - parts[name]).abs().max()) for name in whole) <= 1e-6
    assert max(float((whole[name] - fewer[name]).abs().max()) for name in whole) > 1e-4
    assert "  trainer.accumulate_grad_batches=4  effective_batch=4 of 1 item\n" in capsys.readouterr().out
