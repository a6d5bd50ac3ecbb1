"""The training step: accumulated batches weigh their tokens, clipping sees true gradients, NaN moves none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from disco.core.batch import Conditions, ScoreBatch
from disco.core.checkpoint_io import SafeCheckpoints
from disco.core.module import GenerativeModule
from disco.core.outputs import Outputs
from disco.core.steps import Window
from disco.losses.token_ce import TokenCE

VOCABULARY = 11


class Reader(GenerativeModule):
    """Foretells each token from the one before it."""

    accepts = (ScoreBatch,)
    offers = frozenset({"logits", "targets", "mask"})
    sites: ClassVar[dict[str, str]] = {}

    def __init__(self, recipe) -> None:
        torch.manual_seed(0)
        super().__init__(terms={"token_ce": TokenCE(weight=1.0)}, recipe=recipe)
        self.embedding = nn.Embedding(VOCABULARY, 16)
        self.middle = nn.Linear(16, 32)
        self.head = nn.Linear(32, VOCABULARY)
        self.fresh = False
        self.spoilt: set[int] = set()  # batches whose loss is infinite
        self.seen: list[float] = []

    @property
    def view(self):
        raise NotImplementedError

    def generate(self, conditions, *, seconds, sampler, seed):
        raise NotImplementedError

    def forward(self, batch: ScoreBatch) -> Outputs:
        logits = self.head(torch.tanh(self.middle(self.embedding(batch.tokens[:, :-1]))))
        places = torch.arange(1, batch.tokens.shape[1])
        if self.trainer.training and self.trainer.fit_loop.total_batch_idx in self.spoilt:
            logits = logits * math.inf
        return Outputs(
            logits=logits[:, None],
            targets=batch.tokens[:, None, 1:],
            mask=(places < batch.valid[:, None])[:, None],
        )

    def on_before_optimizer_step(self, optimizer) -> None:
        super().on_before_optimizer_step(optimizer)
        self.seen.append(float(self.trainer.callback_metrics["train/grad_norm"]))


class Plain:
    """A recipe of an optimiser of torch, at a constant rate."""

    def __init__(self, optimizer: type[torch.optim.Optimizer], lr: float, clip_norm: float) -> None:
        self.optimizer = optimizer
        self.lr = lr
        self.clip_norm = clip_norm

    def build(self, module, total_steps):
        optimizer = self.optimizer(module.parameters(), lr=self.lr)
        return optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


def sgd(clip_norm: float = 0.0) -> Plain:
    return Plain(torch.optim.SGD, lr=1.0, clip_norm=clip_norm)


def adamw(lr: float = 0.01, clip_norm: float = 1.0) -> Plain:
    return Plain(torch.optim.AdamW, lr=lr, clip_norm=clip_norm)


def sentences(count: int, length: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens that mostly count upwards, of very different lengths."""
    generator = torch.Generator().manual_seed(4)
    start = torch.randint(VOCABULARY, (count, 1), generator=generator)
    tokens = (start + torch.arange(length)) % VOCABULARY
    valid = torch.randint(2, length + 1, (count,), generator=generator)
    return tokens, valid


def batches(count: int, size: int) -> DataLoader:
    tokens, valid = sentences(count)
    rows = [
        ScoreBatch(tokens=t, valid=v, conditions=Conditions(text=(None,) * len(t)))
        for t, v in zip(tokens.split(size), valid.split(size), strict=True)
    ]
    return DataLoader(rows, batch_size=None)


def fit(module: Reader, data: DataLoader, folder: Path, *, steps: int = 1, **settings) -> L.Trainer:
    trainer = L.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[SafeCheckpoints()],
        **settings,
    )
    trainer.fit(module, data, batches(4, 4))
    return trainer


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def apart(one: nn.Module, other: nn.Module) -> float:
    return max(
        float((a - b).detach().abs().max()) for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )


def test_four_batches_of_eight_move_the_weights_as_one_of_thirty_two(tmp_path: Path) -> None:
    whole, parts = Reader(sgd()), Reader(sgd())
    fit(whole, batches(32, 32), tmp_path)
    fit(parts, batches(32, 8), tmp_path, accumulate_grad_batches=4)
    assert apart(whole, parts) < 1e-6
    assert apart(whole, Reader(sgd())) > 1e-2, "and it did move"
    assert parts.seen[0] == pytest.approx(whole.seen[0], rel=1e-5), "the logged norm is that of the sum"


