"""Change the sampling rate of a wave outside the training graph (soxr, linear phase)."""

import numpy as np
import soxr
from jaxtyping import Float


def resample(wave: Float[np.ndarray, "c t"], from_rate: int, to_rate: int) -> Float[np.ndarray, "c t2"]:
    """Convert `wave` to `to_rate` Hz; the length becomes `round(t * to_rate / from_rate)`.

    The output is aligned with the input: the sample at second s stays at second s. Peaks between
    the old samples may rise a little above the old peak.
    """
    if from_rate < 1 or to_rate < 1:
        raise ValueError(f"sampling rates must be positive, got {from_rate} and {to_rate}")
    if from_rate == to_rate:
        return wave
    num_samples = round(wave.shape[1] * to_rate / from_rate)
    turned = soxr.resample(np.ascontiguousarray(wave.T), from_rate, to_rate, quality="HQ").T
    fitted = np.zeros((wave.shape[0], num_samples), dtype=wave.dtype)
    length = min(num_samples, turned.shape[1])  # soxr may differ from the exact length by a sample
    fitted[:, :length] = turned[:, :length]
    return fitted
