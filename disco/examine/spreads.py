"""How lengths, levels and spectra are spread over the pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from disco.core.record import Record

BINS = 16


@dataclass(frozen=True)
class Spread:
    """A histogram with the values below which 5, 50 and 95 per cent of the pieces lie."""

    name: str
    unit: str
    edges: Sequence[float]
    counts: Sequence[int]
    low: float
    middle: float
    high: float


def _feature(name: str) -> Callable[[Record], float | None]:
    return lambda record: record.features.get(name)


def _percent(name: str) -> Callable[[Record], float | None]:
    return lambda record: 100.0 * record.features[name] if name in record.features else None


MEASURED: Mapping[str, tuple[str, Callable[[Record], float | None]]] = {
    "length of a piece": ("s", lambda record: record.duration),
    "loudness": ("LUFS", _feature("loudness_lufs")),
    "true peak": ("dBTP", _feature("true_peak_dbtp")),
    "gain when played": ("dB", lambda record: record.gain_db or None),
    "dynamic range": ("dB", _feature("dynamic_range")),
    "spectral centroid": ("Hz", _feature("spectral_centroid_mean")),
    "bandwidth": ("% of what the rate could carry", _percent("bandwidth_share")),
    "noise floor": ("dBFS", _feature("noise_floor_db")),
    "tempo": ("BPM", lambda record: record.tempo),
}


def spreads(records: Sequence[Record]) -> list[Spread]:
    """Return the spread of everything that was measured on more than one piece."""
    found = []
    for name, (unit, read) in MEASURED.items():
        values = np.array([value for record in records if (value := read(record)) is not None])
        values = values[np.isfinite(values)]
        if len(values) > 1:
            counts, edges = np.histogram(values, bins=BINS)
            low, middle, high = np.percentile(values, [5, 50, 95])
            found.append(
                Spread(
                    name,
                    unit,
                    [float(edge) for edge in edges],
                    [int(count) for count in counts],
                    float(low),
                    float(middle),
                    float(high),
                )
            )
    return found
