"""`scripts/average.py`: means are means, soups are no worse than their best, and a run folder comes out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.apps import average
from disco.apps.runs import Run, open_run
from disco.core.tensors import load_tensors
from disco.errors import DiscoError
from tests.apps.conftest import trained
from tests.tiny_runs import TINY_SYMBOLIC


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, corner: list[str]) -> list[Path]:
    """The same start and data at three rates; the last one ruins it."""
    folder = tmp_path_factory.mktemp("three")
    extra = (["optim.lr=1e-3"], ["optim.lr=3e-3"], ["optim.lr=3.0"])
    return [trained(folder / str(n), *TINY_SYMBOLIC, *corner, *more) for n, more in enumerate(extra)]


def averaged(composed, folder: Path, runs: list[Path], how: str) -> tuple[Run, dict]:
    cfg = composed("average", f"runs=[{','.join(map(str, runs))}]", f"how={how}")
    cfg.run_dir = str(folder)
    facts = average.main(cfg)
    return Run(folder), facts


@pytest.mark.slow
def test_uniform_is_the_arithmetic_mean_and_opens(composed, three: list[Path], tmp_path: Path) -> None:
    run, facts = averaged(composed, tmp_path / "mean", three, "uniform")
    made = load_tensors(run.weights)
    members = [load_tensors(Run(folder).weights) for folder in three]
    assert set(made) == set(members[0])
    for name, value in made.items():
        wanted = sum(member[name].double() for member in members) / 3
        assert torch.equal(value, wanted.to(value.dtype)), name
        if value.numel() > 100:
            assert not torch.equal(value, members[0][name])
    assert facts["taken"] == [str(folder) for folder in three]
    opened = open_run(run.folder).network_state()
    assert all(torch.equal(opened[name], made[name]) for name in made)


@pytest.mark.slow
def test_a_greedy_soup_is_never_worse_than_its_best_and_leaves_out_what_spoils_it(
    composed, three: list[Path], tmp_path: Path
) -> None:
    run, facts = averaged(composed, tmp_path / "soup", three, "greedy")
    losses = facts["losses"]
    alone = {str(folder): losses[str(folder)] for folder in three}
    assert losses["average"] <= min(alone.values())
    assert str(three[2]) not in facts["taken"]
    assert alone[str(three[2])] == max(alone.values())
    again = average.Pot(run, judging=True)
    assert again.judge(load_tensors(run.weights)) == pytest.approx(losses["average"], rel=1e-6)


@pytest.mark.slow
def test_a_runs_best_and_last_weights_can_be_averaged(composed, three: list[Path], tmp_path: Path) -> None:
    files = [three[0] / "checkpoints" / "best.safetensors", Run(three[0]).weights]
    run, _ = averaged(composed, tmp_path / "both", files, "uniform")
    assert set(load_tensors(run.weights)) == set(load_tensors(files[0]))


@pytest.mark.slow
def test_what_cannot_be_averaged_is_refused(
    composed, three: list[Path], codec_run: Path, tmp_path: Path
) -> None:
    for runs, how, says in (
        ([three[0], codec_run], "uniform", "is of another model"),
        ([three[0]], "uniform", "needs two or more"),
        ([three[0], tmp_path], "uniform", "there are no weights at"),
        (three, "median", "how=median"),
    ):
        with pytest.raises(DiscoError, match=says):
            averaged(composed, tmp_path / "out", runs, how)
        assert not (tmp_path / "out").exists()
