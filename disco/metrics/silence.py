"""Is there music all the time that was asked for?"""

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from disco.audio.clip import Clip
from disco.core.metric import Averaged, Take
from disco.core.ranges import NaturalFloat

FRAME = 0.05  # seconds over which a level is taken


class Silence(Averaged):
    """Silence within and around the music, and whether the asked length is met, mean over takes.

    `silent`: share of the time below `silence_db`. `longest_gap`: the longest silence in seconds.
    `leading`, `trailing`: seconds of silence at the start and at the end. `length_error`: distance from the
    asked length, as a share of it. `length_met`: share of takes within `tolerance` seconds of it.
    `filled`: seconds up to the last sound, as a share of the asked length, 1 at most.

    Args:
        silence_db: RMS level of 50 ms in dB relative to full scale below which it is silent.
        tolerance: seconds off the asked length that still meet it.
    """

    needs = frozenset({"made"})
    deaf: ClassVar[Mapping[str, str]] = {
        "noise": "it would fill silence, and music has little",
        "detune": "silence has no pitch",
        "jitter": "it sums over the take, whatever comes when",
        "shuffle": "it sums over the take, whatever comes when",
    }
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "silent": None,
        "longest_gap": None,
        "leading": None,
        "trailing": None,
        "length_error": False,
        "length_met": True,
        "filled": True,
    }

    def __init__(self, *, silence_db: float, tolerance: NaturalFloat) -> None:
        super().__init__()
        self.silence_db = silence_db
        self.tolerance = tolerance

    def measure(self, made: Take, reference: Take | None) -> dict[str, float]:
        """Find the silences of one clip; without an asked length the values about it are NaN."""
        quiet = frame_levels(made.sound) < self.silence_db
        gaps = runs(quiet)
        seconds = made.sound.seconds
        trailing = FRAME * _run_at_end(quiet)
        values = {
            "silent": float(quiet.mean()) if len(quiet) else 1.0,
            "longest_gap": FRAME * max(gaps, default=0),
            "leading": FRAME * _run_at_end(quiet[::-1]),
            "trailing": trailing,
        }
        if made.seconds is None:
            return values | dict.fromkeys(("length_error", "length_met", "filled"), math.nan)
        error = abs(seconds - made.seconds)
        return values | {
            "length_error": error / made.seconds,
            "length_met": float(error <= self.tolerance),
            "filled": min(1.0, max(0.0, seconds - trailing) / made.seconds),
        }


def frame_levels(clip: Clip) -> Float[np.ndarray, " f"]:
    """Return the RMS level of each 50 ms in dB relative to full scale, -120 for digital silence."""
    wave = clip.mono().wave[0].detach().cpu().double().nan_to_num(0.0, 0.0, 0.0).numpy()
    length = max(1, round(FRAME * clip.rate))
    count = max(1, len(wave) // length)
    frames = np.pad(wave, (0, max(0, count * length - len(wave))))[: count * length].reshape(count, length)
    return 10.0 * np.log10(np.maximum(np.square(frames).mean(1), 1e-12))


def runs(mask: np.ndarray) -> list[int]:
    """Return the lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return (edges[1::2] - edges[::2]).tolist()


def _run_at_end(mask: np.ndarray) -> int:
    return int(np.argmin(mask[::-1])) if len(mask) and not mask.all() else len(mask)
