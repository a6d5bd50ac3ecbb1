"""What is applied to a piece when it is cut out of its file: its gain, and fades at its edges."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def cut_out(
    wave: Float[np.ndarray, "c t"],
    rate: int,
    *,
    gain_db: float,
    fade_seconds: float,
    offset: int,
    whole: int,
) -> Float[np.ndarray, "c t"]:
    """Return `wave` louder by `gain_db`, faded where it touches the edges of the piece it is part of.

    Fades have equal power (a quarter of a sine): two pieces that overlap by `fade_seconds` keep their power
    through the crossing. Two fades that would meet in a short piece share it.

    `wave` begins at sample `offset` of the piece, which has `whole` samples.
    """
    found = wave * np.float32(10.0 ** (gain_db / 20.0)) if gain_db else wave
    for part, rise in fades(wave.shape[1], rate, fade_seconds=fade_seconds, offset=offset, whole=whole):
        found = found.copy() if found is wave else found
        found[:, part] *= rise
    return found


def fades(
    count: int, rate: int, *, fade_seconds: float, offset: int, whole: int
) -> list[tuple[slice, Float[np.ndarray, " n"]]]:
    """Return which of `count` samples `cut_out` fades, and by what: at most a part at either edge."""
    length = min(round(fade_seconds * rate), whole // 2)
    found = []
    for first, last in ((offset, min(offset + count, length)), (max(offset, whole - length), offset + count)):
        if length and first < last:
            places = np.arange(first, last)
            inside = np.minimum(places, whole - 1 - places)  # samples to the nearer edge
            rise = np.sin(np.maximum(inside, 0) * (np.pi / 2 / length))
            found.append((slice(first - offset, last - offset), rise.astype(np.float32)))
    return found
