"""What people write about music, in whatever words and columns, as fields of a record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from disco.core.record import LONGEST_TEXT

# Field of the record, and under which names others write it; the first that says something counts.
NAMES: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "track_title", "song"),
    "artist": ("artist", "artists", "artist_name", "performer"),
    "album": ("album", "album_title"),
    "genre": ("genre", "genres"),
    "instruments": ("instruments", "instrument", "instrumentation"),
    "tempo": ("tempo", "bpm", "tempo_bpm"),
    "key": ("key", "keyscale", "key_signature", "initialkey"),
    "mood": ("mood", "moods"),
    "year": ("year", "date", "release_date"),
    "caption": ("caption", "description", "prompt", "text"),
    "lyrics": ("lyrics",),
    "licence": ("licence", "license"),
    "source": ("source", "dataset"),
    "metre": ("metre", "meter", "time_signature", "timesignature"),
    "split": ("split", "subset"),
}
FIELDS = {other: field for field, names in NAMES.items() for other in names}
# Columns that name the file, and those that are measured anew: neither is kept as something known.
FILE_COLUMNS = (
    "file", "file_name", "filename", "file_path", "filepath", "path", "audio", "audio_path",
    "audio_filepath", "audio_file", "relpath",
)  # fmt: skip
MEASURED = frozenset({"id", "duration", "sample_rate", "channels", "features", "seconds_total"})
NOTHING = frozenset({"", "nan", "none", "null", "n/a", "na", "unknown", "-"})
MODES = {
    "": "maj", "major": "maj", "maj": "maj", "M": "maj", "ionian": "maj", "dur": "maj",
    "minor": "min", "min": "min", "m": "min", "aeolian": "min", "moll": "min",
    "dorian": "dor", "dor": "dor", "phrygian": "phr", "phr": "phr", "lydian": "lyd", "lyd": "lyd",
    "mixolydian": "mix", "mix": "mix", "locrian": "loc", "loc": "loc",
}  # fmt: skip
SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "eval": "test",
}  # fmt: skip


def fields_of(row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what a row says, as fields of a record, and a sentence for each value that cannot be read.

    What has no field of its own goes to `extra` under its own name.
    """
    found: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    complaints: list[str] = []
    plain = {column_name(name): name for name in row}
    for field, names in NAMES.items():
        for name in names:
            value = row.get(plain.get(name, "\0"))
            if says_nothing(value) or field in found:
                continue
            try:
                found[field] = _READERS.get(field, text)(value)
            except ValueError as error:
                complaints.append(f"{plain[name]} is {_short(value)}, not {error}")
    for name, value in row.items():
        own = column_name(name)
        if own not in FIELDS and own not in FILE_COLUMNS and own not in MEASURED and not says_nothing(value):
            extra[name] = value
    if extra:
        found["extra"] = extra
    return found, complaints


def column_name(name: str) -> str:
    """Return a column's name as it is looked for: "Release Date" is release_date."""
    return re.sub(r"[\s-]+", "_", str(name).strip().casefold())


def says_nothing(value: Any) -> bool:
    """Tell whether a value stands for none."""
    if isinstance(value, str):
        return value.strip().casefold() in NOTHING
    return value is None or value == [] or value == {} or value != value  # NaN


def text(value: Any) -> str:
    """Read a text; of a list the first, as some formats keep one description of many."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a text")
    found = str(value).replace("\0", "").strip()
    if len(found) > LONGEST_TEXT:
        raise ValueError(f"a text of at most {LONGEST_TEXT:,} characters")
    return found


def names(value: Any) -> str:
    """Read one name or several, as one credit."""
    return ", ".join(texts(value)) if isinstance(value, list) else text(value)


def texts(value: Any) -> list[str]:
    """Read a list, or a text with commas, semicolons or bars between the items."""
    items = re.split(r"[;,|]", value) if isinstance(value, str) else value
    if not isinstance(items, list):
        raise ValueError("a list of texts")
    return list(dict.fromkeys(text(item) for item in items if not says_nothing(item)))


def tempo(value: Any) -> float:
    """Read beats per minute."""
    found = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*(?:bpm)?\s*", str(value), re.IGNORECASE)
    bpm = float(found[1].replace(",", ".")) if found else 0.0
    if not 20 <= bpm <= 400:
        raise ValueError("beats per minute from 20 to 400")
    return bpm


def key(value: Any) -> str:
    """Read a key as "C# minor", "Dbmaj", "f:min" or "Am" into Cmaj, C#min, Bbdor."""
    found = re.fullmatch(r"\s*([A-Ga-g])\s*(#|♯|b|♭|sharp|flat|is|es)?[\s:_-]*([A-Za-z]*)\s*", str(value))
    mode = found and (MODES.get(found[3]) or MODES.get(found[3].casefold()))
    if not found or not mode:
        raise ValueError("a key as Cmaj or F#min")
    sign = {"#": "#", "♯": "#", "sharp": "#", "is": "#", None: ""}.get(found[2], "b")
    return f"{found[1].upper()}{sign}{mode}"


def year(value: Any) -> int:
    """Read a year, or a date that begins or ends with one."""
    found = re.search(r"(?<!\d)(1\d{3}|20\d{2})(?!\d)", str(value))
    if not found:
        raise ValueError("a year")
    return int(found[1])


def metre(value: Any) -> str:
    """Read a time signature; a bare number counts quarters, as some formats have it."""
    found = re.fullmatch(r"\s*([1-9]\d?)\s*(?:/\s*([1-9]\d?))?\s*", str(value))
    if not found:
        raise ValueError("a metre as 3/4")
    return f"{found[1]}/{found[2] or 4}"


def split(value: Any) -> str:
    """Read the side of a split, under the names that are in use."""
    found = SPLIT_NAMES.get(str(value).strip().casefold())
    if not found:
        raise ValueError("train, val or test")
    return found


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "artist": names, "genre": texts, "instruments": texts, "mood": texts, "tempo": tempo, "key": key,
    "year": year, "metre": metre, "split": split,
}  # fmt: skip


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
