"""Sharded training: shares of the weights learn what copies of them learn, and leave whole files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disco.apps.runs import open_run
from disco.core.batch import Conditions
from disco.core.checkpoint_io import read_checkpoint
from disco.core.contracts import Sampler
from tests.apps.launched import EVERY, STILL, Cases, alone, in_two, largest_gap, losses
from tests.tiny_runs import TINY, TINY_CODEC, TINY_MUSICGEN, TINY_SYMBOLIC

SHARES, COPIES = "trainer=fsdp_cpu", "trainer=ddp_cpu"
TINY_SEANET = [
    "model=autoencoder_seanet", "model.encoder.filters=4", "model.encoder.latent=16", "model.encoder.lstm=1",
    "model.quantizer.code_dim=16", "model.quantizer.cardinality=16", *TINY,
    "model.quantizer.restarts=[1000]",  # codes are chosen, and a choice may turn on the last bit of a sum
    "loss.adversarial.critic.windows=[256]", "loss.adversarial.critic.filters=2",
]  # fmt: skip
FAMILIES = ["symbolic", "musicgen", "lora", "codec", "critic"]
WITH = ["callbacks=[guard,checkpoint,history,samples,ema]", "callbacks.samples.seconds=1.0", "optim=sgd"]
STEPS, STOP = 12, 8
BUDGET = ["callbacks=[checkpoint,history,ema,budget]", "optim.fused=false", f"trainer.max_steps={STEPS}"]
pytestmark = [pytest.mark.long, pytest.mark.ddp]


def words_of(family: str, request: pytest.FixtureRequest) -> list[str]:
    both = [*request.getfixturevalue("corner"), *EVERY, "data.batch_size=2"]
    if family == "codec":
        return [*TINY_CODEC, *both]
    if family == "critic":
        return [*TINY_SEANET, *both, "loss=[mel,commitment,adversarial]"]
    if family == "symbolic":
        return [*TINY_SYMBOLIC, *both, *STILL, "trainer.accumulate_grad_batches=2"]
    base, codec = request.getfixturevalue("musicgen_run"), request.getfixturevalue("codec_run")
    words = [*TINY_MUSICGEN, *both, *STILL, "codec=run", f"codec.run={codec}"]
    if family == "lora":
        words += ["adapter=lora", "adapter.rank=2", "weights=run", f"weights.run={base}"]
    return words


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All runs that two processes make."""
    folder = tmp_path_factory.mktemp("sharded")
    cases: Cases = []
    for family in FAMILIES:
        words = [*words_of(family, request), *WITH, "trainer.max_steps=20"]
        cases += [
            (folder / family / "shares", [*words, SHARES]),
            (folder / family / "copies", [*words, COPIES]),
        ]
    words = [*words_of("symbolic", request), *BUDGET]
    until = f"callbacks.budget.steps={STOP}"
    cases += [
        (folder / "whole", [*words, SHARES]),
        (folder / "cut", [*words, SHARES, until]),
        (folder / "single", [*words, SHARES, until]),
        (folder / "plain", [*words, COPIES, until]),
        (folder / "cut", [*words, SHARES, "resume=auto"]),
        (folder / "held", [*words_of("symbolic", request), SHARES, "trainer.max_steps=1", "method=[l2sp]"]),
    ]
    in_two(folder, cases)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_shares_learn_what_copies_learn(family: str, runs: Path) -> None:
    shares, copies = runs / family / "shares", runs / family / "copies"
    name = "adapter_model.safetensors" if family == "lora" else "weights.safetensors"
    assert len(losses(shares)) == 20
    assert losses(shares) == pytest.approx(losses(copies), abs=1e-5)
    for file in (name, "checkpoints/best.safetensors"):
        assert largest_gap(shares / file, copies / file) <= 1e-5


def shapes(tree: object) -> object:
    """Return what a checkpoint holds, without its numbers."""
    if isinstance(tree, torch.Tensor):
        return (tuple(tree.shape), tree.dtype)
    if isinstance(tree, dict):
        return {key: shapes(value) for key, value in tree.items()}
    return [shapes(value) for value in tree] if isinstance(tree, list | tuple) else type(tree)


def test_a_checkpoint_does_not_show_how_it_was_trained(runs: Path) -> None:
    shares, copies = (
        read_checkpoint(runs / name / "checkpoints" / "last.ckpt") for name in ("single", "plain")
    )
    assert shares["global_step"] == STOP
    for part in ("state_dict", "optimizer_states", "average", "learned"):
        assert shapes(shares[part]) == shapes(copies[part])


def test_a_sharded_run_is_resumed_to_the_same_bits(runs: Path) -> None:
    assert losses(runs / "cut") == losses(runs / "whole")
    for file in ("weights.safetensors", "checkpoints/best.safetensors"):
        assert largest_gap(runs / "cut" / file, runs / "whole" / file) == 0


def test_a_sharded_run_goes_on_alone(runs: Path, request) -> None:
    alone(runs / "single", [*words_of("symbolic", request), *BUDGET, "trainer=cpu", "resume=auto"])
    assert losses(runs / "single") == pytest.approx(losses(runs / "whole"), abs=1e-5)
    file = "weights.safetensors"
    assert largest_gap(runs / "single" / file, runs / "whole" / file) <= 1e-5


def test_what_it_leaves_makes_music(runs: Path) -> None:
    wish = Conditions(text=(None,))
    model = open_run(runs / "symbolic" / "shares")
    (score,) = model.generate(wish, seconds=2.0, sampler=Sampler(top_k=5), seed=7)
    assert score.dumps_midi()


def test_what_would_stand_still_is_refused(runs: Path) -> None:
    for rank in (0, 1):
        told = (runs / "held" / f"refused-{rank}.txt").read_text()
        assert "weights cannot be shared out: something besides the model holds" in told
