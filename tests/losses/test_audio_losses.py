"""Losses of waves and magnitudes: least at equality, finite on silence, and they hear what they should."""

import math

import pytest
import torch
from torch import Tensor

from disco.core.batch import AudioBatch, Conditions
from disco.core.outputs import Outputs
from disco.core.term import Term
from disco.losses.adversarial import Adversarial
from disco.losses.commitment import Commitment
from disco.losses.magnitude import Magnitude
from disco.losses.mel import Mel
from disco.losses.stft import MultiStft
from disco.losses.waveform import Waveform
from disco.nets.discriminators import MultiStftCritic
from disco.nets.spectral import Stft

RATE = 16000
WAVE_TERMS = [
    Mel(weight=1.0, windows=[256, 1024], num_bands=[20, 60]),
    MultiStft(weight=1.0, windows=[256, 1024], relative=1.0, level=1.0),
    Waveform(weight=1.0),
]


def chord(seconds: float = 0.4) -> Tensor:
    time = torch.arange(round(RATE * seconds)) / RATE
    notes = [torch.sin(2 * math.pi * hertz * time) for hertz in (220.0, 277.2, 329.6)]
    return (sum(notes) / 4)[None, None]


def batch_of(wave: Tensor) -> AudioBatch:
    valid = torch.full((len(wave),), wave.shape[-1])
    return AudioBatch(wave=wave, valid=valid, rate=RATE, conditions=Conditions(text=[None] * len(wave)))


def value(term: Term, made: Tensor, wanted: Tensor) -> Tensor:
    if isinstance(term, Magnitude):
        stft = Stft(size=1024, hop=500)
        spectra = [
            stft.magnitude(wave[..., : wave.shape[-1] // 500 * 500].flatten(0, 1)) for wave in (made, wanted)
        ]
        return term(Outputs(magnitude=spectra[0], magnitude_reference=spectra[1]), batch_of(wanted))
    return term(Outputs(wave=made, reference=wanted), batch_of(wanted))


def magnitude() -> Magnitude:
    return Magnitude(weight=1.0, floor_db=60.0, relative=1.0)


@pytest.mark.parametrize("term", [*WAVE_TERMS, magnitude()], ids=lambda t: type(t).__name__)
class TestDistances:
    def test_equal_sounds_have_no_distance_and_worse_ones_more(self, term):
        wave = chord()
        noise = torch.randn(wave.shape, generator=torch.Generator().manual_seed(0))
        apart = [value(term, wave + level * noise, wave).item() for level in (0.0, 0.003, 0.03)]
        assert apart[0] == pytest.approx(0.0, abs=1e-6)
        assert apart[0] < apart[1] < apart[2]

    @pytest.mark.parametrize("level", [0.0, 0.3])
    def test_gradient_is_finite_beside_silence(self, term, level):
        for made, wanted in (
            (level * chord(), torch.zeros_like(chord())),
            (torch.zeros_like(chord()), level * chord()),
        ):
            made = made.clone().requires_grad_()
            value(term, made, wanted).backward()
            assert made.grad.isfinite().all()

    def test_order_of_items_does_not_matter(self, term):
        waves = torch.cat([chord(), 0.3 * chord(), chord().flip(-1)])
        made = 0.8 * waves.roll(11, -1)
        turned = value(term, made.flip(0), waves.flip(0))
        assert turned.item() == pytest.approx(value(term, made, waves).item(), rel=1e-4)


def test_mel_hears_a_gain_of_6_decibels_as_its_nepers():
    distance = value(WAVE_TERMS[0], 0.5 * loud_noise(), loud_noise()).item()
    assert distance == pytest.approx(math.log(2), abs=0.02)


def loud_noise() -> Tensor:
    return 9.0 * torch.randn(1, 1, RATE, generator=torch.Generator().manual_seed(0))


def test_waveform_hears_phase_and_the_spectral_terms_do_not():
    wave = chord(1.0)
    waveform, mel = (value(term, -wave, wave).item() for term in (WAVE_TERMS[2], WAVE_TERMS[0]))
    assert waveform > 0.2
    assert mel == pytest.approx(0.0, abs=1e-5)


def test_commitment_is_the_models_own_figure():
    out = Outputs(commitment=torch.tensor(0.7))
    assert Commitment(weight=2.0)(out, batch_of(chord())).item() == pytest.approx(0.7)


def critic(start: int = 0) -> Adversarial:
    torch.manual_seed(0)
    return Adversarial(
        weight=1.0, features=1.0, start=start, critic=MultiStftCritic(windows=[256, 128], filters=4)
    )


def test_critic_learns_to_tell_noise_from_a_chord():
    term = critic()
    noise = 0.3 * torch.randn(chord().shape, generator=torch.Generator().manual_seed(0))
    out = Outputs(wave=noise, reference=chord())
    optimizer = torch.optim.Adam(term.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = term.own_loss(out)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(2.0, abs=0.3)  # an ignorant critic scores everything 0
    assert losses[-1] < 0.5
    fooled = term(Outputs(wave=chord(), reference=chord()), batch_of(chord()))
    assert fooled < term(out, batch_of(chord()))


def test_model_hears_nothing_of_the_critic_before_the_start():
    term = critic(start=2)
    made = (0.5 * chord()).requires_grad_()
    out = Outputs(wave=made, reference=chord())
    for step in range(1, 5):
        before = term.own_loss(out)
        heard = term(out, batch_of(chord()))
        assert (heard.item() > 0) == (before.item() > 0) == (step > 2)
    (gradient,) = torch.autograd.grad(heard, made)
    assert gradient.abs().max() > 0


def test_critics_own_loss_leaves_the_model_alone():
    made = (0.5 * chord()).requires_grad_()
    critic().own_loss(Outputs(wave=made, reference=chord())).backward()
    assert made.grad is None


def test_adversarial_gradient_is_finite_on_silence():
    made = torch.zeros_like(chord()).requires_grad_()
    term = critic()
    out = Outputs(wave=made, reference=torch.zeros_like(chord()))
    term.own_loss(out)
    term(out, batch_of(chord())).backward()
    assert made.grad.isfinite().all()
