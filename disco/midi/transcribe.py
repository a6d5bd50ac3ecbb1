"""Hear the notes in a clip, as a judge of generated music and of renderings.

The network is Basic Pitch (Bittner et al., "A Lightweight Instrument-Agnostic Model for Polyphonic
Note Transcription and Multipitch Estimation", ICASSP 2022), run from the ONNX file in its wheel. The
package itself is never imported: it looks for four inference engines and logs about each.
Windowing and decoding follow its `inference.py` and `note_creation.py` (Copyright 2022 Spotify AB,
Apache License 2.0), rewritten here.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from disco.audio.clip import Clip
from disco.errors import DiscoError
from disco.midi.score import NoteTable

RATE = 22050  # Hz that the network hears
HOP = 256  # samples per frame
WINDOW = 2 * RATE - HOP  # samples per inference
OVERLAP = 30  # frames that neighbouring windows share; half of them is dropped on each side
LOWEST_PITCH = 21  # A0, the first of 88 rows
_INSTALL = "pip install onnxruntime and pip install --no-deps basic-pitch==0.4.0"
_BATCH = 8  # windows per call: 15 s of sound
_WINDOW_SHIFT = 0.0018  # seconds, the published correction of the frame times


def transcribe(
    clip: Clip, *, onset_threshold: float = 0.5, frame_threshold: float = 0.3, min_seconds: float = 0.128
) -> NoteTable:
    """List the notes that sound in a clip, of any pitched instruments.

    Args:
        clip: any rate and channels; it is heard in mono.
        onset_threshold: lower finds more notes, and more that are not there.
        frame_threshold: lower holds notes longer.
        min_seconds: shorter notes are dropped; the published 0.128 s keeps sixteenths up to 117 bpm.

    Raises:
        DiscoError: onnxruntime or the network's file is missing.
    """
    wave = clip.mono().resampled(RATE).wave[0].detach().cpu().float().numpy()
    onsets, frames = posteriors(wave)
    if not len(frames):
        return _table([], len(frames))
    notes = decode_notes(
        _sharpened(onsets, frames), frames, onset_threshold, frame_threshold, round(min_seconds * RATE / HOP)
    )
    return _table(notes, len(frames))


def posteriors(wave: Float[np.ndarray, " t"]) -> tuple[Float[np.ndarray, "f 88"], Float[np.ndarray, "f 88"]]:
    """Run the network on a mono wave at `RATE`: how likely a note begins, and how likely it sounds."""
    session = _session(max(1, torch.get_num_threads()))
    hop = WINDOW - OVERLAP * HOP
    padded = np.concatenate([np.zeros(OVERLAP * HOP // 2, np.float32), wave])
    num_windows = max(1, -(-len(padded) // hop))
    padded = np.pad(padded, (0, (num_windows - 1) * hop + WINDOW - len(padded) + hop))
    windows = np.stack([padded[i * hop : i * hop + WINDOW] for i in range(num_windows)])[..., None]
    num_frames = len(wave) * (RATE // HOP) // RATE
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for first in range(0, num_windows, _BATCH):
        outputs = session.run(
            ["StatefulPartitionedCall:2", "StatefulPartitionedCall:1"],
            {"serving_default_input_2:0": windows[first : first + _BATCH]},
        )
        for part, output in zip(parts, outputs, strict=True):
            part.append(output[:, OVERLAP // 2 : -OVERLAP // 2].reshape(-1, 88))
    onsets, frames = (np.concatenate(part)[:num_frames] for part in parts)
    return onsets, frames


def decode_notes(
    onsets: Float[np.ndarray, "f 88"],
    frames: Float[np.ndarray, "f 88"],
    onset_threshold: float,
    frame_threshold: float,
    min_frames: int,
) -> list[tuple[int, int, int, float]]:
    """Follow each onset peak, latest first, until its pitch fades; then pick up what still sounds.

    Returns (first frame, last frame, row, loudness 0 to 1) per note.
    """
    peaks = np.zeros(onsets.shape, dtype=bool)
    peaks[1:-1] = (onsets[1:-1] > onsets[:-2]) & (onsets[1:-1] > onsets[2:])
    energy = frames.copy()
    notes: list[tuple[int, int, int, float]] = []
    starts, rows = np.nonzero(peaks & (onsets >= onset_threshold))
    for start, row in zip(starts[::-1].tolist(), rows[::-1].tolist(), strict=True):
        end = _fade(energy[start:, row], frame_threshold) + start
        if end - start <= min_frames:
            continue
        energy[start:end, max(row - 1, 0) : row + 2] = 0
        notes.append((start, end, row, float(frames[start:end, row].mean())))
    while energy.max() > frame_threshold:
        middle, row = (int(index) for index in np.unravel_index(energy.argmax(), energy.shape))
        end = _fade(energy[middle:, row], frame_threshold) + middle - 1  # the published decoder's rule
        start = middle + 1 - _fade(energy[middle::-1, row], frame_threshold)
        energy[start:end, max(row - 1, 0) : row + 2] = 0
        energy[middle, row] = 0
        if end - start > min_frames:
            notes.append((start, end, row, float(frames[start:end, row].mean())))
    return notes


def _fade(energy: Float[np.ndarray, " f"], threshold: float, patience: int = 11) -> int:
    """Frames until the energy stays below the threshold for `patience` frames (or the end)."""
    below = 0
    for index in range(1, len(energy)):
        below = below + 1 if energy[index] < threshold else 0
        if below == patience:
            return index + 1 - patience
    return len(energy) - below


def _sharpened(onsets: Float[np.ndarray, "f 88"], frames: Float[np.ndarray, "f 88"]) -> np.ndarray:
    """Count a sudden rise of a pitch as an onset too: the smaller of its rises over 1 and 2 frames."""
    rise = np.zeros_like(frames)
    rise[2:] = np.minimum(frames[2:] - frames[1:-1], frames[2:] - frames[:-2]).clip(0)
    return np.maximum(onsets, rise * (onsets.max() / max(float(rise.max()), 1e-9)))


def _table(notes: list[tuple[int, int, int, float]], num_frames: int) -> NoteTable:
    frame = np.arange(num_frames + 1)
    frames_per_window = 2 * (RATE // HOP)
    shift = HOP / RATE * (frames_per_window - WINDOW / HOP) + _WINDOW_SHIFT
    seconds = frame * HOP / RATE - shift * (frame // frames_per_window)
    ordered = sorted(notes, key=lambda note: (note[0], note[2]))
    start, end, row = (np.array([note[k] for note in ordered], dtype=np.int64) for k in range(3))
    loudness = np.array([note[3] for note in ordered], dtype=np.float64)
    return NoteTable(
        onset=seconds[start],
        offset=seconds[end],
        pitch=row + LOWEST_PITCH,
        velocity=np.clip(np.rint(127 * loudness), 1, 127).astype(np.int64),
        program=np.zeros(len(ordered), dtype=np.int64),
        is_drum=np.zeros(len(ordered), dtype=bool),
    )


@lru_cache(maxsize=1)
def _session(num_threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise DiscoError("transcription needs onnxruntime", do=_INSTALL) from error
    spec = importlib.util.find_spec("basic_pitch")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    model = folder / "saved_models" / "icassp_2022" / "nmp.onnx" if folder else None
    if model is None or not model.is_file():
        raise DiscoError("transcription needs the network in basic-pitch", do=_INSTALL)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
