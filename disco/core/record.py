"""One line of a manifest: the guide's metadata schema, typed, and read with the line that is wrong."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from beartype import BeartypeConf
from beartype.door import is_bearable

from disco.drafts import drafted
from disco.errors import DiscoError

Split = Literal["train", "val", "test"]

MANIFEST = "metadata/manifest.jsonl"  # in the folder of a prepared data set

LONGEST_LINE = 1_000_000  # bytes: a line beyond it is a mistake or an attack, and is not parsed
LONGEST_TEXT = 100_000  # characters of one field
LONGEST_ID = 200
ABOVE_ZERO = frozenset({"duration", "sample_rate", "channels", "tempo"})
NOT_BELOW_ZERO = frozenset({"start", "fade_seconds"})

_TOWER = BeartypeConf(is_pep484_tower=True)  # 120 is a tempo


@dataclass(frozen=True, kw_only=True)
class Record:
    """One piece: where its audio lies and what is known of it. Times are seconds, rates Hz.

    The piece is `duration` seconds of the file from `start` on, to be played `gain_db` louder and faded
    at its edges over `fade_seconds`. `provenance` says where a field came from: `human`, `tag`,
    `analysis:<stage>`, `model:<name>`. Pieces of one `group` never stand on two sides of a split.
    `extra` holds what other programs wrote beside these fields; it is kept and written back.
    """

    id: str
    file_path: str
    duration: float
    sample_rate: int
    channels: int = 1
    genre: list[str] = field(default_factory=list)
    instruments: list[str] = field(default_factory=list)
    tempo: float | None = None
    key: str | None = None
    mood: list[str] = field(default_factory=list)
    year: int | None = None
    source: str | None = None
    split: Split | None = None
    features: dict[str, float] = field(default_factory=dict)
    title: str | None = None
    caption: str | None = None
    lyrics: str | None = None
    midi_path: str | None = None
    metre: str | None = None
    book: str | None = None
    group: str | None = None
    pickup_beats: float = 0.0
    start: float = 0.0
    gain_db: float = 0.0
    fade_seconds: float = 0.0
    artist: str | None = None
    album: str | None = None
    licence: str | None = None
    provenance: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def beats_per_bar(self) -> float | None:
        """Quarter notes per bar, where the metre is known."""
        if self.metre is None:
            return None
        upper, lower = (int(number) for number in self.metre.split("/"))
        return 4.0 * upper / lower


@dataclass(frozen=True)
class Fault:
    """What is wrong with one line of a manifest."""

    line: int
    reason: str


def read_manifest(path: Path, *, faults: list[Fault] | None = None) -> list[Record]:
    """Read one record per line. Empty lines and a byte order mark are passed over.

    Args:
        path: a `manifest.jsonl`.
        faults: takes up what is wrong with lines, which are then left out; without it the first one is
            an error.

    Raises:
        DiscoError: the file is missing, or a line is not a record; names the line.
    """
    if not path.is_file():
        raise DiscoError(f"there is no manifest at {path}", do="make one with scripts/prepare.py")
    records: list[Record] = []
    seen: dict[str, int] = {}
    for number, raw in _lines(path):
        try:
            record = record_of(_parsed(raw))
            if record.id in seen:
                raise ValueError(f"its id {record.id!r} stands in line {seen[record.id]} too")
        except ValueError as error:
            if faults is None:
                raise DiscoError(f"{path}, line {number}: {error}", do="mend or remove the line") from error
            faults.append(Fault(number, str(error)))
            continue
        seen[record.id] = number
        records.append(record)
    return records


def record_of(row: Mapping[str, Any]) -> Record:
    """Return a record for the plain values of one line; unknown keys go to `extra`.

    A whole number may be written as a float (44100.0), as spreadsheets do; null stands for what a field
    is without a value.

    Raises:
        ValueError: a field is missing, of the wrong type, out of range or too long; names it.
    """
    hints = field_types()
    values = {name: row[name] for name in hints if row.get(name) is not None and name != "extra"}
    missing = [name for name in ("id", "file_path", "duration", "sample_rate") if name not in values]
    if missing:
        raise ValueError(f"it has no {' and no '.join(missing)}")
    for name, value in values.items():
        values[name] = _checked(name, value, hints[name])
    extra = {name: value for name, value in row.items() if name not in hints or name == "extra"}
    return Record(**values, extra=extra)


def row_of(record: Record) -> dict[str, Any]:
    """Return a record's plain values; what is not a finite number is not known and left out."""
    row = asdict(record)
    extra = row.pop("extra")
    row["features"] = {name: value for name, value in row["features"].items() if math.isfinite(value)}
    for name, value in row.items():
        if isinstance(value, float) and not math.isfinite(value):
            row[name] = None
    return {**{name: value for name, value in extra.items() if name not in row}, **row}


