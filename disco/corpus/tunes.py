"""The demo corpus as it ships: fiddle tunes and Bach chorales, their notes and what is known of them."""

import json
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from disco.errors import DiscoError
from disco.midi.score import Score, score_from_bytes

CORPUS = Path(__file__).parent / "scores"
TUNES_FILE, SCORES_FILE = "tunes.jsonl", "scores.tar.xz"


@dataclass(frozen=True)
class Tune:
    """What the sources say about one piece, and on which side of the split it stands.

    Args:
        id: also the stem of its MIDI file.
        title: as printed, without the trailing kind of dance.
        book: `ryan` (one voice) or `bach` (four).
        rhythm: the kind of dance, or `chorale`; `tune` where the book names none.
        key: `Dmaj`, `Amin`, `Ador`, `Gmix`, `Glyd`; None where the source leaves it open.
        metre: `2/4`, `6/8`, ...
        tempo_bpm: quarter notes per minute, None where the source states none (nearly always).
        voices: number of tracks of the score.
        seconds: length at 120 quarter notes per minute, repeats played.
        pickup_beats: quarter notes before the first full bar.
        incipit: the first 13 intervals of the upper voice in semitones.
        group: the first piece of the family of variants that this one belongs to.
        split: `train`, `val` or `test`; a family stands on one side.
    """

    id: str
    title: str
    book: str
    rhythm: str
    key: str | None
    metre: str
    tempo_bpm: float | None
    voices: int
    seconds: float
    pickup_beats: float
    incipit: tuple[int, ...]
    group: str
    split: str


@cache
def load_tunes() -> tuple[Tune, ...]:
    """List every piece of the corpus, fiddle tunes first, then chorales."""
    lines = _file(TUNES_FILE).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return tuple(Tune(**record | {"incipit": tuple(record["incipit"])}) for record in records)


@cache
def load_midi() -> dict[str, bytes]:
    """Unpack the MIDI files of all pieces, by id; without tempo and instruments."""
    with tarfile.open(_file(SCORES_FILE), "r:xz") as archive:
        files = {member.name.removesuffix(".mid"): archive.extractfile(member) for member in archive}
        return {name: file.read() for name, file in files.items() if file is not None}


def tune_score(tune_id: str) -> Score:
    """Give one piece as a score.

    Raises:
        DiscoError: the corpus has no such piece.
    """
    midi = load_midi().get(tune_id)
    if midi is None:
        raise DiscoError(f"the demo corpus has no piece '{tune_id}'", do="see ids in load_tunes()")
    return score_from_bytes(midi, name=tune_id)


def _file(name: str) -> Path:
    path = CORPUS / name
    if not path.is_file():
        raise DiscoError(f"{path} is missing", do="reinstall the package, or run scripts/rebuild_corpus.py")
    return path
