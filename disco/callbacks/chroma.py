"""Which pitch classes sound when, as a picture."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from disco.audio.clip import Clip
from disco.report.pictures import FRAME, HEIGHT, INK, PANEL, SCALE, TEXT_POINTS, WIDTH

NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
LOWEST_HZ, HIGHEST_HZ = 100.0, 5000.0  # below, bins are wider than semitones; above is mostly noise
FLOOR = 1e-4  # of the loudest frame's energy; below it a frame stays dark instead of showing noise


def chroma(clip: Clip) -> Float[np.ndarray, "12 f"]:
    """Return the energy of each pitch class from C on, the strongest of each frame at 1 (Ellis 2007).

    The channels' energies are added, so that sound in opposite phase counts too.
    """
    fft = 2 ** round(np.log2(clip.rate * 0.17))  # 4096 samples at 24 kHz: tells semitones apart from C3 on
    wave = clip.wave.detach().cpu().float().nan_to_num(0.0, 0.0, 0.0)
    wave = torch.nn.functional.pad(wave, (0, max(0, fft - wave.shape[-1])))
    hop = max(fft // 8, -(-wave.shape[-1] // 1200))
    spectrum = torch.stft(wave, fft, hop, window=torch.hann_window(fft), return_complex=True)
    energy = _bank(clip.rate, fft) @ spectrum.abs().square().sum(0).numpy()
    peak = energy.max(0)
    return np.where(peak > FLOOR * peak.max(initial=0.0), energy / np.maximum(peak, 1e-12), 0.0)


@cache
def _bank(rate: int, fft: int) -> Float[np.ndarray, "12 bins"]:
    """Return how much each frequency says about each pitch class: a bell a semitone wide."""
    hz = np.arange(1, fft // 2 + 1) * rate / fft
    pitch = 12 * np.log2(hz / 440.0) + 9  # semitones above a C
    apart = (pitch - np.arange(12)[:, None] + 6) % 12 - 6
    heard = (hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ)
    return np.pad(np.exp(-0.5 * (apart / 0.5) ** 2) * heard, ((0, 0), (1, 0)))


def chroma_picture(clip: Clip) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the pitch classes over time, C at the bottom, with seconds and names at the edges."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=SCALE, facecolor=PANEL)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((FRAME.left, FRAME.bottom, FRAME.width, FRAME.height), facecolor=PANEL)
    axes.imshow(
        chroma(clip),
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=0.0,
        vmax=1.0,
        interpolation="nearest",
        extent=(0.0, clip.seconds, -0.5, 11.5),
    )
    axes.tick_params(colors=INK, labelsize=TEXT_POINTS, length=2.5, width=0.6, pad=2)
    axes.set_yticks(range(0, 12, 2), NAMES[::2])
    axes.set_xlabel("seconds", color=INK, fontsize=TEXT_POINTS, labelpad=1)
    for side in axes.spines.values():
        side.set_visible(False)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()
