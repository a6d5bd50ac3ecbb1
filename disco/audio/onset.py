"""Where sounds begin: what stands above the mean of its surroundings."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_CONTEXT = 0.5  # seconds to both sides that a rise is compared with


def above_local_mean(strength: Float[np.ndarray, " f"], rate: float) -> Float[np.ndarray, " f"]:
    """Keep what stands above the mean of the second around it.

    Args:
        strength: of onsets.
        rate: frames per second.
    """
    if not len(strength):
        return strength
    half = max(1, round(_CONTEXT * rate))
    mirrored = "reflect" if len(strength) > half + 1 else "edge"
    sums = np.cumsum(np.pad(strength, (half + 1, half), mode=mirrored))
    local = (sums[2 * half + 1 :] - sums[: -2 * half - 1]) / (2 * half + 1)
    return np.maximum(strength - local, 0.0).astype(np.float32)
