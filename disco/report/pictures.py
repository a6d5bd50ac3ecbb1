"""Sound and notes as pictures: arrays of pixels for a page or for TensorBoard."""

import io
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from nnAudio.librosa_functions import get_mel, hz_to_mel
from PIL import Image

from disco.audio.clip import Clip
from disco.midi.score import NoteTable

Pixels = UInt8[np.ndarray, "h w 3"]

PANEL, INK, RULE = "#11141b", "#c5ccd9", "#3a4252"  # background, text, lines
SERIES = ("#4cc9b0", "#f2b134", "#7aa7ff", "#f27a6b", "#b794f6", "#8bd450")  # in this order everywhere
BANDS = 128
LOWEST_HZ = 40.0
RANGE_DB = 70.0  # below the loudest point everything is one black


@dataclass(frozen=True)
class Frame:
    """Where the plot lies within its picture, as shares of width and height from the lower left."""

    left: float = 0.135
    bottom: float = 0.26
    width: float = 0.845
    height: float = 0.695


FRAME = Frame()
WIDTH, HEIGHT, SCALE = 4.2, 1.8, 200  # inches and dots per inch: 840 × 360 dots, shown at half that
TEXT_POINTS = 9.5  # still 11 dots high where a phone shows the picture 350 wide
MARKS_HZ = (200, 1000, 2000, 4000, 8000, 16000)


def spectrogram_picture(clip: Clip, *, seconds: float | None = None, top_hz: float | None = None) -> Pixels:
    """Draw the log-mel spectrogram, 70 dB deep, with seconds and Hz at its edges.

    Args:
        clip: any rate and channels.
        seconds: end of the time axis; the clip's own length when None.
        top_hz: end of the frequency axis; half the clip's rate when None. Give pictures that are
            compared the same two ends.
    """
    top_hz = top_hz or clip.rate / 2
    levels = log_mel(clip, top_hz)
    length = clip.seconds if seconds is None else seconds
    figure, axes = _panel(length)
    axes.imshow(
        levels,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=-RANGE_DB,
        vmax=0.0,
        interpolation="bilinear",
        extent=(0.0, clip.seconds, 0.0, 1.0),
    )
    axes.set_xlim(0.0, length)
    low, high = hz_to_mel(LOWEST_HZ), hz_to_mel(top_hz)
    marks = [hz for hz in MARKS_HZ if hz <= top_hz]
    places = [float((hz_to_mel(hz) - low) / (high - low)) for hz in marks]
    axes.set_yticks(places, [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in marks])
    axes.set_ylabel("Hz", color=INK, fontsize=TEXT_POINTS, labelpad=1)
    return _pixels(figure)


def piano_roll_picture(notes: NoteTable, *, seconds: float | None = None) -> Pixels:
    """Draw the notes as bars over time, one colour per program, louder ones more solid; drums in grey.

    Args:
        notes: may be empty.
        seconds: end of the time axis; the last offset when None.
    """
    length = seconds if seconds is not None else max(1.0, float(notes.offset.max(initial=0.0)))
    figure, axes = _panel(length)
    pitched = notes.pitch[~notes.is_drum]
    low, high = (int(pitched.min()), int(pitched.max())) if len(pitched) else (60, 72)
    middle, span = (low + high) / 2, max(24, high - low + 4)  # never less than two octaves
    low, high = int(middle - span / 2), int(middle + span / 2)
    for octave in range(low - low % 12, high + 12, 12):
        axes.axhline(octave - 0.5, color=RULE, linewidth=0.6, zorder=0)
    colours = {
        program: SERIES[k % len(SERIES)] for k, program in enumerate(sorted(set(notes.program.tolist())))
    }
    voices = zip(notes.program.tolist(), notes.is_drum.tolist(), strict=True)
    tints = [INK if drum else colours[program] for program, drum in voices]
    solidity = 0.45 + 0.55 * notes.velocity / 127
    axes.barh(
        np.where(notes.is_drum, low + 0.5, notes.pitch),
        np.maximum(notes.offset - notes.onset, length / 400),
        left=notes.onset,
        height=0.9,
        color=[to_rgba(tint, float(alpha)) for tint, alpha in zip(tints, solidity, strict=True)],
    )
    axes.set_xlim(0.0, length)
    axes.set_ylim(low - 0.5, high + 0.5)
    octaves = [pitch for pitch in range(low, high + 1) if pitch % 12 == 0]
    axes.set_yticks(octaves, [f"C{pitch // 12 - 1}" for pitch in octaves])
    axes.set_ylabel("pitch", color=INK, fontsize=TEXT_POINTS, labelpad=1)
    return _pixels(figure)


def log_mel(clip: Clip, top_hz: float) -> Float[np.ndarray, "bands f"]:
    """Return mel magnitudes up to `top_hz` in dB under the loudest; silence is at -70."""
    wave = clip.mono().wave[0].detach().cpu().float().nan_to_num(0.0, 0.0, 0.0)
    fft = 2 ** round(
        np.log2(clip.rate * 0.085)
    )  # 2048 samples at 24 kHz: tells semitones apart from 200 Hz on
    hop = max(fft // 8, -(-len(wave) // 1200))  # as many columns as the picture has dots
    wave = torch.nn.functional.pad(wave, (0, max(0, fft - len(wave))))
    spectrum = torch.stft(wave, fft, hop, window=torch.hann_window(fft), return_complex=True).abs().numpy()
    bank = get_mel(2 * top_hz, round(fft * 2 * top_hz / clip.rate), BANDS, LOWEST_HZ, top_hz, norm=None)  # type: ignore[arg-type]
    shared = min(bank.shape[1], len(spectrum))  # bins above half the clip's rate hold nothing
    mel = bank[:, :shared] @ spectrum[:shared]
    level = 20 * np.log10(np.maximum(mel, 1e-6))
    return np.maximum(level - max(level.max(), -40.0), -RANGE_DB)  # near-silence stays dark


def webp(picture: Pixels, *, quality: int = 82) -> bytes:
    """Pack a picture for a page."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "WEBP", quality=quality, method=4)
    return stream.getvalue()


def _panel(seconds: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=SCALE, facecolor=PANEL)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((FRAME.left, FRAME.bottom, FRAME.width, FRAME.height), facecolor=PANEL)
    axes.tick_params(colors=INK, labelsize=TEXT_POINTS, length=2.5, width=0.6, pad=2)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, steps=[1, 2, 5, 10]))
    axes.set_xlabel("seconds", color=INK, fontsize=TEXT_POINTS, labelpad=1)
    axes.set_xlim(0.0, seconds)
    return figure, axes


def _pixels(figure: Figure) -> Pixels:
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()
