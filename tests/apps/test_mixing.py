"""Adapters by strength: alone, several together, and folded into a run of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.apps import merge
from disco.apps.mixing import read_parts
from disco.apps.runs import Run, open_run
from disco.errors import DiscoError
from tests.apps.conftest import trained
from tests.contracts.models import batch_for
from tests.tiny_runs import TINY_SYMBOLIC


@pytest.fixture(scope="module")
def adapted(symbolic_run: Path, corner: list[str], tmp_path_factory: pytest.TempPathFactory):
    """Runs of two steps that adapt the same base, by the words that describe them."""

    def make(*words: str) -> Path:
        folder = tmp_path_factory.mktemp("adapted")
        words = ("weights=run", f"weights.run={symbolic_run}", "optim.lr=0.05", *words)
        return trained(folder, *TINY_SYMBOLIC, *corner, *words)

    return {
        "lora": make("adapter=lora", "adapter.sites=[query,value,head]"),
        "ia3": make("adapter=ia3"),
        "bottleneck": make("adapter=bottleneck", "adapter.width=4"),
    }


def logits(run: str | Path) -> torch.Tensor:
    module = open_run(run)
    return module(batch_for(module)).logits.detach()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lora", "ia3", "bottleneck"])
def test_strength_goes_from_the_base_to_the_adapter(adapted, symbolic_run: Path, kind: str) -> None:
    base, whole = logits(symbolic_run), logits(adapted[kind])
    none, half = logits(f"{adapted[kind]}:0"), logits(f"{adapted[kind]}:0.5")
    assert torch.allclose(none, base, atol=1e-5)
    assert torch.allclose(logits(f"{adapted[kind]}:1.0"), whole, atol=1e-4)
    span = (whole - base).norm()
    assert 0.2 * span < (half - base).norm() < 0.9 * span


@pytest.mark.slow
def test_two_adapters_are_mixed_and_folded(adapted, symbolic_run: Path, composed, tmp_path: Path) -> None:
    lora, ia3, bottleneck = (adapted[kind] for kind in ("lora", "ia3", "bottleneck"))
    both = f"{lora}:0.7 {ia3}:0.3"
    said = logits(both)
    assert torch.allclose(logits(f"{lora}:0.7 {ia3}:0"), logits(f"{lora}:0.7"), atol=1e-5)
    assert not torch.allclose(said, logits(f"{lora}:0.7"), atol=1e-4)
    assert not torch.allclose(logits(f"{lora} {bottleneck}"), logits(lora), atol=1e-4)

    cfg = composed("merge", f"run='{both}'")
    cfg.run_dir = str(tmp_path / "merged")
    run = merge.main(cfg)
    assert torch.equal(logits(run.folder), said)
    assert run.weights.name == "weights.safetensors"

    cfg.run = f"{lora} {bottleneck}"
    with pytest.raises(DiscoError, match="no weight of the base can hold"):
        merge.main(cfg)


@pytest.mark.slow
def test_what_has_no_strength_or_another_base_is_refused(adapted, symbolic_run: Path) -> None:
    with pytest.raises(DiscoError, match="only adapters have a strength"):
        open_run(f"{symbolic_run}:0.5")
    with pytest.raises(DiscoError, match="names no folder"):
        open_run("")


@pytest.mark.slow
def test_training_ends_with_a_check_of_what_was_saved(adapted) -> None:
    for kind, folder in adapted.items():
        told = Run(folder).facts["self_check"]
        assert told["largest_change"] > 1e-3, kind
        assert told["reopened"] < 1e-4
        assert told.get("merged", 0.0) < 1e-3
        assert (folder / "adapter_config.json").is_file()
        assert not (folder / "weights.safetensors").exists()


def test_folders_and_strengths_are_read_apart(tmp_path: Path) -> None:
    odd = tmp_path / "12:30"
    odd.mkdir()
    assert [(p.run.folder, p.strength) for p in read_parts(str(odd))] == [(odd, 1.0)]
    parts = read_parts("a/b:0.7 c:1 d")
    assert [(str(p.run.folder), p.strength) for p in parts] == [("a/b", 0.7), ("c", 1.0), ("d", 1.0)]
