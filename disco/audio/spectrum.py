"""One short-time transform of a stream, and every spectral curve from it.

Frames are centred as librosa centres them (zeros beyond the ends), so curve `i` stands for second
`i * hop / rate` of the stream. The transform runs in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.fft import dct

from disco.audio.banks import bank
from disco.audio.fourier import plan
from disco.audio.kernels import fold, read_frames
from disco.audio.spool import let_go, room
from disco.errors import DiscoError

NUM_MFCC = 20
_PIECE = 4096  # frames at once where decibels are needed, so that a long file costs no second mel
BASS_BANDS = 8  # of 128: below about 250 Hz
_FLOOR, _RANGE_DB = 1e-10, 80.0  # librosa's `power_to_db`


@dataclass(frozen=True)
class Curves:
    """What one stream showed, frame by frame; where only mel is wanted, `g` is 0 and otherwise `f`.

    Attributes:
        mel: power in 128 Slaney bands. mfcc: of the same mel, in decibels as librosa has them.
        chroma: pitch classes from C on, the strongest of each frame at 1; A4 is 440 Hz.
        contrast: decibels between peaks and valleys of 7 octave bands; 0 above half the rate.
        centroid: Hz. rms: of all channels, over the frame. peak: of all channels, up to the next frames.
        onset: how much each band rises from frame to frame on average, in decibels (Böck and Widmer 2013,
            one lag). bass_onset: of the lowest bands alone, where a bass note or a kick drum begins.
        mean_power: long-term mean power of each bin.
        curve_rate: frames per second.
    """

    mel: Float[np.ndarray, "f 128"]
    mfcc: Float[np.ndarray, "g 20"]
    chroma: Float[np.ndarray, "g 12"]
    contrast: Float[np.ndarray, "g 7"]
    centroid: Float[np.ndarray, " g"]
    rms: Float[np.ndarray, " f"]
    peak: Float[np.ndarray, " f"]
    onset: Float[np.ndarray, " g"]
    bass_onset: Float[np.ndarray, " g"]
    mean_power: Float[np.ndarray, " bins"]
    curve_rate: float


def describe(wave: Float[np.ndarray, "c t"], rate: int, n_fft: int = 2048, hop: int = 512) -> Curves:
    """Find the curves of a whole wave."""
    spectrum = Spectrum(rate=rate, n_fft=n_fft, hop=hop, num_samples=wave.shape[1])
    spectrum.push(wave.astype(np.float32, copy=False))
    return spectrum.finish()


class Spectrum:
    """Takes a stream in blocks of any size and gives its curves at the end.

    Channels are averaged before the transform; levels are of all channels.

    Args:
        rate: Hz.
        n_fft: samples of a frame, a power of two and a multiple of twice `hop`.
        hop: samples from frame to frame.
        num_samples: how long the stream will about be; memory grows where it is longer.
        mel_only: find no more than mel and levels; the other curves have no frames.
    """

    def __init__(self, *, rate: int, n_fft: int, hop: int, num_samples: int, mel_only: bool = False) -> None:
        if hop < 2 or n_fft % (2 * hop) or n_fft < 8 or n_fft & (n_fft - 1):
            raise DiscoError(
                f"n_fft={n_fft} is no power of two and multiple of twice hop={hop}",
                do="use n_fft=2048 and hop=512",
            )
        self.rate, self.n_fft, self.hop, self.mel_only = rate, n_fft, hop, mel_only
        self.plan, self.bank = plan(n_fft), bank(rate, n_fft)
        self.held = np.zeros(n_fft // 2, np.float32)  # what the next frames begin with, and room for more
        self.num_held = n_fft // 2
        self.mean_power = np.zeros(n_fft // 2 + 1)
        self.num_frames = 0
        self.num_samples = 0
        self.level = np.zeros(2, np.float32)  # energy and peak of the hop that has begun
        frames = num_samples // hop + 2
        self.store = {name: room((frames, size), np.float32) for name, size in _SIZES.items()}

    def push(self, block: Float[np.ndarray, "c t"]) -> None:
        """Take the next samples."""
        if not block.shape[1]:
            return
        frames = np.ascontiguousarray(block.T)
        self._reserve((self.num_samples + len(frames)) // self.hop + 2)
        mono = self._ahead(len(frames))
        fold(frames, mono, self.store["level"], self.level, self.num_samples, self.hop)
        self.num_samples += len(frames)
        self._transform()

    def finish(self) -> Curves:
        """Close the stream."""
        hop, reach = self.hop, self.n_fft // (2 * self.hop)
        self._ahead(self.n_fft // 2)[:] = 0.0
        self._transform()
        frames = self.num_frames
        full, begun = divmod(self.num_samples, hop)
        if begun:
            self.store["level"][full] = self.level
        level = self.store["level"][: full + bool(begun)]
        energy = np.zeros(frames + 2 * reach + 1)
        energy[reach + 1 : reach + 1 + len(level)] = level[:, 0]
        running = np.cumsum(energy)
        power = running[2 * reach : 2 * reach + frames] - running[:frames]
        around = np.zeros(frames + 1, np.float32)
        around[1 : len(level) + 1] = level[:frames, 1]
        curves = {name: values[:frames] for name, values in self.store.items()}
        if self.mel_only:
            curves |= {name: curves[name][:0] for name in ("chroma", "contrast", "centroid")}
        mfcc, onset, bass_onset = _cepstrum_and_onsets(curves["mel"][: 0 if self.mel_only else None], reach)
        return Curves(
            mel=curves["mel"],
            mfcc=mfcc,
            chroma=curves["chroma"],
            contrast=curves["contrast"],
            centroid=curves["centroid"][:, 0],
            rms=np.sqrt(np.maximum(power, 0.0) / self.n_fft).astype(np.float32),
            peak=np.maximum(around[:-1], around[1:]),
            onset=onset,
            bass_onset=bass_onset,
            mean_power=(self.mean_power / max(frames, 1)).astype(np.float32),
            curve_rate=self.rate / hop,
        )

    def _ahead(self, count: int) -> Float[np.ndarray, " t"]:
        """Make room for samples behind those that are held, and return it."""
        last = self.num_held + count
        if last > len(self.held):
            self.held = np.concatenate([self.held[: self.num_held], np.empty(count, np.float32)])
        self.num_held = last
        return self.held[last - count : last]

    def _transform(self) -> None:
        samples = self.held[: self.num_held]
        count = max(0, (len(samples) - self.n_fft) // self.hop + 1)
        if not count:
            return
        first, last = self.num_frames, self.num_frames + count
        self._reserve(last)
        mel, chroma, contrast, centroid = (
            self.store[name][first:last] for name in ("mel", "chroma", "contrast", "centroid")
        )
        curves = mel, chroma, contrast, centroid, self.mean_power
        read_frames(samples, self.hop, *self.plan, *self.bank, *curves, self.mel_only)
        for values in self.store.values():
            let_go(values)
        self.num_frames, self.num_held = last, len(samples) - count * self.hop
        self.held[: self.num_held] = samples[count * self.hop :].copy()

    def _reserve(self, frames: int) -> None:
        held = len(self.store["mel"])
        if frames > held:
            more = max(frames, held * 3 // 2)
            for name, values in self.store.items():
                self.store[name] = room((more, values.shape[1]), np.float32)
                self.store[name][:held] = values


_SIZES = {"mel": 128, "chroma": 12, "contrast": 7, "centroid": 1, "level": 2}


def decibels(mel: Float[np.ndarray, "f m"], highest: float) -> Float[np.ndarray, "f m"]:
    """Turn power into decibels, at most 80 below the `highest` power."""
    scale = np.float32(10 / np.log(10))
    values = np.log(np.maximum(np.asarray(mel), np.float32(_FLOOR)))
    values *= scale
    lowest = np.float32(10 * np.log10(max(highest, _FLOOR)) - _RANGE_DB)
    return np.maximum(values, lowest, out=values)


def _cepstrum_and_onsets(mel: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Go through the decibels once, in pieces.

    A frame hears an onset up to `reach` hops before it is centred on it, so the rise is noted that
    much later, as librosa does.
    """
    frames = len(mel)
    mfcc = room((frames, NUM_MFCC), np.float32)
    onset, bass_onset = np.zeros(frames, np.float32), np.zeros(frames, np.float32)
    basis = np.asarray(dct(np.eye(mel.shape[1]), type=2, norm="ortho", axis=0))
    cosines = basis[:NUM_MFCC].T.astype(np.float32)
    highest = bass_highest = 0.0
    for first in range(0, frames, _PIECE):
        piece = mel[first : first + _PIECE]
        highest = max(highest, float(piece.max()))
        bass_highest = max(bass_highest, float(piece[:, :BASS_BANDS].max()))
        let_go(mel)
    for first in range(0, frames, _PIECE):
        before = max(first - 1, 0)
        piece = mel[before : first + _PIECE]
        values = decibels(piece, highest)
        mfcc[first : first + _PIECE] = values[first - before :] @ cosines
        bass = decibels(piece[:, :BASS_BANDS], bass_highest)
        start = before + 1 + reach
        for strength, levels in ((onset, values), (bass_onset, bass)):
            rise = np.maximum(levels[1:] - levels[:-1], 0.0).mean(1)
            fits = max(0, min(len(rise), frames - start))
            strength[start : start + fits] = rise[:fits]
        let_go(mel)
        let_go(mfcc)
    return mfcc, onset, bass_onset
