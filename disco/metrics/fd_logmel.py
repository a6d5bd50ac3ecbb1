"""A Fréchet distance without a network: how alike two sets of clips are in tone colour and level."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from nnAudio.librosa_functions import get_mel

from disco.audio.clip import Clip
from disco.core.metric import Metric, Take
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.errors import DiscoError
from disco.metrics.frechet import frechet_distance

FFT, HOP = 1024, 256  # samples, at the rate of the metric


class FdLogmel(Metric):
    """Fréchet distance between windows of log-mel means and deviations.

    This is not the Fréchet audio distance: no embedder was trained, the numbers compare with nothing
    published, and melody or rhythm hardly move them. Use it to see colour and level drift.

    Args:
        rate: Hz at which the clips are compared.
        bands: mel bands; an embedding has twice as many values.
        window: seconds that one embedding describes; windows overlap by half.
    """

    needs = frozenset({"made", "reference"})
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {"fd_logmel": False}

    def __init__(self, *, rate: PositiveInt, bands: PositiveInt, window: PositiveFloat) -> None:
        super().__init__()
        self.rate = rate
        self.bands = bands
        self.frames = round(window * rate / HOP)

    def update(self, made: Sequence[Take], reference: Sequence[Take] = ()) -> None:
        """Count further takes; the two sides are sets and need not be of one length."""
        self.rows += [("made", self._windows(take.sound)) for take in made]
        self.rows += [("reference", self._windows(take.sound)) for take in reference]

    def __len__(self) -> int:
        """Takes counted on the side of what was made."""
        return sum(side == "made" for side, _ in self.rows)

    def measure(self, made: Take, reference: Take | None) -> tuple[str, np.ndarray]:
        """Describe the windows of one made take."""
        return "made", self._windows(made.sound)

    def summarise(self, rows: Sequence[tuple[str, np.ndarray]]) -> dict[str, float]:
        """Compare all windows of the two sides."""
        sides = {side: [row for name, row in rows if name == side] for side in ("made", "reference")}
        joined = {side: np.concatenate(parts) if parts else np.zeros((0, 0)) for side, parts in sides.items()}
        for side, windows in joined.items():
            if len(windows) < 2:
                raise DiscoError(
                    f"fd_logmel found {len(windows)} windows on the side of '{side}'",
                    do="give it clips of two seconds or more",
                )
        return {"fd_logmel": frechet_distance(joined["made"], joined["reference"])}

    def _windows(self, clip: Clip) -> Float[np.ndarray, "n d"]:
        spectrum = log_mel(clip, self.rate, self.bands)
        hop = max(1, self.frames // 2)
        starts = range(0, max(1, spectrum.shape[1] - self.frames + 1), hop)
        parts = [spectrum[:, start : start + self.frames] for start in starts]
        return np.stack([np.concatenate([part.mean(1), part.std(1)]) for part in parts])


def log_mel(clip: Clip, rate: int, bands: int) -> Float[np.ndarray, "bands f"]:
    """Return the log of the mel magnitudes (nats), silence at log 1e-5."""
    wave = clip.mono().resampled(rate).wave[0].detach().cpu().float()
    if wave.shape[0] < FFT:
        wave = torch.nn.functional.pad(wave, (0, FFT - wave.shape[0]))
    spectrum = torch.stft(wave, FFT, HOP, window=torch.hann_window(FFT), return_complex=True).abs()
    mel = torch.from_numpy(get_mel(rate, FFT, bands)).float() @ spectrum
    return mel.clamp_min(1e-5).log().double().numpy()
