"""The guide's first function: a folder of recordings becomes WAV files of one kind and mel spectrograms."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
from omegaconf import DictConfig

from disco.apps.composing import compose_app
from disco.apps.prepare import build_preparation
from disco.core.record import Record
from disco.drafts import drafted
from disco.errors import DiscoError
from disco.prepare.keep import read_curves
from disco.prepare.store import CURVES

LONGEST_NAME = 255  # bytes, as file systems have it


def preprocess_audio_dataset(
    input_dir: str | os.PathLike[str], output_dir: str | os.PathLike[str], sample_rate: int = 44100
) -> list[Path]:
    """Write `<stem>.wav` at -14 LUFS and `<stem>_mel.npy` for every sound file below `input_dir`.

    Channels are kept. The spectrogram `[128, frames]` is in decibels below its own maximum, with windows of
    2048 samples every 512. A second file of the same stem has the hash of its content in its name.

    Returns:
        the WAV files, in the order of the names.

    Raises:
        DiscoError: a folder is wrong, or no file could be prepared; files that are left out are named in
            `report.jsonl` beside the others.
    """
    source, target = Path(input_dir), Path(output_dir)
    if target.resolve().is_relative_to(source.resolve()):
        raise DiscoError("the output lies inside the input", do="choose an output folder elsewhere")
    target.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}
    with TemporaryDirectory(prefix=".preparing-", dir=target) as folder:
        work = Path(folder)
        preparation = build_preparation(_config(source, work, sample_rate))
        try:
            records = preparation.run(lambda *_, **__: None)
        finally:
            report = work / "metadata" / "report.jsonl"
            if report.is_file():
                report.replace(target / "report.jsonl")
        for record in sorted(records, key=lambda one: str(one.source)):
            stem = _stem(record, written)
            written[stem] = target / f"{stem}.wav"
            (work / record.file_path).replace(written[stem])
            level_db = read_curves(work / CURVES / f"{record.id[:16]}.npz")["mel_db"].astype(np.float32).T
            with drafted(target / f"{stem[:100]}_mel.npy") as draft:
                np.save(draft, level_db - level_db.max())
            (target / f"{stem[:100]}_mel.npy").replace(target / f"{stem}_mel.npy")
    return list(written.values())


def _config(source: Path, target: Path, rate: int) -> DictConfig:
    words = [
        "prepare=audio", "prepare.materialise=true",
        "stage=[standardize,loudness,features]",
        f"stage.standardize.rate={rate}", "stage.standardize.channels=null",
        "stage.features.n_fft=2048", "stage.features.hop=512",
    ]  # fmt: skip
    cfg = compose_app("prepare", words)
    cfg.source, cfg.target = str(source), str(target)
    return cfg


def _stem(record: Record, taken: dict[str, Path]) -> str:
    stem = PurePosixPath(str(record.source)).stem
    longest = LONGEST_NAME - len("_mel.npy")
    if stem in taken or len(os.fsencode(stem)) > longest:
        stem = os.fsencode(stem)[: longest - 9].decode(errors="ignore") + f"-{record.id[:8]}"
    return stem
