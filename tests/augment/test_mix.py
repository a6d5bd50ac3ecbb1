"""Two sounds at once: each as loud as drawn, for as long as drawn, and told in one sentence."""

import pytest
import torch

from disco.augment.mix import Mix
from disco.core.contracts import seeded
from disco.errors import DiscoError


def mix(**changes) -> Mix:
    return Mix(**{"share": 0.5, "min_snr_db": -5.0, "max_snr_db": 5.0, "min_overlap": 0.5, **changes})


def noise(seed: int, samples: int = 8000, level: float = 0.05) -> torch.Tensor:
    return level * torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))


def decibels(wave: torch.Tensor) -> float:
    return 20 * wave.square().mean().sqrt().log10().item()


@pytest.mark.parametrize("seed", range(6))
def test_a_mixture_is_the_sum_of_its_sounds_at_the_drawn_level(seed: int) -> None:
    one, other = noise(1), noise(2, level=0.001)
    made = mix(min_snr_db=3.0, max_snr_db=3.0)(one, other, seeded(seed))
    added = made - one
    start = int((added.abs() > 0).float().argmax())
    heard = other[:, : 8000 - start]
    gain = (added[:, start:] * heard).sum() / heard.square().sum()
    assert torch.allclose(made, one + torch.nn.functional.pad(gain * heard, (start, 0)), atol=1e-6)
    assert decibels(one) - decibels(gain * heard) == pytest.approx(3.0, abs=0.1)


def test_levels_and_places_cover_their_range() -> None:
    one, other = noise(1), noise(2)
    snrs, overlaps = [], []
    for seed in range(200):
        added = mix()(one, other, seeded(seed)) - one
        begun = added[0].abs() > 0
        snrs.append(decibels(one) - decibels(added[:, begun]))
        overlaps.append(begun.float().mean().item())
    assert -5.2 < min(snrs) < -4 < 4 < max(snrs) < 5.2
    assert 0.49 < min(overlaps) < 0.6 < 0.9 < max(overlaps) <= 1


def test_every_second_example_takes_another_in() -> None:
    wanted = [mix().wanted(seeded(seed)) for seed in range(2000)]
    assert sum(wanted) / 2000 == pytest.approx(0.5, abs=0.04)
    assert not any(mix(share=0.0).wanted(seeded(seed)) for seed in range(50))


def test_a_loud_mixture_is_turned_down_as_a_whole() -> None:
    one = torch.sign(noise(1))
    made = mix(min_snr_db=0.0, max_snr_db=0.0, min_overlap=1.0)(one, torch.sign(noise(2)), seeded(0))
    assert made.abs().max().item() == pytest.approx(1.0)
    assert set(made.unique().tolist()) <= {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("samples", [2000, 20000])
def test_the_mixture_is_as_long_as_the_first(samples: int) -> None:
    assert mix()(noise(1), noise(2, samples), seeded(0)).shape == (1, 8000)


def test_silence_is_not_made_loud() -> None:
    one, silence = noise(1), torch.zeros(1, 8000)
    assert torch.equal(mix()(one, silence, seeded(0)), one)
    assert torch.equal(mix()(silence, one, seeded(0)), silence)


def test_captions_are_joined() -> None:
    join = mix().caption
    assert join("A dog barks.", " rain on a roof") == "A dog barks and rain on a roof"
    assert join("A dog barks.", None) == "A dog barks"
    assert join(None, "  ") is None


def test_bounds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(DiscoError, match="swap them"):
        mix(min_snr_db=5.0, max_snr_db=-5.0)
