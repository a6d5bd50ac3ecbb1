"""What a newcomer gets wrong is refused in one line that names the key, before the first step."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import lightning as L
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import nn

from disco.adapters.lora import LoRA
from disco.apps import average, train
from disco.apps.compose import check
from disco.apps.identity import identity_of
from disco.apps.launch import launch
from disco.apps.loggers import forgiving
from disco.apps.runs import Run, open_run
from disco.apps.targets import resolve
from disco.audio.clip import Clip
from disco.core.checkpoint_io import SafeCheckpoints
from disco.errors import DiscoError
from disco.nets import convnext, patterns
from disco.report.history import read_lines
from tests.adapters.test_lora import Fused
from tests.apps.conftest import trained
from tests.callbacks.toy_models import ToyAudio, fit
from tests.composing import composed_config
from tests.contracts.models import batch_for
from tests.core.test_steps import Reader, batches, sgd
from tests.tiny_runs import TINY_CODEC, TINY_MUSICGEN, TINY_SYMBOLIC


def refused(words: list[str], folder: Path, monkeypatch, capsys) -> str:
    """Run `train.py`, and return the one line with which it refuses."""
    for name in ("HYDRA_FULL_ERROR", "TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1" if name.startswith("H") else "error")
    monkeypatch.setattr(sys, "argv", ["train.py", *words, f"hydra.run.dir={folder}"])
    with pytest.raises(SystemExit) as stop:
        launch("train")
    GlobalHydra.instance().clear()
    told = capsys.readouterr().err
    errors = [line for line in told.splitlines() if line.startswith("error: ")]
    assert stop.value.code == 2, told
    assert len(errors) == 1, told
    assert "Traceback" not in told
    assert not (folder / "history.jsonl").exists(), "no step was made"
    return errors[0]


CONFIG = {
    "model=symbolic +x=1": "x",
    "~model": "model",
    "model=symbolic ~optim": "optim",
    "model=symbolic ~optim.lr": "optim.lr",
    "model=symbolic optim.lr=${optim.lr}": "optim.lr",
    "model=symbolic optim.lr=??? ": "optim.lr",
    "model=symbolic trainer.precision=half": "trainer.precision",
    "model=symbolic trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches",
    "model=symbolic optim.lr=nan": "optim.lr",
}


@pytest.mark.parametrize("words", CONFIG)
def test_a_broken_config_names_its_key(words: str, tmp_path: Path, monkeypatch, capsys) -> None:
    assert CONFIG[words] in refused(words.split(), tmp_path / "run", monkeypatch, capsys)


def test_a_fuser_names_only_conditioners_that_are_there(
    tmp_path: Path, codec_run: Path, corner: list[str], monkeypatch, capsys
) -> None:
    words = [*TINY_MUSICGEN, *corner, f"codec.run={codec_run}", "model.fuser.film=[melody]"]
    told = refused(words, tmp_path / "run", monkeypatch, capsys)
    assert "no conditioner 'melody' here" in told


ADAPTERS = {
    "adapter.rank=0": "adapter.rank=0",
    "adapter.rank=32": "adapter.rank=32 is no less than the 32",
    "adapter.ranks={query:0}": "adapter.ranks",
    "adapter.ranks={query:32}": "32 is no less than the 32",
    "adapter.alphas={query:-1}": "adapter.alphas",
    "adapter.sites=[querry]": "no site 'querry'",
    "adapter.layers=[9]": "'query' matches no layer",
    "optim.lr=-1": "optim.lr=-1",
}


@pytest.mark.slow
@pytest.mark.parametrize("word", ADAPTERS)
def test_an_adapter_that_cannot_be_is_refused(
    word: str, symbolic_run: Path, corner: list[str], tmp_path: Path, monkeypatch, capsys
) -> None:
    words = [*TINY_SYMBOLIC, *corner, "adapter=lora", "weights=run", f"weights.run={symbolic_run}", word]
    assert ADAPTERS[word] in refused(words, tmp_path / "run", monkeypatch, capsys)


def test_a_rank_above_the_width_of_shared_rows_is_refused() -> None:
    settings = dict.fromkeys(("rank_stabilised", "dora", "recount"), False)
    adapter = LoRA(
        sites=["query"], layers=None, rank=64, ranks={}, alpha=1.0, alphas={}, dropout=0.0, seed=0, **settings
    )
    with pytest.raises(DiscoError, match=r"adapter\.rank=64 is no less than the 16"):
        adapter.attach(Fused())


def adapted_as_the_guide_says(model: nn.Module) -> nn.Module:
    """The guide's loop over attentions, word for word but for its class."""
    for _, module in model.named_modules():
        if isinstance(module, nn.MultiheadAttention):
            module.q_proj = Pair(module.q_proj)
            module.v_proj = Pair(module.v_proj)
    return model


