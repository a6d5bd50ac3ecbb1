"""The synthesiser behind `render`, on bytes and arrays and without torch, so that workers start fast."""

import importlib.util
import io
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float
from symusic.core import ControlChangeTick as ControlChange
from symusic.core import TextMetaTick as TextMeta

from disco.audio.resample import resample
from disco.errors import DiscoError
from disco.midi.score import Score, seconds_at, ticks_at

VOLUME, DEFAULT_VOLUME = 7, 100  # the MIDI controller, and what a channel has that never sets it
_FULL_SCALE = 32767 / 32768


@cache
def soundfont_bytes() -> bytes:
    """Load TimGM6mb, the General MIDI soundfont that the pretty_midi package carries.

    Raises:
        DiscoError: the package is not installed or came without the file.
    """
    spec = importlib.util.find_spec("pretty_midi")  # found, not imported: importing it costs a second
    path = Path(spec.origin).parent / "TimGM6mb.sf2" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DiscoError("rendering MIDI needs the soundfont in pretty_midi", do="pip install pretty_midi")
    return path.read_bytes()


@cache
def synthesiser_identity() -> str:
    """Name the synthesiser and its soundfont by content: equal names mean equal sound."""
    return f"midirenderer {version('midirenderer')} {sha256(soundfont_bytes()).hexdigest()[:16]}"


def synthesise(
    score: Score, rate: int, channels: int, *, tail: float, peak: float | None
) -> Float[np.ndarray, "c t"]:
    """Play a score; see `disco.midi.render.render` for the meaning of the arguments.

    Raises:
        DiscoError: the score has no notes, or midirenderer is missing.
        ValueError: channels is not 1 or 2.
    """
    if channels not in (1, 2):
        raise ValueError(f"the synthesiser has 1 or 2 channels, not {channels}")
    if score.note_num() == 0:
        raise DiscoError("a score without notes cannot be rendered", do="leave it out")
    sounding = _with_tail(score, tail)
    wave, file_rate = _play(sounding)
    while np.abs(wave).max() >= _FULL_SCALE:  # clipped inside the synthesiser: play it more softly
        sounding = _softer(sounding)
        wave, file_rate = _play(sounding)
    if channels == 1:
        wave = (wave[:1] + wave[1:]) * np.float32(0.5)
    wave = resample(wave, file_rate, rate)
    loudest = float(np.abs(wave).max())
    if peak is not None and loudest > 0:
        wave = wave * np.float32(peak / loudest)
    return wave


def _play(score: Score) -> tuple[Float[np.ndarray, "2 t"], int]:
    try:
        from midirenderer import render_wave_from
    except ImportError as error:
        raise DiscoError("rendering MIDI needs midirenderer", do="pip install midirenderer") from error
    wav = render_wave_from(soundfont_bytes(), score.dumps_midi())
    wave, rate = soundfile.read(io.BytesIO(wav), dtype="float32", always_2d=True)
    return np.ascontiguousarray(wave.T), rate


def _with_tail(score: Score, tail: float) -> Score:
    """Add an event `tail` seconds after the last note; the synthesiser stops at the last event."""
    ringing = score.copy()
    end = np.array([max(int(track.end()) for track in score.tracks if track.notes)])
    stop = ticks_at(score, seconds_at(score, end) + tail)
    ringing.markers.append(TextMeta(int(stop[0]), "end"))
    return ringing


def _softer(score: Score) -> Score:
    """Lower every channel volume by 6 dB (the controller acts squared)."""
    softer = score.copy()
    for track in softer.tracks:
        volumes = [control for control in track.controls if control.number == VOLUME]
        for control in volumes:
            control.value = int(control.value * 0.7)
        if not volumes or min(control.time for control in volumes) > 0:
            track.controls.append(ControlChange(0, VOLUME, int(DEFAULT_VOLUME * 0.7)))
    return softer
