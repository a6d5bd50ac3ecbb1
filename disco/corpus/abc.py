"""Read one melody in ABC notation strictly: what does not add up is refused with the reason.

Only what monophonic tune books use (abcnotation.com, version 2.1): notes, rests, accidentals, ties,
tuplets, broken rhythm, bars, repeats and endings. Ornaments, bowings, fingerings and texts carry no
notes and are dropped. Times are exact fractions of a quarter note.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction

from disco.corpus.abc_key import AbcError, parse_key

_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TUPLET_TIME = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
_DROPPED = re.compile(r'"[^"]*"|![a-z]+!|\{[^}]*\}|[h-wyH-W~.`\\$*!+]')
_NOTE = r"[_^=]*[A-Ga-gzx][,']*\d*/*\d*"
_TOKEN = re.compile(
    r"(?P<inline>\[[A-Za-z]:[^\]]*\])"
    r"|(?P<bar_line>(?:\[\||:*\||::)[|\]:]*)"
    r"|(?P<ending>\[?\s*[1-9](?:[,-][1-9])*)"
    r"|\((?P<tuplet>\d(?::\d?){0,2})"
    rf"|(?P<chord>\[(?:{_NOTE})+\]\d*/*\d*)"
    rf"|(?P<note>{_NOTE})"
    r"|(?P<broken><+|>+)"
    r"|(?P<tie>-)"
    r"|(?P<skip>\s+|\)|\((?!\d))"
)


@dataclass(frozen=True)
class Melody:
    """One tune with its repeats played out.

    `notes` are (onset, duration, MIDI pitch) in quarter notes from the first sound on, `pickup` the
    quarter notes before the first full bar.
    """

    title: str
    rhythm: str
    metre: tuple[int, int]
    key: str
    tempo_bpm: float | None
    pickup: Fraction
    length: Fraction
    notes: list[tuple[Fraction, Fraction, int]]


@dataclass
class _Bar:
    notes: list[tuple[Fraction, int | None, bool]] = field(default_factory=list)  # length, pitch, tied
    endings: frozenset[int] = frozenset()
    repeats_from_next: bool = False
    repeats_back: bool = False
    closes_part: bool = False

    @property
    def length(self) -> Fraction:
        return sum((note[0] for note in self.notes), Fraction(0))


def read_abc(text: str) -> Melody:
    """Parse the first tune of an ABC text and play out its repeats.

    Raises:
        AbcError: the reason why the tune cannot be trusted.
    """
    header, body = _split_header(text)
    metre = _metre(header.get("M", ""))
    unit = Fraction(header.get("L", "1/8")) * 4
    bars = _expand(_written_bars(body, header.get("K", ""), unit, metre))
    pickup = _check_bars(bars, metre)
    notes, position = [], Fraction(0)
    tied = False
    for length, pitch, ties in (note for bar in bars for note in bar.notes):
        if tied and notes and notes[-1][2] == pitch:
            notes[-1] = (notes[-1][0], notes[-1][1] + length, pitch)
        elif pitch is not None:
            notes.append((position, length, pitch))
        tied = ties
        position += length
    if len(notes) < 16:
        raise AbcError("fewer than 16 notes")
    key, _ = parse_key(header.get("K", ""))
    return Melody(
        header.get("T", ""), header.get("R", ""), metre, key, _tempo(header), pickup, position, notes
    )


def _split_header(text: str) -> tuple[dict[str, str], str]:
    header: dict[str, str] = {}
    body: list[str] = []
    for line in text.replace("\r", "\n").split("\n"):
        line = line.split("%")[0].rstrip()
        found = re.match(r"([A-Za-z])\s*:\s*(.*)", line)
        if "K" not in header:
            if found:
                header.setdefault(found.group(1), found.group(2).strip())
        elif found and not line.startswith(("|", "[")):
            if found.group(1) in "KLM":
                body.append(f"[{found.group(1)}:{found.group(2)}]")
            elif found.group(1) == "X":
                break
        else:
            body.append(re.sub(r"=(20)?$", "", line))  # what mail programs put at the end of long lines
    return header, "\n".join(body)


def _written_bars(body: str, key: str, unit: Fraction, metre: tuple[int, int]) -> list[_Bar]:
    fields = re.compile(r"(\[[A-Za-z]:[^\]]*\])")
    pieces = [part if fields.fullmatch(part) else _DROPPED.sub("", part) for part in fields.split(body)]
    text = re.sub(r":\[\|\]", ":|", re.sub(r"(\|)\s+(:)", r"\1\2", "".join(pieces)))
    reader = _Reader(unit, metre, parse_key(key)[1])
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if not token or not token.lastgroup:
            raise AbcError("symbols that are not ABC")
        place = token.end()
        reader.read(token.lastgroup, token.group(token.lastgroup))
    reader.read("bar_line", "|")
    if not reader.bars:
        raise AbcError("no notes")
    return reader.bars


class _Reader:
    """Takes tokens in written order and collects bars."""

    def __init__(self, unit: Fraction, metre: tuple[int, int], signature: dict[str, int]) -> None:
        self.bars: list[_Bar] = []
        self._unit, self._metre, self._signature = unit, metre, signature
        self._bar = _Bar()
        self._accidentals: dict[str, int] = {}
        self._tuplet_factor, self._tuplet_left = Fraction(1), 0
        self._next_factor = Fraction(1)  # what a broken rhythm leaves for the note after it

    def read(self, kind: str, text: str) -> None:
        """Take one token; its kind is the name of its group in `_TOKEN`."""
        getattr(self, f"_{kind}")(text)

    def _inline(self, text: str) -> None:
        name, value = text[1], text[3:-1].strip()
        if name == "K":
            self._signature = parse_key(value)[1]
        elif name == "L":
            self._unit = Fraction(value) * 4
        elif name == "M" and _metre(value) != self._metre:
            raise AbcError("metre changes")

    def _bar_line(self, line: str) -> None:
        """End a bar; a line without notes before it belongs to the last bar."""
        following = _Bar()
        if self._bar.notes:
            self.bars.append(self._bar)
        else:
            following.endings = self._bar.endings
        self._bar, self._accidentals = following, {}
        if not self.bars:
            return  # a repeat sign before the first note: the tune's start is its target anyway
        last = self.bars[-1]
        last.repeats_back |= line.startswith(":")
        last.repeats_from_next |= line.endswith(":")
        last.closes_part |= last.repeats_back or last.repeats_from_next or len(line) > 1

    def _ending(self, text: str) -> None:
        if self._bar.notes:
            self._bar_line("|")
        self._bar.endings = frozenset(int(digit) for digit in re.findall(r"\d", text))

    def _tuplet(self, text: str) -> None:
        self._tuplet_factor, self._tuplet_left = _tuplet(text, self._metre)

    def _note(self, text: str) -> None:
        length, pitch = _top_note(text, self._signature, self._accidentals)
        factor = self._next_factor * (self._tuplet_factor if self._tuplet_left else 1)
        self._bar.notes.append((length * self._unit * factor, pitch, False))
        self._next_factor, self._tuplet_left = Fraction(1), max(self._tuplet_left - 1, 0)

    _chord = _note

    def _broken(self, text: str) -> None:
        if not self._bar.notes:
            raise AbcError("broken rhythm across a bar")
        short = Fraction(1, 2 ** len(text))
        before, self._next_factor = (2 - short, short) if text[0] == ">" else (short, 2 - short)
        length, pitch, tied = self._bar.notes[-1]
        self._bar.notes[-1] = (length * before, pitch, tied)

    def _tie(self, text: str) -> None:
        if self._bar.notes:
            self._bar.notes[-1] = (*self._bar.notes[-1][:2], True)

    def _skip(self, text: str) -> None:
        """Spaces and slurs."""


def _tuplet(text: str, metre: tuple[int, int]) -> tuple[Fraction, int]:
    """How much shorter or longer the notes get, and how many of them."""
    parts = [int(part) if part else 0 for part in text.split(":")] + [0, 0]
    count = parts[0]
    compound = metre[1] == 8 and metre[0] % 3 == 0
    time = parts[1] or _TUPLET_TIME.get(count, 3 if compound else 2)
    if count < 2:
        raise AbcError("symbols that are not ABC")
    return Fraction(time, count), parts[2] or count


def _top_note(
    text: str, signature: dict[str, int], accidentals: dict[str, int]
) -> tuple[Fraction, int | None]:
    """Read a note, or the upper note of a double stop."""
    if not text.startswith("["):
        return _note(text, signature, accidentals)
    inside, _, outside = text[1:].partition("]")
    notes = [_note(found, signature, accidentals) for found in re.findall(_NOTE, inside)]
    scale, _ = _note(f"C{outside}", {}, {})
    return notes[0][0] * scale, max((pitch for _, pitch in notes if pitch is not None), default=None)


def _note(text: str, signature: dict[str, int], accidentals: dict[str, int]) -> tuple[Fraction, int | None]:
    found = re.match(r"([_^=]*)([A-Ga-gzx])([,']*)(\d*)(/*)(\d*)", text)
    assert found, text
    signs, letter, octaves, count, slashes, divisor = found.groups()
    length = Fraction(int(count or 1), int(divisor) if divisor else 2 ** len(slashes))
    if length == 0:
        raise AbcError("a note without length")
    if letter in "zx":
        return length, None
    pitch = 60 + _NATURAL[letter.upper()] + 12 * letter.islower()
    pitch += 12 * (octaves.count("'") - octaves.count(","))
    place = f"{letter}{octaves}"
    if signs:
        accidentals[place] = signs.count("^") - signs.count("_")
    return length, pitch + accidentals.get(place, signature.get(letter.upper(), 0))


def _expand(written: list[_Bar]) -> list[_Bar]:
    """Play the repeats and endings."""
    played: list[_Bar] = []
    start, index, turn, marked = 0, 0, 1, False
    while index < len(written):
        bar = written[index]
        if bar.endings and turn not in bar.endings:
            index = next((k for k in range(index, len(written)) if written[k].repeats_back), index) + 1
            if index == len(written) or turn not in (written[index].endings or {turn}):
                raise AbcError("endings that do not fit the repeats")
            bar = written[index]
        played.append(bar)
        if len(played) > 4 * len(written):
            raise AbcError("repeats without end")
        if bar.repeats_back and turn == 1:
            index, turn = start, 2
            continue
        if bar.repeats_back or bar.repeats_from_next or (bar.closes_part and (turn == 2 or not marked)):
            start, turn, marked = index + 1, 1, bar.repeats_from_next
        index += 1
    return played


def _check_bars(bars: list[_Bar], metre: tuple[int, int]) -> Fraction:
    """Return the pickup; every plain bar line must stand a whole number of bars after it."""
    full = Fraction(4 * metre[0], metre[1])
    pickup = bars[0].length if bars[0].length < full else Fraction(0)
    position = Fraction(0)
    for index, bar in enumerate(bars):
        position += bar.length
        on_grid = (position - pickup) % full == 0
        if bar.length > full or not (on_grid or bar.closes_part or index == len(bars) - 1):
            raise AbcError("bars that do not add up")
    return pickup


def _metre(text: str) -> tuple[int, int]:
    text = {"C": "4/4", "C|": "2/2"}.get(text.strip(), text.strip())
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found:
        raise AbcError("no metre")
    return int(found.group(1)), int(found.group(2))


def _tempo(header: dict[str, str]) -> float | None:
    """Quarter notes per minute, where the tune states them."""
    found = re.fullmatch(r"(\d+)/(\d+)\s*=\s*(\d+)", header.get("Q", "").strip())
    return float(4 * Fraction(int(found[1]), int(found[2])) * int(found[3])) if found else None