class Pair(nn.Module):
    """Stands for the guide's adapter."""

    def __init__(self, base_layer: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base_layer


def test_the_guides_loop_fails_on_the_attention_that_ours_adapts() -> None:
    with pytest.raises(AttributeError, match="q_proj"):
        adapted_as_the_guide_says(Fused())
    settings = dict.fromkeys(("rank_stabilised", "dora", "recount"), False)
    adapter = LoRA(
        sites=["query"], layers=None, rank=4, ranks={}, alpha=1.0, alphas={}, dropout=0.0, seed=0, **settings
    )
    module = Fused()
    adapter.attach(module)
    assert sum(p.numel() for p in module.parameters() if p.requires_grad) == 2 * 4 * 16


@pytest.mark.parametrize(
    "kind", [patterns.Parallel, patterns.Flatten, patterns.CoarseFirst, convnext.WaveHead]
)
def test_what_the_networks_offer_can_be_chosen(kind: type) -> None:
    name = f"{kind.__module__}.{kind.__qualname__}"
    assert resolve(name, "model") is kind


@pytest.mark.parametrize("betas", [["a", 0.9], [0.9, "a"]])
def test_every_item_of_a_list_is_looked_at(betas: list, composed) -> None:
    cfg = composed("train", "model=symbolic")
    cfg.optim.betas = betas
    for _ in range(8):  # beartype by itself looks at one item by chance
        with pytest.raises(DiscoError, match=r"optim\.betas"):
            check(cfg.optim, "optim")


def test_secrets_do_not_reach_a_checkpoint(composed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCO_TEST_TOKEN", "not-to-be-written-down")
    words = ("model=symbolic", "weights=run", "weights.run=nowhere", "adapter=prompt")
    cfg = composed("train", *words, "adapter.start='${oc.env:DISCO_TEST_TOKEN}'")
    assert "not-to-be-written-down" not in str(identity_of(cfg))


class Down(CSVLogger):
    """A backend that cannot be reached."""

    @property
    def experiment(self):
        raise ConnectionError("no route to the server")


def test_a_logger_whose_backend_is_down_from_the_start_stops_no_training(tmp_path: Path, capsys) -> None:
    trainer = fit(ToyAudio(), tmp_path, [], logger=forgiving(Down(tmp_path)))
    assert trainer.global_step == 6
    assert "Down logs no more: no route to the server" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("regime", ["full", "finetune", "peft"])
def test_a_regime_trains_twenty_steps(
    regime: str, symbolic_run: Path, corner: list[str], tmp_path: Path
) -> None:
    base = [] if regime == "full" else ["weights=run", f"weights.run={symbolic_run}"]
    words = [*TINY_SYMBOLIC, f"experiment={regime}", *base, *corner, "trainer.max_steps=20"]
    train.main(composed_config("train", words, tmp_path / "run"))
    measures = Run(tmp_path / "run").facts["measures"]
    assert math.isfinite(measures["train/loss"])
    assert measures["train/skipped"] == 0


def logits(run: str | Path) -> torch.Tensor:
    module = open_run(run)
    return module(batch_for(module)).logits.detach()


@pytest.mark.slow
def test_no_strength_is_the_base_also_where_a_prior_was_counted_again(
    musicgen_run: Path, codec_run: Path, corner: list[str], tmp_path: Path
) -> None:
    words = [*TINY_MUSICGEN, *corner, "codec=run", f"codec.run={codec_run}", "adapter=bottleneck"]
    base = ["weights=run", f"weights.run={musicgen_run}", "optim.lr=0.05", "data.books=[bach]"]
    run = trained(tmp_path / "run", *words, *base)
    assert torch.allclose(logits(f"{run}:0"), logits(musicgen_run), atol=1e-4)


@pytest.mark.slow
def test_a_fine_tuned_run_by_strength_lies_between_its_base_and_itself_or_is_refused(
    symbolic_run: Path, corner: list[str], tmp_path: Path
) -> None:
    words = [*TINY_SYMBOLIC, *corner, "weights=run", f"weights.run={symbolic_run}", "optim.lr=0.01"]
    run = trained(tmp_path / "run", *words)
    try:
        none = logits(f"{run}:0")
    except DiscoError:
        return
    assert torch.allclose(none, logits(symbolic_run), atol=1e-4)


@pytest.mark.slow
def test_runs_on_different_codecs_are_not_averaged(
    musicgen_run: Path, codec_run: Path, corner: list[str], tmp_path: Path, composed
) -> None:
    other = trained(tmp_path / "codec", *TINY_CODEC, *corner, "seed=1")
    run = trained(tmp_path / "run", *TINY_MUSICGEN, *corner, "codec=run", f"codec.run={other}")
    with pytest.raises(DiscoError, match=r"another model.*codec\.sha256 differ"):
        average.main(composed("average", f"runs=[{musicgen_run},{run}]"))


@pytest.mark.slow
def test_a_base_that_speaks_other_tokens_is_refused_with_the_words_that_help(
    musicgen_run: Path, corner: list[str], tmp_path: Path, monkeypatch, capsys
) -> None:
    fewer = ["model.quantizer.num_codebooks=2", "model.quantizer.cardinality=32"]
    other = trained(tmp_path / "codec", *TINY_CODEC, *corner, *fewer)
    base = ["weights=run", f"weights.run={musicgen_run}", "codec=run", f"codec.run={other}"]
    told = refused([*TINY_MUSICGEN, *corner, *base], tmp_path / "run", monkeypatch, capsys)
    assert "these weights speak 4 codebooks of 16 tokens, and RunCodec has 2 of 32" in told
    assert "weights=run without codec=…" in told
    assert "weights=none" in told


def in_float16(module: Reader, folder: Path, scaler: torch.amp.GradScaler, *, steps: int) -> L.Trainer:
    """Train with scaled float16 gradients on the CPU, as `trainer.precision=16-mixed` does on a GPU."""
    trainer = L.Trainer(
        default_root_dir=folder, accelerator="cpu", max_steps=steps, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
        plugins=[SafeCheckpoints(), MixedPrecision("16-mixed", "cpu", scaler)],
    )  # fmt: skip
    trainer.fit(module, batches(32, 8), batches(4, 4))
    return trainer


def test_float16_gradients_are_clipped_after_they_are_unscaled(tmp_path: Path) -> None:
    module = Reader(sgd(clip_norm=0.01))
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    in_float16(module, tmp_path, torch.amp.GradScaler("cpu", init_scale=1024.0), steps=1)
    moved = [(value.detach() - before[name]).square().sum() for name, value in module.named_parameters()]
    assert float(sum(moved)) ** 0.5 == pytest.approx(0.01, rel=0.01)
    assert 0.05 < module.seen[0] < 5, "the norm that is logged is that of the true gradients"


def test_a_float16_step_that_overflows_moves_nothing_is_counted_and_halves_the_scale(tmp_path: Path) -> None:
    module = Reader(sgd())
    module.spoilt = {0}
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    in_float16(module, tmp_path, scaler, steps=1)
    assert all(torch.equal(value, before[name]) for name, value in module.named_parameters())
    assert module.skipped == 1
    assert scaler.get_scale() == 512.0


@pytest.mark.slow
def test_a_codec_that_speaks_phase_learns_and_keeps_the_length(corner: list[str], tmp_path: Path) -> None:
    words = [
        "model/body@model=convnext_wave",
        "loss=[mel,commitment]",
        "trainer.max_steps=12",
        "optim.lr=1e-3",
    ]
    kept = [word for word in TINY_CODEC if "head.steps" not in word]
    train.main(composed_config("train", [*kept, *corner, *words], tmp_path / "run"))
    (losses,) = read_lines(tmp_path / "run" / "history.jsonl", ["val/loss"])
    assert losses.values[-1] < losses.values[0]
    clip = Clip(torch.randn(1, 8000), 16000)
    assert open_run(tmp_path / "run").reconstruct(clip).wave.shape == clip.wave.shape
