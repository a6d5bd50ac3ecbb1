"""Handing out training examples beside the loaders of audiocraft and stable-audio-tools.

audiocraft's own item reads with PyAV and resamples with julius; neither is installed here, so soundfile and
a windowed sinc by one convolution, as julius has it, stand in for them.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from benchmarks import prepare
from benchmarks.side_by_side import Contest
from disco.core.record import read_manifest
from disco.core.views import AudioView
from disco.data.code_cache import CodeCache
from disco.data.crops import CropPlan
from disco.data.serve_audio import AudioCrops
from disco.executors.serial import Serial

RATE, SECONDS, ITEMS = 32_000, 10.0, 32
CLIPS, FRAMES, CODEBOOKS = 8, 1500, 4  # a batch of 30 s of tokens


def contests() -> list[Contest]:
    """Return crops of sound, and tokens beside two ways of keeping them."""
    return [
        Contest(
            name=f"P5 {ITEMS} crops of {SECONDS:.0f} s",
            ours=_crops,
            theirs=_decoded,
            peer="seek, read, resample from 44.1 kHz, stack",
            tolerance=1e-2,
            target=50.0,
        ),
        _tokens("audiocraft's zip of torch.save", _zipped),
        _tokens("stable-audio-tools' .npy and .json", _loose),
    ]


def _tokens(peer: str, theirs: Callable[[], float]) -> Contest:
    name = f"P6 {ITEMS} x {CLIPS} clips of 30 s of tokens"
    return Contest(name=name, ours=_mapped, theirs=theirs, peer=peer, tolerance=0.0, target=5.0)


@cache
def _prepared() -> tuple[Path, AudioCrops, dict[str, Path]]:
    """A prepared folder, its crops, and the source of every file. No gain: both hear the same."""
    source = prepare.folder() / "songs"
    paths = prepare.song_paths()
    root = prepare.folder() / "fed"
    prepare.whole(source, root, prepare.stages(("standardize",)), Serial())
    raw = [json.loads(line) for line in (root / "audio/raw/files.jsonl").read_text().splitlines()]
    assert len(raw) == len(paths)
    records = read_manifest(root / "metadata" / "manifest.jsonl")
    plain = [replace(record, gain_db=0.0, fade_seconds=0.0) for record in records]
    plan = CropPlan(plain, seconds=SECONDS, seed=0, draw=True)
    crops = AudioCrops(root, AudioView(rate=RATE, channels=2, seconds=SECONDS), plan)
    return root, crops, {prepare.key_of(path): path for path in paths}


KEYS = [(0, index) for index in range(ITEMS)]


def _crops() -> float:
    _, crops, _ = _prepared()
    return _level(crops.collate(crops.__getitems__(KEYS)).wave)


def _decoded() -> float:
    _, crops, sources = _prepared()
    waves = []
    for key in KEYS:
        crop = crops.plan.crop(*key)
        with soundfile.SoundFile(sources[Path(crop.record.file_path).stem]) as file:
            file.seek(round(crop.start * file.samplerate))
            read = file.read(round(SECONDS * file.samplerate), dtype="float32", always_2d=True)
            wave = _resampled(torch.from_numpy(read.T.copy()))
            waves.append(torch.nn.functional.pad(wave, (0, round(SECONDS * RATE) - wave.shape[1])))
    return _level(torch.stack(waves))


def _resampled(wave: torch.Tensor) -> torch.Tensor:
    """From 44.1 to 32 kHz: 320 filters, one for each new sample among 441 old ones."""
    filters, reach = _filters()
    padded = torch.nn.functional.pad(wave[:, None], (reach, reach + 441))
    made = torch.nn.functional.conv1d(padded, filters, stride=441)
    return made.transpose(1, 2).reshape(len(wave), -1)[:, : wave.shape[1] * 320 // 441]


@cache
def _filters(zeros: int = 24, rolloff: float = 0.945) -> tuple[torch.Tensor, int]:
    cut = 320 * rolloff
    reach = int(np.ceil(zeros * 441 / cut))
    place = torch.arange(-reach, 441 + reach) / 441 - torch.arange(320)[:, None] / 320
    away = (place * cut).clamp(-zeros, zeros)
    taps = torch.sinc(away) * torch.cos(away * torch.pi / (2 * zeros)) ** 2
    return (taps / taps.sum(1, keepdim=True))[:, None], reach


def _level(wave: torch.Tensor) -> float:
    """Of some samples of each: looking at all would be most of what our side costs."""
    return float(wave[..., ::997].square().mean().sqrt())


class _Codec:
    """Tokens without a network: numbers drawn anew for each clip."""

    rate, channels, fingerprint = RATE, 1, "0" * 64

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        return torch.randint(2048, (len(wave), CODEBOOKS, FRAMES), generator=self.generator)


@cache
def _tokenised() -> tuple[Any, tuple[str, ...], Path]:
    root, _, _ = _prepared()
    records = read_manifest(root / "metadata" / "manifest.jsonl")[:CLIPS]
    store = CodeCache(prepare.folder() / "codes", _Codec())  # type: ignore[arg-type]
    store.fill(root, records)
    codes = store.open(root, records)
    folder = prepare.folder() / "tokens"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "batch.zip", "w") as batch:
        for number, record in enumerate(records):
            clip = torch.from_numpy(codes[record.id].astype(np.int64))
            held = io.BytesIO()
            torch.save(clip, held)
            batch.writestr(str(number), held.getvalue())
            np.save(folder / f"{number}.npy", codes[record.id])
            (folder / f"{number}.json").write_text(json.dumps({"seconds_total": record.duration}))
    return codes, tuple(record.id for record in records), folder


def _mapped() -> float:
    codes, names, _ = _tokenised()
    total = 0.0
    for _ in range(ITEMS):
        total += _first([torch.from_numpy(codes[name].astype(np.int64)) for name in names])
    return total


def _zipped() -> float:
    _, names, folder = _tokenised()
    total = 0.0
    for _ in range(ITEMS):
        with zipfile.ZipFile(folder / "batch.zip") as batch:
            clips = [torch.load(io.BytesIO(batch.read(str(i))), weights_only=True) for i in range(len(names))]
        total += _first(clips)
    return total


def _loose() -> float:
    _, names, folder = _tokenised()
    total = 0.0
    for _ in range(ITEMS):
        clips = []
        for number in range(len(names)):
            clips.append(torch.from_numpy(np.load(folder / f"{number}.npy").astype(np.int64)))
            json.loads((folder / f"{number}.json").read_text())
        total += _first(clips)
    return total


def _first(clips: list[torch.Tensor]) -> float:
    """A number that only the same tokens give; a sum over all would cost more than taking them."""
    return float(sum(int(clip[7::311].sum()) * (1 + place) for place, clip in enumerate(clips)))
