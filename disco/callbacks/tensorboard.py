"""What TensorBoard's own writer lacks: sound in more than one channel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import soundfile
from jaxtyping import UInt8
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[attr-defined]  # made by protobuf

from disco.audio.clip import Clip


def add_clip(writer: Any, tag: str, clip: Clip, step: int) -> None:
    """Log a clip with all its channels; `SummaryWriter.add_audio` would keep one.

    Args:
        writer: a `torch.utils.tensorboard.SummaryWriter`.
        tag: its name in TensorBoard.
        clip: samples beyond full scale are cut.
        step: optimiser steps so far.
    """
    wave = clip.wave.detach().cpu().float().clamp(-1.0, 1.0).numpy()
    stream = io.BytesIO()
    soundfile.write(stream, wave.T, clip.rate, format="WAV", subtype="PCM_16")
    audio = Summary.Audio(
        sample_rate=clip.rate,
        num_channels=clip.channels,
        length_frames=wave.shape[1],
        encoded_audio_string=stream.getvalue(),
        content_type="audio/wav",
    )
    writer._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=tag, audio=audio)]), step)


def add_picture(writer: Any, tag: str, picture: UInt8[np.ndarray, "h w 3"], step: int) -> None:
    """Log a picture."""
    writer.add_image(tag, picture, step, dataformats="HWC")
