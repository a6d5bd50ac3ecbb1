"""Make the demo corpus from the pieces that music21's wheel carries; run by scripts/rebuild_corpus.py.

What does not add up is left out and counted by reason. The same sources give the same bytes.
"""

import io
import json
import lzma
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from symusic.core import NoteTick as Note
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from disco.corpus.abc import read_abc
from disco.corpus.abc_key import AbcError
from disco.corpus.families import Notes, families, incipit, kinship_marks, skeleton, split_of
from disco.corpus.tunes import SCORES_FILE, TUNES_FILE, Tune
from disco.midi.score import TICKS_PER_QUARTER, Score

DEMO_TEMPO_BPM = 120.0
VELOCITY = 90
_RHYTHMS = {"slipjig": "slip jig", "fling": "highland fling", "walk around": "walkaround"}
_KNOWN_RHYTHMS = ("slip jig", "highland fling", "strathspey", "hornpipe", "walkaround", "clog", "reel", "jig")
_VOICES = ("Soprano", "Alto", "Tenor", "Bass")
_NOT_CHORALES = {"bwv846"}  # a prelude for keyboard


class LeftOutError(Exception):
    """A source that does not enter the corpus, with the reason."""


@dataclass(frozen=True)
class Piece:
    """A piece between its source and the corpus; times in quarter notes."""

    id: str
    title: str
    book: str
    rhythm: str
    key: str | None
    metre: tuple[int, int]
    tempo_bpm: float | None
    pickup: Fraction
    length: Fraction
    voices: list[Notes]


