"""Measures loudness and peaks, and notes the gain that brings the file to a common level."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from disco.audio.crest import CrestMeter
from disco.audio.loudness import ABSOLUTE_GATE, LoudnessMeter, gain_to
from disco.audio.truepeak import TruePeakMeter
from disco.core.stage import Notes, Problem, Stage, Tap


class Loudness(Stage):
    """Watches the stream; the stored sound keeps its level, and the gain is applied when it is loaded.

    The features are `loudness_lufs` (ITU-R BS.1770-4), `momentary_max_lufs`, `short_term_max_lufs`,
    `loudness_range_lu` (EBU Tech 3342), `true_peak_dbtp`, `peak_to_loudness_lu`, `crest_db` and
    `dynamic_range` (`disco.audio.crest`). A file in which nothing reaches -70 LUFS is `silent`: it has no
    loudness, so it is refused and its gain stays 0.

    Args:
        target_lufs: integrated loudness to reach.
        ceiling_dbtp: true peak that the gain must not pass, even if the target is then missed.
    """

    def __init__(self, *, target_lufs: float, ceiling_dbtp: float) -> None:
        self.target_lufs = target_lufs
        self.ceiling_dbtp = ceiling_dbtp

    def open(self, notes: Notes) -> Tap:
        """Begin to measure."""
        return _Meters(notes, self)


class _Meters:
    """Lets the stream pass and notes what it showed at its end."""

    def __init__(self, notes: Notes, stage: Loudness) -> None:
        self.notes, self.stage = notes, stage
        self.loudness = LoudnessMeter(rate=notes.rate, channels=notes.channels)
        self.peaks = TruePeakMeter(channels=notes.channels)
        self.crest = CrestMeter(rate=notes.rate, channels=notes.channels)

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c t"]:
        self.loudness.push(block)
        self.peaks.push(block)
        self.crest.push(block)
        return block

    def flush(self) -> Float[np.ndarray, "c 0"]:
        self.peaks.flush()
        self._conclude()
        return np.zeros((self.notes.channels, 0), np.float32)

    def _conclude(self) -> None:
        shown, notes = self.loudness.result(), self.notes
        notes.gain_db = gain_to(
            shown.integrated,
            self.peaks.dbtp,
            target_lufs=self.stage.target_lufs,
            ceiling_dbtp=self.stage.ceiling_dbtp,
        )
        if not np.isfinite(shown.integrated):
            self._say_why()
            return
        measures = {
            "loudness_lufs": shown.integrated,
            "momentary_max_lufs": shown.momentary_max,
            "short_term_max_lufs": shown.short_term_max,
            "loudness_range_lu": shown.range_lu,
            "true_peak_dbtp": self.peaks.dbtp,
            "crest_db": self.crest.crest_db,
            "peak_to_loudness_lu": self.peaks.dbtp - shown.integrated,
            "dynamic_range": self.crest.dynamic_range,
        }
        notes.features |= {name: float(value) for name, value in measures.items() if np.isfinite(value)}

    def _say_why(self) -> None:
        told = {problem.code for problem in self.notes.problems}
        if not len(self.loudness.momentary()) and "too_short" not in told:
            reason = "it is shorter than the 0.4 s that loudness is defined for, so its level stays"
            self.notes.problems.append(Problem("too_short", reason, "leave it out", "warn"))
        elif not told & {"silent", "too_short"}:
            reason = f"nothing in it is as loud as {ABSOLUTE_GATE:.0f} LUFS"
            self.notes.problems.append(
                Problem("silent", reason, "leave it out or export it louder", "refuse")
            )
