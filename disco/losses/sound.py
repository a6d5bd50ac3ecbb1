"""What losses of sound must know of their batch: its rate, and how much of it is padding."""

from disco.core.batch import AudioBatch, Batch


def rate_of(batch: Batch) -> int:
    """Return the rate of a batch of waveforms.

    Raises:
        TypeError: the batch holds tokens.
    """
    return _audio(batch).rate


def sounding(batch: Batch) -> float:
    """Return the share of a batch that is not padding.

    Padding is silent in what was made and in what was wanted: a mean over everything, divided by this,
    is the mean over what counts.

    Raises:
        TypeError: the batch holds tokens.
    """
    audio = _audio(batch)
    return audio.valid.sum().item() / (len(audio) * audio.wave.shape[-1])


def _audio(batch: Batch) -> AudioBatch:
    if not isinstance(batch, AudioBatch):
        raise TypeError(f"a loss of sound compares waveforms, and this is a {type(batch).__name__}")
    return batch