def test_a_last_window_that_is_not_full_weighs_its_own_tokens_alone(tmp_path: Path) -> None:
    whole, parts = Reader(sgd()), Reader(sgd())
    fit(whole, batches(16, 16), tmp_path)
    fit(parts, batches(16, 8), tmp_path, accumulate_grad_batches=4)
    assert apart(whole, parts) < 1e-6


def test_a_window_of_several_passes_counts_them_all() -> None:
    window, device = Window(), torch.device("cpu")
    window.note(30)
    window.note(10)
    assert window.weight(device) == 1.0
    window.note(20)
    assert window.weight(device) == 0.5
    assert window.close(2, device) == pytest.approx(2 * 40 / 60)
    assert window.weight(device) == 1.0, "a step rule that notes nothing is left alone"
    assert window.close(3, device) == 1.0


def test_a_batch_in_which_nothing_counts_moves_nothing() -> None:
    window, device = Window(), torch.device("cpu")
    window.note(0)
    assert window.weight(device) == 0.0
    assert math.isfinite(window.close(1, device))


def test_the_step_is_no_longer_than_the_clipping_norm_and_the_norm_before_is_logged(tmp_path: Path) -> None:
    free, clipped = Reader(sgd()), Reader(sgd(clip_norm=0.01))
    before = weights(free)
    for module in (free, clipped):
        fit(module, batches(32, 8), tmp_path, accumulate_grad_batches=4)
    moved = math.sqrt(
        sum(float((p - before[n]).detach().square().sum()) for n, p in clipped.named_parameters())
    )
    assert moved == pytest.approx(0.01, rel=1e-3)  # one step of rate 1
    assert clipped.seen == pytest.approx(free.seen)
    assert clipped.seen[0] > 0.05


@pytest.mark.parametrize("recipe", [sgd(), adamw()], ids=["sgd", "adamw"])
def test_a_step_with_infinite_gradients_moves_nothing_and_is_counted(recipe, tmp_path: Path) -> None:
    module = Reader(recipe)
    module.spoilt = {1}
    module.train()
    stops = []

    class Watch(L.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            stops.append((weights(pl_module), float(trainer.callback_metrics["train/skipped"])))

    fit(module, batches(32, 8), tmp_path, steps=3, callbacks=[Watch()])
    (first, none), (second, one), (third, still) = stops
    assert [none, one, still] == [0, 1, 1]
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(second[name], third[name]) for name in first), "and training goes on"
    assert all(value.isfinite().all() for value in third.values())


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_the_count_of_steps_left_out_survives_a_resume(tmp_path: Path) -> None:
    module = Reader(adamw())
    module.spoilt = {0}
    trainer = fit(module, batches(32, 8), tmp_path, steps=2)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    trainer.strategy.checkpoint_io.wait()
    again = Reader(adamw())
    resumed = L.Trainer(
        default_root_dir=tmp_path, accelerator="cpu", max_steps=3, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, plugins=[SafeCheckpoints()],
    )  # fmt: skip
    resumed.fit(again, batches(32, 8), batches(4, 4), ckpt_path=tmp_path / "last.ckpt")
    assert again.skipped == 1


def test_bfloat16_learns_what_float32_learns_within_two_per_cent(tmp_path: Path) -> None:
    losses = {}
    tokens, valid = sentences(64)
    held_out = ScoreBatch(tokens=tokens, valid=valid, conditions=Conditions(text=(None,) * 64))
    for precision in ("32-true", "bf16-mixed"):
        module = Reader(adamw(lr=0.02))
        fit(module, batches(64, 16), tmp_path, steps=24, precision=precision, max_epochs=-1)
        module.eval()
        with torch.no_grad():
            losses[precision] = float(module.objective(module(held_out), held_out)[0])
    assert losses["32-true"] < 0.5 * math.log(VOCABULARY), "it learns"
    assert losses["bf16-mixed"] == pytest.approx(losses["32-true"], rel=0.02)


def test_losses_are_worked_out_in_float32_whatever_the_network_runs_in(tmp_path: Path) -> None:
    module, kinds = Reader(adamw()), []

    class Spy(TokenCE):
        def forward(self, out, batch):
            kinds.append((out.logits.dtype, torch.is_autocast_enabled("cpu")))
            return super().forward(out, batch)

    module.objective.terms["token_ce"] = Spy(weight=1.0)
    fit(module, batches(32, 8), tmp_path, precision="bf16-mixed")
    assert set(kinds) == {(torch.float32, False)}
