"""How far a wave is from the one that it should be: ratios in dB, and distances of spectra."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

MOST_DB = 100.0  # equal waves have this: more than 16 bits can hold
WINDOWS = (512, 1024, 2048)  # samples, of the distance over several resolutions (Parallel WaveGAN)
_FLOOR = 1e-5  # magnitudes below -100 dB of full scale count as this


def snr_db(made: Float[Tensor, "c t"], wanted: Float[Tensor, "c t"]) -> float:
    """Return the energy of the wanted wave over that of the error in dB, `-MOST_DB` to `MOST_DB`.

    More is better; NaN where nothing was wanted.
    """
    return _ratio_db(wanted, made - wanted)


def si_sdr_db(made: Float[Tensor, "c t"], wanted: Float[Tensor, "c t"]) -> float:
    """Return the same whatever the level of the made wave (Le Roux et al. 2019, arXiv 1811.02508).

    The part of the made wave that is a copy of the wanted one, over the rest: more is better. The mean of
    each channel is taken away first. NaN where nothing was wanted, `-MOST_DB` where nothing was made.
    """
    made = made - made.mean(-1, keepdim=True)
    wanted = wanted - wanted.mean(-1, keepdim=True)
    energy = wanted.double().square().sum()
    if energy == 0:
        return math.nan
    copy = (made.double() * wanted.double()).sum() / energy * wanted.double()
    return _ratio_db(copy, made.double() - copy) if bool(copy.any()) else -MOST_DB


def _ratio_db(signal: Tensor, error: Tensor) -> float:
    kept, lost = (float(x.double().square().sum()) for x in (signal, error))
    if kept == 0:
        return math.nan
    if lost == 0:
        return MOST_DB
    return max(-MOST_DB, min(MOST_DB, 10 * math.log10(kept / lost)))


def spectral_convergence(made: Float[Tensor, "c t"], wanted: Float[Tensor, "c t"], *, size: int) -> float:
    """Return ‖|S| − |Ŝ|‖ / ‖|S|‖ over Frobenius norms, 0 for equal magnitudes (Arık et al. 2019).

    NaN where nothing was wanted.
    """
    mine, theirs = magnitudes(made, size), magnitudes(wanted, size)
    whole = float(torch.linalg.vector_norm(theirs))
    return float(torch.linalg.vector_norm(theirs - mine)) / whole if whole else math.nan


def log_distance(made: Float[Tensor, "c t"], wanted: Float[Tensor, "c t"], *, size: int) -> float:
    """Return the mean distance of log magnitudes in nats."""
    mine, theirs = (magnitudes(wave, size).clamp_min(_FLOOR).log() for wave in (made, wanted))
    return float((mine - theirs).abs().mean())


def multi_stft_distance(made: Float[Tensor, "c t"], wanted: Float[Tensor, "c t"]) -> float:
    """Return spectral convergence plus log distance, averaged over windows (Yamamoto et al. 2020)."""
    sizes = [size for size in WINDOWS if size <= wanted.shape[-1]] or [WINDOWS[0]]
    return math.fsum(
        spectral_convergence(made, wanted, size=size) + log_distance(made, wanted, size=size)
        for size in sizes
    ) / len(sizes)


def magnitudes(wave: Float[Tensor, "c t"], size: int) -> Float[Tensor, "c bins f"]:
    """Return absolute values of Hann-windowed spectra, a quarter of a window apart; a sine peaks near 1."""
    wave = wave.detach().cpu().double()
    window = torch.hann_window(size, dtype=torch.float64)
    spectrum = torch.stft(
        wave, size, size // 4, window=window, center=True, pad_mode="constant", return_complex=True
    )
    return spectrum.abs() * (4.0 / size)
