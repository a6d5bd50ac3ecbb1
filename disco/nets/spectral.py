"""Short-time spectra whose frames are the codec's frames, mel bands, and phase for bare magnitudes.

A wave of `f * hop` samples has exactly `f` frames; frame i is centred on the samples i * hop to
(i + 1) * hop. Magnitudes are scaled so that a full-scale sine peaks near 1.
"""

import math
from functools import cache

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional as F

FLOOR = 1e-3  # -60 dB below a full-scale sine: beneath it a codec's bits and a loss's weight are wasted


class Stft(nn.Module):
    """A Hann-windowed transform and its inverse.

    Args:
        size: samples per window.
        hop: samples between windows; at most `size`, of the same parity.

    Raises:
        ValueError: the two do not fit together.
    """

    window: Tensor

    def __init__(self, *, size: int, hop: int) -> None:
        super().__init__()
        if hop > size or (size - hop) % 2:
            raise ValueError(f"a window of {size} samples cannot be centred on frames of {hop}")
        self.size = size
        self.hop = hop
        self.bins = size // 2 + 1
        self.margin = (size - hop) // 2
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def forward(self, wave: Float[Tensor, "b t"]) -> Complex[Tensor, "b bins f"]:
        """Transform; a wave that is no multiple of `hop` loses its last samples."""
        with torch.autocast(wave.device.type, enabled=False):
            padded = F.pad(wave.float(), (self.margin, self.margin))
            spectrum = torch.stft(
                padded, self.size, self.hop, window=self.window, center=False, return_complex=True
            )
        return spectrum * (4.0 / self.size)  # a Hann window sums to size / 2, a sine has half its peak here

    def magnitude(self, wave: Float[Tensor, "b t"]) -> Float[Tensor, "b bins f"]:
        """Return absolute values with a finite gradient at zero."""
        spectrum = self(wave)
        return (spectrum.real.square() + spectrum.imag.square() + 1e-14).sqrt()

    def inverse(self, spectrum: Complex[Tensor, "b bins f"]) -> Float[Tensor, "b t"]:
        """Return the wave of `f * hop` samples whose transform is nearest to `spectrum`."""
        frames = torch.fft.irfft(spectrum * (self.size / 4.0), n=self.size, dim=1) * self.window[:, None]
        envelope = self.window.square()[None, :, None].expand(1, -1, frames.shape[-1])
        return self._overlapped(frames) / self._overlapped(envelope).clamp_min(1e-8)

    def _overlapped(self, frames: Float[Tensor, "b size f"]) -> Float[Tensor, "b t"]:
        """Add frames where they lie: slices of one hop each, which is much faster than `fold`."""
        count = frames.shape[-1]
        slices = -(-self.size // self.hop)
        chunks = F.pad(frames, (0, 0, 0, slices * self.hop - self.size)).unflatten(1, (slices, self.hop))
        total = frames.new_zeros(len(frames), count + slices - 1, self.hop)
        for place in range(slices):
            total[:, place : place + count] += chunks[:, place].mT
        return total.flatten(1)[:, self.margin : self.margin + count * self.hop]


@cache
@torch.inference_mode(mode=False)  # a tensor first made in validation must serve training too
def mel_filters(rate: int, size: int, num_bands: int) -> Float[Tensor, "bands bins"]:
    """Triangular bands on the mel scale (Slaney), each summing to 1, so that levels stay levels.

    Bands narrower than a bin are merged with it: no band is empty.
    """
    from nnAudio.librosa_functions import mel_frequencies

    edges = torch.from_numpy(mel_frequencies(num_bands + 2, fmin=20.0, fmax=rate / 2)).double()
    bins = torch.arange(size // 2 + 1, dtype=torch.float64) * rate / size
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    resolution = rate / size
    rising = (bins - centre) / (centre - lower).clamp_min(resolution) + 1
    falling = (centre - bins) / (upper - centre).clamp_min(resolution) + 1
    triangles = torch.minimum(rising, falling).clamp_min(0)
    return (triangles / triangles.sum(1, keepdim=True)).float()


def log_level(magnitude: Float[Tensor, "*any"], floor: float = FLOOR) -> Float[Tensor, "*any"]:
    """Natural logarithm above the floor; 0 for silence, about 6.9 for a full-scale sine over -60 dB."""
    return torch.log1p(magnitude / floor)


def phase_guess(magnitude: Float[Tensor, "b bins f"], stft: Stft) -> Float[Tensor, "b bins f"]:
    """Let every spectral peak turn at its own frequency from frame to frame; bins follow their peak.

    Single-pass inversion (Beauregard, Harish, Wyse 2015), a start for Griffin-Lim far better than chance
    for music of steady tones.
    """
    level = torch.log(magnitude.clamp_min(1e-7))
    bins = torch.arange(stft.bins, device=level.device)
    left, right = level.roll(1, 1), level.roll(-1, 1)
    peak = (level > left) & (level >= right)
    peak[:, 0] = peak[:, -1] = True  # so that every bin has a peak on either side
    bend = (left - 2 * level + right).clamp_max(-1e-6)
    shift = torch.where(peak, (0.5 * (left - right) / bend).clamp(-0.5, 0.5), 0.0)
    index = bins[None, :, None].expand_as(level)
    below = torch.where(peak, index, 0).cummax(1).values
    above = torch.where(peak, index, stft.bins - 1).flip(1).cummin(1).values.flip(1)
    owner = torch.where(index - below <= above - index, below, above)
    turn = (2 * math.pi * stft.hop / stft.size) * (index + shift).gather(1, owner)
    phase = torch.zeros_like(level)
    for frame in range(1, level.shape[-1]):
        phase[..., frame] = phase[..., frame - 1].gather(1, owner[..., frame]) + turn[..., frame]
    return phase - math.pi * bins[:, None]  # from the window's centre to its first sample


def griffin_lim(
    magnitude: Float[Tensor, "b bins f"], stft: Stft, *, steps: int, momentum: float
) -> Float[Tensor, "b t"]:
    """Find a wave with these magnitudes; the same wave every time (Perraudin, Balazs, Søndergaard 2013).

    Args:
        magnitude: linear, as `Stft.magnitude` returns it.
        stft: whose magnitudes they are.
        steps: projections after the first guess of the phase.
        momentum: how far each step is carried on, 0 to below 1; 0.99 converges fastest.
    """
    phase = phase_guess(magnitude, stft)
    spectrum = torch.polar(magnitude, phase)
    previous = torch.zeros_like(spectrum)
    for _ in range(steps):
        rebuilt = stft(stft.inverse(spectrum))
        direction = rebuilt - momentum / (1 + momentum) * previous
        spectrum = magnitude * direction / (direction.abs() + 1e-9)
        previous = rebuilt
    return stft.inverse(spectrum)


def relative_distance(
    made: Float[Tensor, "b bins f"], wanted: Float[Tensor, "b bins f"]
) -> Float[Tensor, ""]:
    """Spectral convergence (Arık, Jun, Diamos 2019): the energy of the error over that of the original.

    Taken over the whole batch, so that soft passages weigh as softly as they sound, and bounded below
    by the floor, so that silence is safe.
    """
    error = torch.linalg.vector_norm(made - wanted)
    return error / (torch.linalg.vector_norm(wanted) + FLOOR * wanted.numel() ** 0.5)
