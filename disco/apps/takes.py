"""A folder of takes: WAVs, scores, and `manifest.jsonl`; where generation and judging meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.nn import functional as F

from disco.audio.clip import Clip
from disco.audio.io import read_clip, write_clip
from disco.core.metric import Asked, Take
from disco.core.record import Record, read_manifest, write_manifest
from disco.errors import DiscoError
from disco.midi.render import render
from disco.midi.score import NoteTable, Score, note_table, read_score, score_from_notes, write_score

AUDIO = (".wav", ".flac", ".ogg", ".mp3")
SCORES = (".mid", ".midi")
RENDER_RATE = 32000  # Hz


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One item of a folder, not yet read.

    Attributes:
        seconds: the length that was asked for.
        heard: its written notes are left out, so that judges must listen.
    """

    folder: Path
    record: Record
    seconds: float | None = None
    heard: bool = False

    @property
    def name(self) -> str:
        """What people call it."""
        return self.record.id

    def load(self) -> Take:
        """Read it.

        Raises:
            DiscoError: a file of it is missing or damaged; names the file.
        """
        record = self.record
        written = record.midi_path is not None and not self.heard
        score = read_score(self.folder / record.midi_path) if written and record.midi_path else None
        path = self.folder / record.file_path
        if path.suffix.lower() in SCORES:
            clip = _lasting(render(read_score(path), rate=RENDER_RATE), self.seconds)
        else:
            clip = read_clip(path)
        return Take(
            name=record.id,
            clip=clip,
            notes=None if score is None else note_table(score),
            seconds=self.seconds,
            tempo_bpm=record.tempo,
            asked=Asked(
                caption=record.caption,
                key=record.key,
                instruments=tuple(record.instruments),
                moods=tuple(record.mood),
            ),
        )


def write_takes(
    folder: Path,
    pieces: Sequence[Clip] | Sequence[Score],
    *,
    name: str,
    captions: Sequence[str | None],
    tempos: Sequence[float | None],
    seconds: float | None = None,
    asked: Sequence[Asked] | None = None,
    notes: Sequence[NoteTable | None] | None = None,
    suffix: str = ".wav",
    comments: Sequence[str] | None = None,
) -> list[Record]:
    """Write pieces, scores rendered as well as written, and their manifest; return its records.

    A score that ends before `seconds` is silent until then, one that ends later is cut there; None lets it
    ring out. Samples beyond full scale are cut to it; `features["clipped"]` is their share. `asked` and
    `notes` (of clips whose notes are known) stand in the manifest, which is written last: where there is
    one, all that it names is there. `suffix` is the kind of sound file; `comments` stand in its metadata.
    """
    (folder / "manifest.jsonl").unlink(missing_ok=True)
    records = []
    for index, piece in enumerate(pieces):
        stem = f"{name}-{index:03d}"
        wish = asked[index] if asked else Asked()
        record = Record(
            id=stem,
            file_path=f"{stem}{suffix}",
            duration=0.0,
            sample_rate=RENDER_RATE,
            caption=captions[index],
            tempo=tempos[index],
            key=wish.key,
            instruments=list(wish.instruments),
            mood=list(wish.moods),
        )
        known = notes[index] if notes else None
        if not isinstance(piece, Clip):
            if piece.note_num():
                write_score(folder / f"{stem}.mid", piece)
                record = replace(record, midi_path=f"{stem}.mid")
            piece = _lasting(_played(piece), seconds)
        elif known is not None and len(known):
            write_score(folder / f"{stem}.mid", score_from_notes(known))
            record = replace(record, midi_path=f"{stem}.mid")
        # A model may overshoot full scale: it is heard as any player would play it, and counted.
        comment = comments[index] if comments else None
        clipped = write_clip(folder / record.file_path, piece, allow_clipping=True, comment=comment)
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


def _played(score: Score) -> Clip:
    """Render a score; one without notes is a moment of silence."""
    return (
        render(score, rate=RENDER_RATE)
        if score.note_num()
        else Clip(torch.zeros(1, RENDER_RATE), RENDER_RATE)
    )


def _lasting(clip: Clip, seconds: float | None) -> Clip:
    if seconds is None:
        return clip
    wanted = round(seconds * clip.rate)
    wave = clip.wave[:, :wanted]
    return Clip(F.pad(wave, (0, wanted - wave.shape[1])), clip.rate)


def list_pieces(folder: Path, *, seconds: float | None = None) -> list[Piece]:
    """Return what a folder of takes, or of any audio or MIDI files, holds, by name.

    Of a folder with a manifest, what the manifest names; else its audio files; without any its MIDI files.

    Raises:
        DiscoError: there is nothing to hear in it.
    """
    manifest = folder / "manifest.jsonl"
    if manifest.is_file():
        records = read_manifest(manifest)
    else:
        every = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        found = [path for path in every if path.suffix.lower() in AUDIO]
        found = found or [path for path in every if path.suffix.lower() in SCORES]
        records = [_bare(folder, path) for path in found]
    if not records:
        raise DiscoError(f"{folder} holds no audio", do="name a folder of WAV, FLAC, OGG or MP3 files")
    return [Piece(folder=folder, record=record, seconds=seconds) for record in records]


def _bare(folder: Path, path: Path) -> Record:
    below = path.relative_to(folder)
    score = path.suffix.lower() in SCORES
    return Record(
        id=below.with_suffix("").as_posix(),
        file_path=below.as_posix(),
        duration=0.0,
        sample_rate=0,
        midi_path=below.as_posix() if score else None,
    )


def read_takes(folder: Path, *, seconds: float | None = None) -> list[Take]:
    """Read a folder of takes, or of any audio files.

    Raises:
        DiscoError: there is no audio in it, or a file cannot be read.
    """
    return [piece.load() for piece in list_pieces(folder, seconds=seconds)]
