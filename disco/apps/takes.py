"""A folder of takes: WAVs, scores, and `manifest.jsonl`; where generation and judging meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch.nn import functional as F

from disco.audio.clip import Clip
from disco.audio.io import read_clip, write_clip
from disco.core.metric import Take
from disco.core.record import Record, read_manifest, write_manifest
from disco.errors import DiscoError
from disco.midi.render import render
from disco.midi.score import Score, note_table, read_score, write_score

AUDIO = (".wav", ".flac", ".ogg", ".mp3")
RENDER_RATE = 32000  # Hz


def write_takes(
    folder: Path,
    pieces: Sequence[Clip] | Sequence[Score],
    *,
    name: str,
    captions: Sequence[str | None],
    tempos: Sequence[float | None],
    seconds: float | None = None,
) -> list[Record]:
    """Write pieces, scores rendered as well as written, and their manifest; return its records.

    A score that ends before `seconds` is silent until then, one that ends later is cut there; None lets it
    ring out. Samples beyond full scale are cut to it; `features["clipped"]` is their share.
    """
    records = []
    for index, piece in enumerate(pieces):
        stem = f"{name}-{index:03d}"
        record = Record(
            id=stem,
            file_path=f"{stem}.wav",
            duration=0.0,
            sample_rate=RENDER_RATE,
            caption=captions[index],
            tempo=tempos[index],
        )
        if not isinstance(piece, Clip):
            write_score(folder / f"{stem}.mid", piece)
            record = replace(record, midi_path=f"{stem}.mid")
            piece = _lasting(render(piece, rate=RENDER_RATE), seconds)
        # A model may overshoot full scale: it is heard as any player would play it, and counted.
        clipped = write_clip(folder / record.file_path, piece, allow_clipping=True)
        records.append(
            replace(
                record,
                duration=piece.seconds,
                sample_rate=piece.rate,
                channels=piece.channels,
                features={"clipped": clipped / max(1, piece.wave.numel())},
            )
        )
    write_manifest(folder / "manifest.jsonl", records)
    return records


def _lasting(clip: Clip, seconds: float | None) -> Clip:
    if seconds is None:
        return clip
    wanted = round(seconds * clip.rate)
    wave = clip.wave[:, :wanted]
    return Clip(F.pad(wave, (0, wanted - wave.shape[1])), clip.rate)


def read_takes(folder: Path, *, seconds: float | None = None) -> list[Take]:
    """Read a folder of takes, or of any audio files.

    Raises:
        DiscoError: there is no audio in it.
    """
    manifest = folder / "manifest.jsonl"
    if manifest.is_file():
        return [_take(folder, record, seconds) for record in read_manifest(manifest)]
    files = (
        sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO) if folder.is_dir() else []
    )
    if not files:
        raise DiscoError(f"{folder} holds no audio", do="name a folder of WAV, FLAC, OGG or MP3 files")
    return [Take(clip=read_clip(path)) for path in files]


def _take(folder: Path, record: Record, seconds: float | None) -> Take:
    score = read_score(folder / record.midi_path) if record.midi_path else None
    return Take(
        clip=read_clip(folder / record.file_path),
        notes=None if score is None else note_table(score),
        seconds=seconds,
        tempo_bpm=record.tempo,
    )
