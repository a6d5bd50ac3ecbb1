"""Is it sound at all: level, clipping, silence, length, rate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from disco.audio.truepeak import TruePeakMeter
from disco.core.metric import Metric, Take, average
from disco.core.ranges import NaturalFloat, PositiveInt, Share

FULL_SCALE = 32767 / 32768  # the largest sample of a 16-bit file
QUIETEST_DB = -120.0  # digital silence counts as this, so that averages stay finite
ROLLOFF = 0.99  # share of the energy that lies below the bandwidth
_FFT = 2048  # samples


@dataclass(frozen=True)
class Health:
    """What one clip showed."""

    peak: float
    clipped: float
    rms_db: float
    length_error: float
    rate: int
    silent: bool
    ok: bool
    true_peak: float
    bandwidth: float


class Signal(Metric):
    """Faults that anybody hears, counted.

    `peak`: the largest absolute sample of all takes (1 is full scale). `true_peak_db`: the largest value
    between the samples in dB relative to full scale, four times oversampled (ITU-R BS.1770-4); players clip
    above 0. `bandwidth`: Hz below which 99 % of the energy lies, mean over takes that sound. `clipped`:
    mean share of samples at or beyond full scale. `rms_db`: mean level per take in dBFS (a full-scale square
    wave is 0). `length_error`: the largest distance in seconds from the asked length. `rate`: the lowest
    sampling rate in Hz. `silent`: share of takes below `silence_db`. `ok`: share of takes without any fault;
    samples that are not finite are one.

    Args:
        silence_db: RMS level in dBFS below which a take counts as silent.
        max_clipped: share of clipped samples that is still no fault.
        max_length_error: seconds off the asked length that are still no fault.
        min_rate: Hz below which the rate is a fault.
    """

    needs = frozenset({"made"})
    deaf: ClassVar[Mapping[str, str]] = {
        "detune": "it looks for faults of the recording, not of the players",
        "jitter": "it looks for faults of the recording, not of the players",
        "shuffle": "it sums over the take, whatever comes when",
    }
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "peak": None,
        "true_peak_db": None,
        "bandwidth": None,
        "clipped": False,
        "rms_db": None,
        "length_error": False,
        "rate": True,
        "silent": False,
        "ok": True,
    }

    def __init__(
        self, *, silence_db: float, max_clipped: Share, max_length_error: NaturalFloat, min_rate: PositiveInt
    ) -> None:
        super().__init__()
        self.silence_db = silence_db
        self.max_clipped = max_clipped
        self.max_length_error = max_length_error
        self.min_rate = min_rate

    def measure(self, made: Take, reference: Take | None) -> Health:
        """Examine one clip."""
        clip = made.sound
        wave = clip.wave.detach().double()
        finite = bool(wave.isfinite().all()) and wave.numel() > 0
        wave = wave.nan_to_num(0.0, 0.0, 0.0)
        power = float(wave.square().mean()) if wave.numel() else 0.0
        rms_db = max(QUIETEST_DB, 10 * math.log10(power)) if power > 0 else QUIETEST_DB
        clipped = float((wave.abs() >= FULL_SCALE).double().mean()) if wave.numel() else 0.0
        length_error = 0.0 if made.seconds is None else abs(clip.seconds - made.seconds)
        silent = rms_db < self.silence_db
        ok = (
            finite
            and not silent
            and clipped <= self.max_clipped
            and length_error <= self.max_length_error
            and clip.rate >= self.min_rate
        )
        peak = float(wave.abs().max()) if wave.numel() else 0.0
        return Health(
            peak,
            clipped,
            rms_db,
            length_error,
            clip.rate,
            silent,
            ok,
            _true_peak(wave),
            bandwidth(wave, clip.rate),
        )

    def summarise(self, rows: Sequence[Health]) -> dict[str, float]:
        """Report the worst peak, length and rate, and the mean of the rest."""

        def mean(name: str) -> float:
            return math.fsum(getattr(row, name) for row in rows) / len(rows)

        loudest = max(row.true_peak for row in rows)
        return {
            "peak": max(row.peak for row in rows),
            "true_peak_db": max(QUIETEST_DB, 20 * math.log10(loudest)) if loudest > 0 else QUIETEST_DB,
            "bandwidth": average(row.bandwidth for row in rows),
            "clipped": mean("clipped"),
            "rms_db": mean("rms_db"),
            "length_error": max(row.length_error for row in rows),
            "rate": float(min(row.rate for row in rows)),
            "silent": mean("silent"),
            "ok": mean("ok"),
        }


def _true_peak(wave: Float[Tensor, "c t"]) -> float:
    meter = TruePeakMeter(channels=wave.shape[0])
    meter.push(wave.cpu().float().numpy())
    meter.flush()
    return meter.true_peak


def bandwidth(wave: Float[Tensor, "c t"], rate: int) -> float:
    """Return the frequency in Hz below which 99 % of the energy lies; NaN for silence."""
    if wave.shape[1] < _FFT:
        wave = torch.nn.functional.pad(wave, (0, _FFT - wave.shape[1]))
    window = torch.hann_window(_FFT, dtype=wave.dtype, device=wave.device)
    spectrum = torch.stft(wave, _FFT, _FFT // 2, window=window, center=False, return_complex=True)
    energy = spectrum.abs().square().sum((0, 2)).cumsum(0)
    if float(energy[-1]) <= 0:
        return math.nan
    return float((energy < ROLLOFF * energy[-1]).sum()) * rate / _FFT