def build_corpus(source: Path, target: Path) -> dict[str, Counter[str]]:
    """Read music21's corpus folder and write `tunes.jsonl` and `scores.tar.xz`.

    Returns:
        for each book the number of pieces kept and left out, by reason.
    """
    report: dict[str, Counter[str]] = {}
    pieces: list[Piece] = []
    known: set[str] = set()
    for book, found in (("ryan", _ryan(source / "ryansMammoth")), ("bach", _bach(source / "bach"))):
        report[book] = Counter()
        for piece in found:
            if isinstance(piece, LeftOutError):
                report[book][str(piece)] += 1
                continue
            first = piece.voices[0][0][2]
            prints = str([[(*note[:2], note[2] - first) for note in voice] for voice in piece.voices])
            if prints in known:
                report[book]["the same notes as another piece"] += 1
                continue
            known.add(prints)
            pieces.append(piece)
            report[book]["kept"] += 1
    target.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(asdict(tune), ensure_ascii=False) for tune in _tunes(pieces)]
    (target / TUNES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (target / SCORES_FILE).write_bytes(_archive({piece.id: _score(piece).dumps_midi() for piece in pieces}))
    return report


def _tunes(pieces: list[Piece]) -> list[Tune]:
    bars = [Fraction(4 * piece.metre[0], piece.metre[1]) for piece in pieces]
    marks = [kinship_marks(piece.title, piece.voices[0], piece.pickup) for piece in pieces]
    skeletons = [
        skeleton(piece.voices[0], piece.pickup, bar, _tonic(piece))
        for piece, bar in zip(pieces, bars, strict=True)
    ]
    tunes = []
    for piece, family in zip(pieces, families(marks, skeletons), strict=True):
        group = pieces[family].id
        tunes.append(
            Tune(
                id=piece.id,
                title=piece.title,
                book=piece.book,
                rhythm=piece.rhythm,
                key=piece.key,
                metre=f"{piece.metre[0]}/{piece.metre[1]}",
                tempo_bpm=piece.tempo_bpm,
                voices=len(piece.voices),
                seconds=round(float(piece.length) * 60 / DEMO_TEMPO_BPM, 3),
                pickup_beats=round(float(piece.pickup), 4),
                incipit=incipit(piece.voices[0]),
                group=group,
                split=split_of(group),
            )
        )
    return tunes


def _tonic(piece: Piece) -> int:
    """Pitch class of the key, or of the last bass note where no key is known."""
    if piece.key is None:
        return piece.voices[-1][-1][2] % 12
    letter = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[piece.key[0]]
    return (letter + {"#": 1, "b": -1}.get(piece.key[1], 0)) % 12


def _score(piece: Piece) -> Score:
    """Write a piece as MIDI with its pickup as a short first bar, so that bar lines stand right."""
    score = Score(TICKS_PER_QUARTER)
    if piece.pickup:
        parts = next(
            parts for parts in (4, 8, 16, 32, 64, 96) if piece.pickup * parts % 4 == 0 or parts == 96
        )
        score.time_signatures.append(TimeSignature(0, int(piece.pickup * parts / 4), min(parts, 64)))
    score.time_signatures.append(TimeSignature(_ticks(piece.pickup), *piece.metre))
    names = ("melody",) if len(piece.voices) == 1 else _VOICES
    for name, notes in zip(names, piece.voices, strict=True):
        track = Track(name.lower(), 0, is_drum=False)
        for onset, duration, pitch in notes:
            start = _ticks(onset)
            track.notes.append(Note(start, max(_ticks(onset + duration) - start, 1), pitch, VELOCITY))
        score.tracks.append(track)
    return score


def _ticks(quarters: Fraction) -> int:
    return round(quarters * TICKS_PER_QUARTER)


def _archive(files: dict[str, bytes]) -> bytes:
    """Pack files without dates and owners, so that equal content gives equal bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{name}.mid")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def _ryan(folder: Path) -> Iterator[Piece | LeftOutError]:
    for path in sorted(folder.glob("*.abc")):
        try:
            melody = read_abc(path.read_text(encoding="utf-8", errors="replace"))
        except AbcError as error:
            yield LeftOutError(str(error))
            continue
        title, kind = _title(melody.title)
        rhythm = melody.rhythm.lower()
        rhythm = _RHYTHMS.get(rhythm, rhythm)
        if kind not in rhythm:  # the printed title rules, but "slip jig" says more than its "jig"
            rhythm = kind
        slug = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", path.stem).lower()
        yield Piece(
            id=f"ryan-{slug}",
            title=title,
            book="ryan",
            rhythm=rhythm if rhythm in (*_KNOWN_RHYTHMS, "slide") else "tune",
            key=melody.key,
            metre=melody.metre,
            tempo_bpm=melody.tempo_bpm,
            pickup=melody.pickup,
            length=melody.length,
            voices=[melody.notes],
        )


def _title(printed: str) -> tuple[str, str]:
    """Split "THE LADIES' DELIGHT -- REEL" into "The Ladies' Delight" and the kind of dance it names."""
    name, _, kind = re.sub(r"\s*-{2,}\s*", "\t", printed.strip()).partition("\t")
    name = name.strip(" .,")
    if name.isupper():
        name = re.sub(r"[A-Z']+", lambda word: word.group().capitalize(), name)
        name = re.sub(r"(?<=[ (]O')[a-z]|(?<=^O')[a-z]", lambda letter: letter.group().upper(), name)
    name = re.sub(r"(?<=\w )(And|At|In|Of|On|Or|The|To|With)\b", lambda word: word.group().lower(), name)
    match = next((known for known in _KNOWN_RHYTHMS if known in kind.lower()), "")
    return name, match


def _bach(folder: Path) -> Iterator[Piece | LeftOutError]:
    from music21 import converter  # pyright: ignore[reportMissingImports]  an extra
    from music21.corpus.chorales import ChoraleListRKBWV  # pyright: ignore[reportMissingImports]  an extra

    titles = {str(entry["bwv"]): entry["title"] for entry in ChoraleListRKBWV().byRiemenschneider.values()}
    for path in sorted(folder.glob("*")):
        if path.suffix not in (".mxl", ".xml") or path.stem in _NOT_CHORALES:
            yield LeftOutError("not a chorale in MusicXML")
            continue
        try:
            number = path.stem.removeprefix("bwv")
            title = titles.get(number, f"Chorale BWV {number}")
            yield _chorale(f"bach-{path.stem}", title, converter.parse(path))
        except LeftOutError as reason:
            yield reason


def _chorale(piece_id: str, title: str, stream: Any) -> Piece:
    """Read four voices and their bars from a music21 stream.

    Raises:
        LeftOutError: the reason.
    """
    from music21.repeat import ExpanderException  # pyright: ignore[reportMissingImports]  an extra

    if tuple(part.partName for part in stream.parts) != _VOICES:
        raise LeftOutError("more or other parts than soprano, alto, tenor and bass")
    try:
        parts = [part.expandRepeats() for part in stream.parts]
    except ExpanderException as error:
        raise LeftOutError("repeats that do not fit") from error
    metres = {sign.ratioString for sign in parts[0].recurse().getElementsByClass("TimeSignature")}
    if len(metres) != 1:
        raise LeftOutError("metre changes" if metres else "no metre")
    above, below = (int(number) for number in metres.pop().split("/"))
    pickup, length = _bars(parts, Fraction(4 * above, below))
    voices = [_voice(part) for part in parts]
    tempos = {mark.getQuarterBPM() for mark in stream.recurse().getElementsByClass("MetronomeMark")} - {None}
    return Piece(
        id=piece_id,
        title=title,
        book="bach",
        rhythm="chorale",
        key=_key(parts[0], voices[-1]),
        metre=(above, below),
        tempo_bpm=float(tempos.pop()) if len(tempos) == 1 else None,
        pickup=pickup,
        length=length,
        voices=voices,
    )


def _bars(parts: list[Any], full: Fraction) -> tuple[Fraction, Fraction]:
    """Pickup and length; short bars must complete each other around a repeat or a fermata."""
    measured = [
        [_exact(bar.duration.quarterLength) for bar in part.getElementsByClass("Measure")] for part in parts
    ]
    if any(bars != measured[0] for bars in measured):
        raise LeftOutError("voices with different bars")
    bars = measured[0]
    pickup = bars[0] if bars[0] < full else Fraction(0)
    position = Fraction(0)
    for index, bar in enumerate(bars):
        position += bar
        whole = (position - pickup) % full == 0
        completed = index + 1 < len(bars) and bar + bars[index + 1] == full
        if bar > full or not (whole or completed or index == len(bars) - 1):
            raise LeftOutError("bars that do not add up")
    return pickup, position


def _voice(part: Any) -> Notes:
    notes: Notes = []
    for note in part.stripTies().flatten().notes:
        if note.isChord:
            raise LeftOutError("divided voices")
        if note.duration.quarterLength > 0:
            notes.append((_exact(note.offset), _exact(note.duration.quarterLength), int(note.pitch.midi)))
    if any(one[0] + one[1] > other[0] for one, other in pairwise(notes)):
        raise LeftOutError("divided voices")
    if len(notes) < 16:
        raise LeftOutError("fewer than 16 notes")
    return notes


def _key(part: Any, bass: Notes) -> str | None:
    """The key as written, where the last bass note is its tonic or its dominant; None otherwise."""
    written = next(iter(part.recurse().getElementsByClass("Key")), None)
    if written is None:
        return None
    fits = (bass[-1][2] - written.tonic.midi) % 12 in (0, 7)
    name = f"{written.tonic.name.replace('-', 'b')}{'maj' if written.mode == 'major' else 'min'}"
    return name if fits else None


def _exact(quarters: float | Fraction) -> Fraction:
    return Fraction(quarters).limit_denominator(96)
