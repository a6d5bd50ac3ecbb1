"""A gentle gate in the spectrum, against steady noise such as hiss (after Boll 1979).

Every bin is turned down, never by more than a floor, where it holds no more than the noise does. What
the noise is follows from the quietest moments of each bin over the last seconds; the median along
frequency keeps steady tones from counting as noise.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from jaxtyping import Float, Float32
from scipy.fft import irfft, rfft
from scipy.ndimage import median_filter, uniform_filter1d

_WINDOW_SECONDS = 0.04
_CHUNK_SECONDS = 1.0  # the noise is estimated anew after each
_QUIET = 0.2  # quantile of a bin's power that is taken for noise …
_QUIET_OF_MEAN = 0.223  # … which is -ln(1 - 0.2) of the mean power of noise
_AROUND_HZ = 400.0  # width of the median along frequency
_OVER = 4.0  # noise is taken this much larger: its own peaks must not open the gate
_RELEASE = 0.6  # of the last frame's power stays; opening is immediate, so attacks stay whole
_EPS = 1e-20


class Denoiser:
    """Gates a stream; length, place and channels stay, and blocks may have any size.

    The first `memory` seconds are held back until the noise in them is known.

    Args:
        max_db: at most so much is taken away from any bin, in dB.
        memory: seconds over which the noise is sought.
    """

    def __init__(self, *, rate: int, channels: int, max_db: float, memory: float) -> None:
        self.size = 1 << round(np.log2(rate * _WINDOW_SECONDS))
        self.hop = self.size // 4
        self._floor = np.float32(10 ** (-max_db / 20))
        self._window = np.sqrt(np.hanning(self.size + 1)[:-1] / 2).astype(np.float32)  # squares sum to 1
        self._around = max(3, round(_AROUND_HZ * self.size / rate) | 1)
        self._per_chunk = max(1, round(_CHUNK_SECONDS * rate / self.hop))
        self._lead = max(1, round(memory / _CHUNK_SECONDS))  # chunks
        self._quiet: deque[Float32[np.ndarray, " n"]] = deque(maxlen=self._lead)
        self._held: list[tuple[np.ndarray, Float32[np.ndarray, "f n"]]] = []  # waits for the first estimate
        self._pending = np.zeros(
            (channels, self.size - self.hop), np.float32
        )  # half a window of silence first
        self._sum = np.zeros((channels, self.size - self.hop), np.float32)
        self._last = np.zeros(self.size // 2 + 1, np.float32)
        self._taken = self._given = 0
        self._skip = self.size - self.hop
        self._before = self._removed = 0.0

    @property
    def removed_db(self) -> float:
        """Power of what was taken away against that of the input, in dB; -inf for nothing."""
        return 10 * float(np.log10(self._removed / self._before)) if self._removed > 0 else -np.inf

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c t2"]:
        """Take a block and return what is ready."""
        self._taken += block.shape[1]
        self._pending = np.concatenate([self._pending, block], axis=1)
        made = []
        chunk = self._per_chunk * self.hop
        while self._pending.shape[1] >= chunk + self.size - self.hop:
            made.append(self._chunk(self._pending[:, : chunk + self.size - self.hop]))
            self._pending = self._pending[:, chunk:]
        return self._joined(made)

    def flush(self) -> Float[np.ndarray, "c t2"]:
        """Return the rest."""
        short = self._pending.shape[1]
        hops = -(-short // self.hop)
        padded = np.pad(self._pending, ((0, 0), (0, hops * self.hop + self.size - self.hop - short)))
        made = [self._chunk(padded)]
        if self._held:
            made.append(self._release_held())
        out = self._joined(made)
        return out[:, : out.shape[1] - max(0, self._given - self._taken)]

    def _chunk(self, wave: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c t2"]:
        """Analyse whole hops; gate them, or hold them while too little is known of the noise."""
        frames = np.lib.stride_tricks.sliding_window_view(wave, self.size, axis=1)[:, :: self.hop]
        spectra = np.asarray(rfft(frames * self._window, axis=2), np.complex64)
        power = (spectra.real**2 + spectra.imag**2).mean(0)
        if power.shape[0] >= min(self._per_chunk, 8) or not self._quiet:
            self._quiet.append(np.quantile(power, _QUIET, axis=0).astype(np.float32))
        self._held.append((spectra, power))
        if len(self._quiet) < self._lead:
            return wave[:, :0]
        return self._release_held()

    def _release_held(self) -> Float[np.ndarray, "c t2"]:
        noise = self._noise()
        made = [self._gate(spectra, power, noise) for spectra, power in self._held]
        self._held = []
        return np.concatenate(made, axis=1)

    def _noise(self) -> Float32[np.ndarray, " n"]:
        quietest = np.quantile(np.array(self._quiet), 0.25, axis=0) / _QUIET_OF_MEAN
        return median_filter(quietest, self._around, mode="nearest").astype(np.float32) + np.float32(_EPS)

    def _gate(
        self, spectra: np.ndarray, power: Float32[np.ndarray, "f n"], noise: Float32[np.ndarray, " n"]
    ) -> Float[np.ndarray, "c t2"]:
        smooth = uniform_filter1d(power, 3, axis=1, mode="nearest")
        for i, now in enumerate(smooth):
            self._last = np.maximum(now, _RELEASE * self._last)
            smooth[i] = self._last
        gain = np.sqrt(np.maximum(1 - _OVER * noise / np.maximum(smooth, _EPS), 0))
        gain = np.maximum(gain, self._floor).astype(np.float32)
        self._before += float(power.sum())
        self._removed += float((power * (1 - gain) ** 2).sum())
        frames = np.asarray(irfft(spectra * gain, self.size, axis=2))
        return self._overlapped(frames * self._window)

    def _overlapped(self, frames: Float[np.ndarray, "c f n"]) -> Float[np.ndarray, "c t2"]:
        channels, count, _ = frames.shape
        made = np.zeros((channels, (count - 1) * self.hop + self.size), np.float32)
        made[:, : self._sum.shape[1]] = self._sum
        for i in range(count):
            made[:, i * self.hop : i * self.hop + self.size] += frames[:, i]
        self._sum = made[:, count * self.hop :]
        return made[:, : count * self.hop]

    def _joined(self, made: list[np.ndarray]) -> Float[np.ndarray, "c t2"]:
        out = np.concatenate([np.zeros((len(self._sum), 0), np.float32), *made], axis=1)
        skip = min(self._skip, out.shape[1])
        self._skip -= skip
        self._given += out.shape[1] - skip
        return out[:, skip:]
