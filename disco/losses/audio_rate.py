"""The sampling rate that a spectral loss needs for its mel bands."""

from disco.core.batch import AudioBatch, Batch


def rate_of(batch: Batch) -> int:
    """Return the rate of a batch of waveforms.

    Raises:
        TypeError: the batch holds tokens.
    """
    if not isinstance(batch, AudioBatch):
        raise TypeError(f"a spectral loss compares waveforms, and this is a {type(batch).__name__}")
    return batch.rate
