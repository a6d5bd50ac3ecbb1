"""Part of a folder as one system of an evaluation: excerpts of one length, spoilt on purpose where asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import torch

from disco.apps.spoil import Spoil
from disco.apps.takes import SCORES, Piece, list_pieces
from disco.audio.io import read_clip, write_clip
from disco.core.ranges import NaturalFloat, PositiveFloat, PositiveInt
from disco.core.record import MANIFEST, Record, read_manifest, write_manifest
from disco.errors import DiscoError


class Excerpts:
    """Cuts pieces of a folder, so that systems are compared over equally much music.

    Only their sound goes on, with what is known of its key, instruments and mood: systems whose notes are
    written would be heard better than those without. Excerpts keep the names of their pieces, so those of
    one piece in several systems belong together.

    Args:
        folder: a data set, a folder of takes, or of any audio files.
        where: field of the manifest to the value, or values, that a piece must have; null takes all.
        start: seconds at the beginning of each piece that are passed over.
        seconds: length of an excerpt; pieces that are shorter are left out.
        each: excerpts of one piece at most, one behind the other.
        count: excerpts in all at most, spread evenly over the pieces; null takes all.
        spoil: what is done to them; null leaves them as they are.
    """

    def __init__(
        self,
        *,
        folder: str,
        where: Mapping[str, str | Sequence[str]] | None,
        start: NaturalFloat,
        seconds: PositiveFloat,
        each: PositiveInt,
        count: PositiveInt | None,
        spoil: Spoil | None,
    ) -> None:
        unknown = sorted(set(where or {}) - {item.name for item in fields(Record)})
        if unknown:
            raise DiscoError(f"where: a manifest has no field '{unknown[0]}'", do="choose book, genre, split")
        self.folder = Path(folder)
        self.where = {name: {one} if isinstance(one, str) else {*one} for name, one in (where or {}).items()}
        self.start, self.seconds, self.each, self.count = start, seconds, each, count
        self.spoil = spoil

    def write(self, target: Path) -> Path:
        """Write the excerpts and their manifest into a folder and return it.

        Raises:
            DiscoError: no piece fits, or a file cannot be read.
        """
        (target / "manifest.jsonl").unlink(missing_ok=True)
        places = [(piece, start) for piece in self._pieces() for start in self._starts(piece)]
        if not places:
            raise DiscoError(
                f"{self.folder} has no piece of {self.start + self.seconds:g} s that fits {self._asked()}",
                do="ask for fewer seconds, or for other pieces",
            )
        most = min(self.count or len(places), len(places))
        chosen = [places[index * len(places) // most] for index in range(most)]
        records = [self._cut(target, index, *one) for index, one in enumerate(chosen)]
        write_manifest(target / "manifest.jsonl", records)
        return target

    def _pieces(self) -> list[Piece]:
        manifest = self.folder / MANIFEST
        if manifest.is_file():
            pieces = [Piece(folder=self.folder, record=record) for record in read_manifest(manifest)]
        else:
            pieces = list_pieces(self.folder)
        pieces = [piece for piece in pieces if Path(piece.record.file_path).suffix.lower() not in SCORES]
        return sorted((piece for piece in pieces if self._fits(piece.record)), key=lambda piece: piece.name)

    def _fits(self, record: Record) -> bool:
        for name, wanted in self.where.items():
            value = getattr(record, name)
            if not wanted & {str(one) for one in (value if isinstance(value, list) else [value])}:
                return False
        return True

    def _starts(self, piece: Piece) -> list[float]:
        """Return the seconds of its file at which excerpts begin."""
        length = piece.record.duration or _seconds(piece.folder / piece.record.file_path)
        room = int((length - self.start) / self.seconds + 1e-6)
        begin = piece.record.start + self.start
        return [begin + number * self.seconds for number in range(min(self.each, max(0, room)))]

    def _cut(self, target: Path, index: int, piece: Piece, start: float) -> Record:
        clip = read_clip(piece.folder / piece.record.file_path, start=start, seconds=self.seconds)
        if self.spoil is not None:
            clip = self.spoil(clip, torch.Generator().manual_seed(index))
        record = replace(
            piece.record,
            id=f"{piece.name.replace('/', ':')}@{start:g}s",  # a manifest's ids hold no slash
            file_path=f"{index:04d}.wav",
            start=0.0,
            gain_db=0.0,
            fade_seconds=0.0,
            duration=clip.seconds,
            sample_rate=clip.rate,
            channels=clip.channels,
            tempo=None,  # known of some systems only, and not where its beats are
            midi_path=None,
        )
        write_clip(target / record.file_path, clip.within_full_scale(), allow_clipping=True)
        return record

    def _asked(self) -> str:
        return ", ".join(f"{name} {'|'.join(sorted(wanted))}" for name, wanted in self.where.items()) or "it"


def _seconds(path: Path) -> float:
    """Return the length of a file without reading all of it.

    Raises:
        DiscoError: it is no audio file.
    """
    import soundfile

    try:
        return float(soundfile.info(str(path)).duration)
    except (OSError, soundfile.LibsndfileError) as error:
        raise DiscoError(f"{path} cannot be read: {error}", do="take it out of the folder") from error
