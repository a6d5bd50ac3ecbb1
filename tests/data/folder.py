"""A prepared folder with sounds that say where they come from, and a codec that can be read by eye."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from disco.audio.clip import Clip
from disco.audio.io import write_clip
from disco.core.record import Record, write_manifest
from disco.data.audio import ManifestData

RATE = 8000


def ramp(seconds: float, top: float = 0.9) -> Clip:
    """A wave that climbs from 0 to `top`: each sample tells its time."""
    return Clip(torch.linspace(0, top, round(seconds * RATE))[None], RATE)


def record(name: str, seconds: float, **facts: object) -> Record:
    return Record(
        id=name,
        file_path=f"audio/processed/{name}.wav",
        duration=seconds,
        sample_rate=RATE,
        **{"split": "train", **facts},
    )


def write(root: Path, records: list[Record]) -> None:
    """Write the manifest and a ramp for each record."""
    for one in records:
        write_clip(root / one.file_path, ramp(one.duration))
    write_manifest(root / "metadata" / "manifest.jsonl", records)


def serving(root: Path, view, *, batch_size: int = 2, augments=None) -> ManifestData:
    data = ManifestData(
        root=str(root),
        batch_size=batch_size,
        num_workers=0,
        seed=1,
        val_items=3,
        balance_by=None,
        balance_power=1.0,
        allow_missing=(),
        augments=augments or {},
    )
    data.serve(view)
    data.prepare_data()
    return data


class LevelCodec:
    """20 frames per second; a token is the frame's loudest sample in 64 steps. Counts what it encodes."""

    rate, channels, hop, num_codebooks, cardinality = RATE, 1, 400, 1, 64
    fingerprint = "levels-0123456789abcdef"

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, wave: Tensor) -> Tensor:
        self.encoded += 1
        whole = torch.nn.functional.pad(wave, (0, -wave.shape[-1] % self.hop))
        return (whole.unflatten(-1, (-1, self.hop)).amax(-1) * 63).round().long().clamp(0, 63)

    def decode(self, codes: Tensor) -> Tensor:
        return (codes.float() / 63).repeat_interleave(self.hop, -1)
