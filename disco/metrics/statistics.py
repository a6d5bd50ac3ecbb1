"""A reference set as a file: mean and covariance of its points, and where they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from disco.core.embedder import Embedder
from disco.core.files import write_text
from disco.core.tensors import load_tensors, save_tensors
from disco.errors import DiscoError
from disco.metrics.embedded import Heard, joined
from disco.metrics.frechet import Gaussian, fit_gaussian, gaussian_distance


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a statistics file was made of.

    Attributes:
        embedder: its name; fingerprint: of its weights and settings; rate: Hz at which it hears.
        takes, windows, seconds: how much it heard.
        contents: SHA-256 over the sorted hashes of the takes' samples: the same set has the same, under any
            file names and in any order.
    """

    embedder: str
    fingerprint: str
    rate: int
    takes: int
    windows: int
    seconds: float
    contents: str


@dataclass(frozen=True, eq=False)
class Statistics:
    """A reference set as a metric needs it.

    Attributes:
        gaussian: all its points.
        apart: how far each of its takes lies from all of them.
        provenance: what it was made of.
    """

    gaussian: Gaussian
    apart: Float[np.ndarray, " n"]
    provenance: Provenance


def describe(takes: Sequence[Heard], embedder: Embedder) -> Statistics:
    """Sum up a set of takes."""
    gaussian = fit_gaussian(joined(takes))
    apart = np.array([distance_of_take(take, gaussian) for take in takes])
    keys = sorted(take.key for take in takes)
    provenance = Provenance(
        embedder=embedder.name,
        fingerprint=embedder.fingerprint,
        rate=embedder.rate,
        takes=len(takes),
        windows=sum(len(take.points) for take in takes),
        seconds=round(sum(sorted(take.seconds for take in takes)), 3),
        contents=hashlib.sha256("\n".join(keys).encode()).hexdigest(),
    )
    return Statistics(gaussian, apart, provenance)


def distance_of_take(take: Heard, reference: Gaussian) -> float:
    """Return the Fréchet distance of one take's points; a single point has no spread."""
    points = take.points.astype(np.float64)
    if len(points) > 1:
        return gaussian_distance(fit_gaussian(points), reference)
    return gaussian_distance(Gaussian(points[0], np.zeros((0, points.shape[1]))), reference)


def write_statistics(path: Path, statistics: Statistics) -> None:
    """Write `path` (safetensors) and, for people, the same provenance as JSON beside it."""
    told = {name: str(value) for name, value in asdict(statistics.provenance).items()}
    tensors = {
        "mean": torch.from_numpy(statistics.gaussian.mean),
        "factor": torch.from_numpy(statistics.gaussian.factor),
        "apart": torch.from_numpy(statistics.apart),
    }
    save_tensors(path, tensors, told)
    write_text(path.with_suffix(".json"), json.dumps(asdict(statistics.provenance), indent=1) + "\n")


def read_statistics(path: Path, embedder: Embedder) -> Statistics:
    """Read what `write_statistics` wrote.

    Raises:
        DiscoError: no such file, not one of these, or made with another embedder or other settings of it.
    """
    if not path.is_file():
        raise DiscoError(f"there are no statistics at {path}", do="make them with metric.fad.keep=<file>")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            told = file.metadata() or {}
        tensors = load_tensors(path)
        provenance = Provenance(
            embedder=told["embedder"],
            fingerprint=told["fingerprint"],
            rate=int(told["rate"]),
            takes=int(told["takes"]),
            windows=int(told["windows"]),
            seconds=float(told["seconds"]),
            contents=told["contents"],
        )
        mean, factor, apart = (tensors[name].double().numpy() for name in ("mean", "factor", "apart"))
    except (SafetensorError, KeyError, ValueError) as error:
        raise DiscoError(f"{path} does not hold statistics ({error})", do="make them again") from error
    if provenance.fingerprint != embedder.fingerprint:
        raise DiscoError(
            f"{path} was made with {provenance.embedder} at other weights or settings than {embedder.name}",
            do="measure with the embedder it was made with, or make it again with this one",
        )
    return Statistics(Gaussian(mean, factor), apart, provenance)
