"""What lies on the disk beside a manifest: stored sound, the journal, fingerprints, and what was refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile

from disco.core.record import Record
from disco.errors import DiscoError
from disco.prepare.keep import opened_curves
from disco.prepare.verify import verify

SLACK = 0.02  # seconds by which a file may be shorter than its record says: rounding


def damaged(root: Path, records: Sequence[Record]) -> dict[str, str]:
    """Return what is wrong with stored files, by their path below the root.

    What the journal of a preparation speaks of must have the bytes that were written; every file must be
    there and as long as its records say.
    """
    found = {name: problem.reason for name, problem in verify(root).items()}
    ends: dict[str, float] = {}
    for record in records:
        ends[record.file_path] = max(ends.get(record.file_path, 0.0), record.start + record.duration)
    for name, end in sorted(ends.items()):
        if name not in found and (reason := _too_short(root / name, end)):
            found[name] = reason
    return found


def _too_short(path: Path, end: float) -> str | None:
    if not path.is_file():
        return "it is not there"
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        return f"it cannot be read: {error.error_string}"
    length = info.frames / info.samplerate
    return f"it ends at {length:.2f} s, its record at {end:.2f} s" if length < end - SLACK else None


def read_prints(root: Path, records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Return a fingerprint for one record of each file, by the record's id, where there are any.

    Those that are damaged are left out: `damaged` names them.
    """
    found: dict[str, np.ndarray] = {}
    for path, record in {record.file_path: record for record in records}.items():
        curves = root / "audio" / "features" / f"{Path(path).stem}.npz"
        if curves.is_file():
            with suppress(DiscoError), opened_curves(curves) as arrays:
                if "fingerprint" in arrays:
                    found[record.id] = arrays["fingerprint"]
    return found


def read_refusals(root: Path) -> list[dict[str, str]]:
    """Return what preparation said of files: file, code, reason, cure, verdict."""
    path = root / "metadata" / "report.jsonl"
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [{name: str(value) for name, value in json.loads(line).items()} for line in lines if line.strip()]
