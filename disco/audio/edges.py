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
    length = min(round(fade_seconds * rate), whole // 2)
    if length < 1:
        return found
    places = np.arange(offset, offset + wave.shape[1])
    inside = np.minimum(places, whole - 1 - places)  # samples to the nearer edge
    touched = np.flatnonzero(inside < length)
    if touched.size:
        found = found.copy() if found is wave else found
        rise = np.sin(np.maximum(inside[touched], 0) * (np.pi / 2 / length))
        found[:, touched] *= rise.astype(np.float32)
    return found
