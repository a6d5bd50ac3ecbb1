"""Is it sound at all: level, clipping, silence, length, rate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from disco.core.metric import Metric, Take
from disco.core.ranges import NaturalFloat, PositiveInt, Share

FULL_SCALE = 32767 / 32768  # the largest sample of a 16-bit file
QUIETEST_DB = -120.0  # digital silence counts as this, so that averages stay finite


@dataclass(frozen=True)
class Health:
    """What one clip showed."""

    peak: float
    clipped: float
    rms_db: float
    length_error: float
    rate: int
    silent: bool
    ok: bool


class Signal(Metric):
    """Faults that anybody hears, counted.

    `peak`: the largest absolute sample of all takes (1 is full scale). `clipped`: mean share of samples
    at or beyond full scale. `rms_db`: mean level per take in dBFS (a full-scale square wave is 0).
    `length_error`: the largest distance in seconds from the asked length. `rate`: the lowest sampling
    rate in Hz. `silent`: share of takes below `silence_db`. `ok`: share of takes without any fault;
    samples that are not finite are one.

    Args:
        silence_db: RMS level in dBFS below which a take counts as silent.
        max_clipped: share of clipped samples that is still no fault.
        max_length_error: seconds off the asked length that are still no fault.
        min_rate: Hz below which the rate is a fault.
    """

    needs = frozenset({"made"})
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "peak": None,
        "clipped": False,
        "rms_db": None,
        "length_error": False,
        "rate": True,
        "silent": False,
        "ok": True,
    }

    def __init__(
        self, *, silence_db: float, max_clipped: Share, max_length_error: NaturalFloat, min_rate: PositiveInt
    ) -> None:
        super().__init__()
        self.silence_db = silence_db
        self.max_clipped = max_clipped
        self.max_length_error = max_length_error
        self.min_rate = min_rate

    def measure(self, made: Take, reference: Take | None) -> Health:
        """Examine one clip."""
        clip = made.sound
        wave = clip.wave.detach().double()
        finite = bool(wave.isfinite().all()) and wave.numel() > 0
        wave = wave.nan_to_num(0.0, 0.0, 0.0)
        power = float(wave.square().mean()) if wave.numel() else 0.0
        rms_db = max(QUIETEST_DB, 10 * math.log10(power)) if power > 0 else QUIETEST_DB
        clipped = float((wave.abs() >= FULL_SCALE).double().mean()) if wave.numel() else 0.0
        length_error = 0.0 if made.seconds is None else abs(clip.seconds - made.seconds)
        silent = rms_db < self.silence_db
        ok = (
            finite
            and not silent
            and clipped <= self.max_clipped
            and length_error <= self.max_length_error
            and clip.rate >= self.min_rate
        )
        peak = float(wave.abs().max()) if wave.numel() else 0.0
        return Health(peak, clipped, rms_db, length_error, clip.rate, silent, ok)

    def summarise(self, rows: Sequence[Health]) -> dict[str, float]:
        """Report the worst peak, length and rate, and the mean of the rest."""

        def mean(name: str) -> float:
            return math.fsum(getattr(row, name) for row in rows) / len(rows)

        return {
            "peak": max(row.peak for row in rows),
            "clipped": mean("clipped"),
            "rms_db": mean("rms_db"),
            "length_error": max(row.length_error for row in rows),
            "rate": float(min(row.rate for row in rows)),
            "silent": mean("silent"),
            "ok": mean("ok"),
        }
