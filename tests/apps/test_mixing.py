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
from tests.tiny_runs import TINY_MUSICGEN, TINY_SYMBOLIC


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
    assert torch.allclose(logits(f"{adapted[kind]}:1.0"), whole, atol=1e-5)
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
    assert run.facts["self_check"]["largest_change"] > 1e-3
    assert run.facts["self_check"]["reopened"] < 1e-5

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
        assert told.get("merged", 0.0) < 1e-5 * max(1.0, float(logits(folder).abs().max()))
        assert (folder / "adapter_config.json").is_file()
        assert not (folder / "weights.safetensors").exists()


def test_folders_and_strengths_are_read_apart(tmp_path: Path) -> None:
    odd = tmp_path / "12:30"
    odd.mkdir()
    assert [(p.run.folder, p.strength) for p in read_parts(str(odd))] == [(odd, 1.0)]
    parts = read_parts("a/b:0.7 c:1 d")
    assert [(str(p.run.folder), p.strength) for p in parts] == [("a/b", 0.7), ("c", 1.0), ("d", 1.0)]


@pytest.fixture(scope="module")
def recounted(musicgen_run: Path, codec_run: Path, corner: list[str], tmp_path_factory):
    """Adapters of a model with a counted prior, trained on other music than it."""
    words = [*TINY_MUSICGEN, *corner, "codec=run", f"codec.run={codec_run}", "data.books=[bach]"]
    words += ["weights=run", f"weights.run={musicgen_run}", "optim.lr=0.05"]

    def make(kind: str, *more: str) -> Path:
        return trained(tmp_path_factory.mktemp("recounted"), *words, f"adapter={kind}", *more)

    return make


@pytest.mark.slow
def test_a_prior_counted_again_is_heard_by_strength_and_is_no_merit_of_the_adapter(
    recounted, musicgen_run: Path
) -> None:
    bottleneck, prefix = recounted("bottleneck"), recounted("prefix")
    base, whole = open_run(musicgen_run), open_run(bottleneck)
    none, half = open_run(f"{bottleneck}:0"), open_run(f"{bottleneck}:0.5")
    name = "prior.after_frame"
    tables = {one: one.state_dict()[name].double() for one in (base, whole, none, half)}
    assert not torch.equal(tables[base], tables[whole])
    assert torch.equal(tables[none], tables[base])
    assert torch.allclose(tables[half], (tables[base] + tables[whole]) / 2, atol=0.5)
    assert torch.allclose(said_by(none), said_by(base), atol=1e-5)
    assert torch.allclose(logits(f"{bottleneck}:1.0"), said_by(whole), atol=1e-5)
    assert torch.allclose(logits(f"{bottleneck}:0 {prefix}:0"), said_by(base), atol=1e-5)
    assert torch.allclose(logits(f"{bottleneck}:1 {prefix}:0"), said_by(whole), atol=1e-5)

    told = Run(bottleneck).facts["self_check"]
    assert told["recounted_change"] > 0.01
    assert told["mean_change"] > 0
    with pytest.raises(DiscoError, match="the adapter changes nothing, only what was counted again does"):
        recounted("lora", "adapter.sites=[query]", "optim.lr=1e-12")


def said_by(module) -> torch.Tensor:
    return module(batch_for(module)).logits.detach()