def write_manifest(path: Path, records: Iterable[Record]) -> None:
    """Write one record per line; the file appears whole or not at all."""
    with drafted(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as stream:
        for record in records:
            stream.write(json.dumps(row_of(record), ensure_ascii=False, allow_nan=False) + "\n")


def safe_id(text: str) -> str:
    """Return a name of letters, digits, `.`, `_` and `-` that differs where the texts differ."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-")[:80]
    if text and plain == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain or 'piece'}-{digest}"


@cache
def field_types() -> dict[str, Any]:
    """Return the type of every field, in order."""
    hints = get_type_hints(Record)
    return {item.name: hints[item.name] for item in fields(Record)}


def parse_json(text: str) -> Any:
    """Parse JSON as its standard has it: no NaN, no key twice in one object.

    Raises:
        ValueError: the text is not that.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("its brackets are nested too deeply") from error


def _parsed(raw: bytes) -> dict[str, Any]:
    if len(raw) > LONGEST_LINE:
        raise ValueError(f"the line is longer than {LONGEST_LINE:,} bytes")
    try:
        row = parse_json(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg} at character {error.pos + 1}") from error
    if not isinstance(row, dict):
        raise ValueError("it is JSON but no object with keys")
    return row


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold something, with their numbers; of a line too long only its beginning."""
    with path.open("rb") as stream:
        number = 0
        while raw := stream.readline(LONGEST_LINE + 2):
            number += 1
            rest = raw
            while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
                rest = stream.readline(LONGEST_LINE + 2)
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if raw.strip():
                yield number, raw.rstrip(b"\r\n")


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"it holds {word}, which is not JSON; write null or leave the key out")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in pairs:
        if name in row:
            raise ValueError(f"the key {_short(name)} stands in it twice")
        row[name] = value
    return row


def _checked(name: str, value: Any, hint: Any) -> Any:
    value = _as_number(value, hint)
    wrong = isinstance(value, bool) or not is_bearable(value, hint, conf=_TOWER)
    if wrong or not _finite(value):
        raise ValueError(f"{name} is {_short(value)}, not {wanted(hint)}")
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        if isinstance(text, str) and len(text) > LONGEST_TEXT:
            raise ValueError(f"{name} has {len(text):,} characters; {LONGEST_TEXT:,} are allowed")
    _check_range(name, value)
    return value


def _check_range(name: str, value: Any) -> None:
    low = name in ABOVE_ZERO and value <= 0
    if low or (name in NOT_BELOW_ZERO and value < 0):
        raise ValueError(f"{name} is {value}, not {'above 0' if low else '0 or more'}")
    check = _OWN.get(name)
    if check is not None:
        check(value)


def _as_number(value: Any, hint: Any) -> Any:
    """Return 44100.0 as a whole number where one is wanted, and 120 as a float where that is."""
    kinds = {hint, *get_args(hint)}
    if isinstance(value, bool):
        return value
    if int in kinds and isinstance(value, float) and value.is_integer():
        return int(value)
    if float in kinds and isinstance(value, int):
        return float(value) if abs(value) < 1e300 else math.inf
    if isinstance(value, dict) and float in kinds:
        return {name: _as_number(number, float) for name, number in value.items() if number is not None}
    return value


def _finite(value: Any) -> bool:
    numbers = value.values() if isinstance(value, dict) else [value]
    return all(math.isfinite(number) for number in numbers if isinstance(number, float))


def _check_id(value: str) -> None:
    """An id may be part of a file's name: nothing in it may lead elsewhere."""
    if not value or len(value) > LONGEST_ID or value in (".", ".."):
        raise ValueError(f"id is {_short(value)}, not a name of 1 to {LONGEST_ID} characters")
    if re.search(r"[/\\]", value) or any(unicodedata.category(one)[0] == "C" for one in value):
        raise ValueError(f"id {_short(value)} holds a slash or a control character")


def _check_path(value: str) -> None:
    if not value or "\0" in value:
        raise ValueError(f"file_path is {_short(value)}, not a path")


def _check_metre(value: str) -> None:
    if not re.fullmatch(r"[1-9]\d?/[1-9]\d?", value):
        raise ValueError(f"metre is {_short(value)}, not a fraction as 3/4")


_OWN: dict[str, Callable[[str], None]] = {"id": _check_id, "file_path": _check_path, "metre": _check_metre}


def wanted(hint: Any) -> str:
    """Say in words what a field holds."""
    if get_args(hint) and type(None) in get_args(hint):
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    words = {
        str: "a text",
        int: "a whole number",
        float: "a finite number",
        list[str]: "a list of texts",
        dict[str, float]: "an object of finite numbers",
        dict[str, str]: "an object of texts",
    }
    return words.get(hint) or f"one of {', '.join(str(one) for one in get_args(hint))}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
