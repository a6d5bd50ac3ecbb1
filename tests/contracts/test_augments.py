"""What every augmentation owes: the identity where every number is 0, a seed that holds, the shape it got."""

from __future__ import annotations

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from disco.apps.compose import build
from disco.apps.launch import CONF
from disco.core.contracts import Augment, PairAugment, ScoreAugment, WordAugment, seeded
from disco.core.record import Record
from disco.midi.tokens import Remi
from tests.contracts.models import clips, scores

AUGMENTS = sorted((CONF / "augment").glob("*.yaml"))
RECORD = Record(
    id="a", file_path="a.wav", duration=9.0, sample_rate=16000, caption="A tune.", genre=["reel"], key="Dmaj",
    tempo=120.0, metre="4/4", instruments=["flute"],
)  # fmt: skip
REMI = Remi(positions_per_beat=12)


@pytest.fixture(params=AUGMENTS, ids=lambda path: path.stem)
def node(request: pytest.FixtureRequest) -> DictConfig:
    ((name, node),) = OmegaConf.load(request.param).items()
    assert name == request.param.stem
    return node


def varied(augment: Augment, seed: int) -> torch.Tensor:
    """One example after the augmentation."""
    if isinstance(augment, ScoreAugment):
        return augment(example(augment), seeded(seed), REMI.pitches)
    if isinstance(augment, WordAugment):
        return letters(augment(RECORD, seeded(seed)))
    if isinstance(augment, PairAugment):
        generator, wave = seeded(seed), example(augment)
        other = clips()[1].wave[:, :8000]
        return augment(wave, other, generator) if augment.wanted(generator) else wave
    return augment(example(augment), seeded(seed))


def letters(text: str | None) -> torch.Tensor:
    return torch.tensor([ord(letter) for letter in text or ""])


def example(augment: Augment) -> torch.Tensor:
    if isinstance(augment, WordAugment):
        return letters(RECORD.caption)
    if isinstance(augment, ScoreAugment):
        return torch.tensor([REMI.bos, *REMI.encode(scores()[0])])
    return clips()[0].wave[:, :8000].clone()


def test_at_strength_zero_it_is_the_identity(node: DictConfig) -> None:
    still = OmegaConf.create(
        {key: type(value)(0) if isinstance(value, int | float) else value for key, value in node.items()}
    )
    augment = build(still, "augment")
    assert torch.equal(varied(augment, 1), example(augment))


def test_a_seed_holds_and_seeds_differ(node: DictConfig) -> None:
    augment = build(node, "augment")
    assert torch.equal(varied(augment, 3), varied(augment, 3))
    assert len({tuple(varied(augment, seed).flatten().tolist()) for seed in range(8)}) > 2


def test_neither_the_global_generator_nor_the_input_is_touched(node: DictConfig) -> None:
    augment = build(node, "augment")
    given = example(augment)
    before, state = given.clone(), torch.random.get_rng_state()
    varied(augment, 0)
    assert torch.equal(given, before)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_shape_kind_and_bounds_stay(node: DictConfig) -> None:
    augment = build(node, "augment")
    if isinstance(augment, WordAugment):
        return  # words have no shape
    given = example(augment)
    for seed in range(5):
        made = varied(augment, seed)
        assert (made.shape, made.dtype) == (given.shape, given.dtype)
        if isinstance(augment, ScoreAugment):
            pitch = torch.tensor([token in REMI.pitches for token in given.tolist()])
            assert torch.equal(made[~pitch], given[~pitch])
            assert all(token in REMI.pitches for token in made[pitch].tolist())
        else:
            assert made.abs().max() <= 1
