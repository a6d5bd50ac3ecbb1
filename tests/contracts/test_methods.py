"""What every training method owes: a fit, a second fit in the same process, and going on where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.apps import train
from disco.apps.launch import CONF
from disco.apps.parts import build_data, build_module
from disco.apps.runs import Run
from disco.core.checkpoint_io import read_checkpoint
from tests.tiny_runs import TINY_SYMBOLIC

METHODS = sorted(path.stem for path in (CONF / "method").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_goes_on_where_it_stopped_with_what_it_remembers(method: str, composed, corner: list[str]) -> None:
    words = [*TINY_SYMBOLIC, *corner, f"method=[{method}]", "optim/schedule=constant", "resume=auto"]

    def fit(steps: int) -> dict[str, torch.Tensor]:
        cfg = composed("train", *words, f"trainer.max_steps={steps}")
        loss = train.main(cfg)
        assert loss is not None
        assert 0 < loss < 10
        run = Run(Path(cfg.run_dir))
        assert run.facts["steps"] == steps
        return read_checkpoint(run.checkpoint)["state_dict"]

    first, then = fit(2), fit(4)
    assert set(first) == set(then)
    network = [name for name in first if not name.startswith("objective.")]
    assert any(not torch.equal(first[name], then[name]) for name in network), "it went on"
    if method == "l2sp":
        starts = [name for name in first if ".start_" in name]
        assert starts
        assert all(torch.equal(first[name], then[name]) for name in starts), "the start is the first one"


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_second_fit_of_the_same_model_begins_anew(method: str, composed, corner: list[str]) -> None:
    cfg = composed("train", *TINY_SYMBOLIC, *corner, f"method=[{method}]", "trainer.max_steps=2")
    module = build_module(cfg, training=True)
    data = build_data(cfg).serve(module.view)
    terms = []
    for _ in range(2):
        before = {name: p.detach().clone() for name, p in module.named_parameters()}
        trainer = train.build_trainer(cfg, module)
        trainer.fit(module, datamodule=data)
        assert trainer.global_step == 2
        assert any(not torch.equal(p, before[name]) for name, p in module.named_parameters())
        terms.append(sorted(module.objective.terms))
    assert terms[0] == terms[1], "a method adds its terms once"
