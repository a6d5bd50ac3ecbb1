"""What every loss owes: least at equality, finite gradients, beside silence too; it says what it reads."""

from __future__ import annotations

import pytest
import torch
from omegaconf import OmegaConf

from disco.apps.compose import build
from disco.apps.launch import CONF
from disco.core.batch import AudioBatch, Conditions
from disco.core.outputs import SLOTS, Outputs
from disco.core.term import Critic, Term
from disco.nets.spectral import Stft

RATE, HOP = 16000, 500
LOSSES = sorted((CONF / "loss").glob("*.yaml"))


@pytest.fixture(params=LOSSES, ids=lambda path: path.stem)
def term(request: pytest.FixtureRequest) -> Term:
    torch.manual_seed(0)
    ((name, node),) = OmegaConf.load(request.param).items()
    assert name == request.param.stem
    return build(node, f"loss.{name}")


def music() -> torch.Tensor:
    """Half a second of a chord, twice, at two levels."""
    time = torch.arange(RATE // 2) / RATE
    chord = sum(torch.sin(2 * torch.pi * hertz * time) for hertz in (220.0, 277.2, 329.6)) / 4
    return torch.stack([chord, 0.3 * chord])[:, None]


def noise() -> torch.Tensor:
    return torch.randn(2, 1, RATE // 2, generator=torch.Generator().manual_seed(1))


def answer(term: Term, made: torch.Tensor, wanted: torch.Tensor) -> Outputs:
    """Fill in the slots that the term needs and no other, from a wave made and a wave wanted."""
    steps = (made[:, :, ::HOP].abs() * 7, wanted[:, :, ::HOP].abs() * 7)
    slots = {
        "wave": made,
        "reference": wanted,
        "magnitude": spectrum(made),
        "magnitude_reference": spectrum(wanted),
        "commitment": (made - wanted).square().mean(),
        "logits": -20 * (steps[0][..., None] - torch.arange(8)).square(),
        "targets": steps[1].detach().round().long().clamp(0, 7),
        "mask": torch.ones(steps[0].shape, dtype=torch.bool),
    }
    assert term.needs <= set(slots), "teach this test what the new slot holds"
    return Outputs(**{name: slots[name] for name in term.needs})


def spectrum(wave: torch.Tensor) -> torch.Tensor:
    return Stft(size=1024, hop=HOP).magnitude(wave.flatten(0, 1))


def value(term: Term, made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    out = answer(term, made, wanted)
    if isinstance(term, Critic):
        term.own_loss(out)  # as a training step does before the model's own
    valid = torch.full((len(wanted),), wanted.shape[-1])
    conditions = Conditions(text=(None,) * len(wanted))
    return term(out, AudioBatch(wave=wanted.detach(), valid=valid, rate=RATE, conditions=conditions))


def test_reads_no_slot_but_those_it_names(term: Term) -> None:
    assert term.needs
    assert term.needs <= SLOTS
    assert value(term, music(), music()).shape == ()


def test_is_least_at_equality_and_grows_with_the_error(term: Term) -> None:
    wanted = music()
    near, far = (value(term, wanted + level * noise(), wanted).item() for level in (0.1, 1.0))
    assert 0 <= value(term, wanted, wanted).item() < near < far


@pytest.mark.parametrize("levels", [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_gradients_are_finite_also_beside_silence(term: Term, levels: tuple[float, float]) -> None:
    made = (levels[0] * (music() + 0.1 * noise())).requires_grad_()
    result = value(term, made, levels[1] * music())
    result.backward()
    assert result.isfinite()
    assert made.grad is not None
    assert made.grad.isfinite().all()


def test_moves_what_was_made_towards_what_was_wanted(term: Term) -> None:
    wanted = music()
    made = (wanted + 0.1 * noise()).requires_grad_()
    before = value(term, made, wanted)
    before.backward()
    with torch.no_grad():
        step = 1e-3 * made.grad / made.grad.norm()
        assert value(term, made - step, wanted) < before
