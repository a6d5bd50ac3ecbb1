"""What ties two pieces together, so that a model that has heard one knows something of the other.

Names are compared as listeners would: "The Beatles", "beatles, the" and "BEATLES" are one artist, and a
guest is an artist too. Where a name could be read in two ways, both count: a tie too many costs a little
freedom in splitting, a tie too few is a leak.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from disco.core.record import Record

Tie = tuple[str, str]  # kind and name: ("artist", "beatles")
KINDS = frozenset({"group", "album", "artist"})

_ARTICLES = "the|a|an|die|der|das|les|le|la|los|las|el|il|gli"
_BETWEEN = re.compile(
    r"\s*[;|]\s*|\s+/\s+|\s*[(\[]?\b(?:feat|ft|featuring)\b\.?\s*|\s+(?:with|vs\.?|x|presents|pres\.)\s+",
    re.IGNORECASE,
)
_TOGETHER = re.compile(r"\s*&\s*|\s+\+\s+|\s*,\s*|\s+(?:and|und|et|y)\s+", re.IGNORECASE)
_EDITION = re.compile(
    r"\s*[(\[][^)\]]*\b(?:edition|deluxe|remaster(?:ed)?|expanded|bonus|disc|cd|version)\b[^)\]]*[)\]]",
    re.IGNORECASE,
)
NOBODY = frozenset(
    {
        "", "unknown", "unknown artist", "unbekannt", "various", "various artists", "va", "v a", "n a", "na",
        "none", "null", "anonymous", "anon", "traditional", "trad", "artist", "diverse", "verschiedene",
    }
)  # fmt: skip
EVERYBODYS = frozenset(
    {
        "",
        "album",
        "best of",
        "demo",
        "demos",
        "ep",
        "greatest hits",
        "live",
        "n a",
        "na",
        "none",
        "null",
        "single",
        "singles",
        "unknown",
        "unknown album",
        "untitled",
        "unplugged",
        "soundtrack",
        "original soundtrack",
        "christmas",
        "collection",
        "the collection",
        "anthology",
    }
)  # fmt: skip  titles that many albums share: they count together with their artist


@lru_cache(maxsize=65536)
def plain(name: str) -> str:
    """Return a name without case, accents of Latin letters, punctuation and leading article."""
    text = unicodedata.normalize("NFKD", name).casefold()
    text = "".join(one for one in text if not "\u0300" <= one <= "\u036f")
    text = unicodedata.normalize("NFKC", text).replace("&", " and ").replace("+", " and ")
    text = re.sub(rf"^(.*\S)\s*,\s*({_ARTICLES})$", r"\2 \1", text.strip())
    text = re.sub(r"['’`´]", "", text)
    words = re.sub(r"[\W_]+", " ", text).strip()
    return re.sub(rf"^(?:{_ARTICLES})\s+(?=\S)", "", words) or text.strip()


@lru_cache(maxsize=65536)
def artists_of(credit: str) -> frozenset[str]:
    """Return everybody that a credit names, plainly: the whole, its guests, and the members of a list."""
    found: set[str] = {plain(credit)}
    for one in _BETWEEN.split(credit):
        one = one.strip(" ()[]")
        found.add(plain(one))
        if re.search(rf",\s*(?:{_ARTICLES})$", one, re.IGNORECASE):
            continue
        parts = [part for part in _TOGETHER.split(one) if part]
        found |= {plain(part) for part in parts}
        if len(parts) == 2 and "," in one:  # "Bach, Johann Sebastian"
            found.add(plain(f"{parts[1]} {parts[0]}"))
    words = _ARTICLES.split("|")
    return frozenset(
        one for one in found - NOBODY if one == plain(credit) or (len(one) > 1 and one not in words)
    )


def ties_of(record: Record) -> set[Tie]:
    """Return what a piece shares with others: its file, its group, its artists, its album."""
    ties = {("file", record.file_path)}
    if record.group:
        ties.add(("group", record.group))
    artists = artists_of(record.artist) if record.artist else frozenset()
    ties |= {("artist", name) for name in artists}
    if record.album:
        title = plain(_EDITION.sub("", record.album))
        if title not in EVERYBODYS:
            ties.add(("album", title))
        elif record.artist and plain(record.artist) not in NOBODY:
            ties.add(("album", f"{title} by {plain(record.artist)}"))
    return ties


def components(records: Sequence[Record], prints: Mapping[str, np.ndarray]) -> list[list[int]]:
    """Return the indices of pieces that hang together by any tie, or by near-duplicate fingerprints."""
    return tied(records, duplicates(prints), KINDS)


def tied(
    records: Sequence[Record], copies: Iterable[tuple[str, str]], kinds: frozenset[str]
) -> list[list[int]]:
    """Return the indices of pieces that hang together, over any number of ties.

    Args:
        records: in any order; which pieces hang together does not depend on it.
        copies: pairs of ids whose sound is nearly the same recording.
        kinds: of ties that count; pieces of one file always hang together.
    """
    parent = list(range(len(records)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(one: int, other: int) -> None:
        one, other = sorted((root(one), root(other)))
        parent[other] = one

    first: dict[Tie, int] = {}
    for index, record in enumerate(records):
        for tie in sorted(ties_of(record)):
            if tie[0] in kinds or tie[0] == "file":
                join(index, first.setdefault(tie, index))
    place = {record.id: index for index, record in enumerate(records)}
    for one, other in copies:
        if one in place and other in place:
            join(place[one], place[other])
    found: dict[int, list[int]] = {}
    for index in range(len(records)):
        found.setdefault(root(index), []).append(index)
    return list(found.values())


def duplicates(prints: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    """Return pairs of ids whose sound is nearly the same recording."""
    if len(prints) < 2:
        return []
    from disco.audio.fingerprint import matches  # compiles its kernels

    return matches(prints)


def by_tie(records: Iterable[Record]) -> Iterator[tuple[Tie, list[Record]]]:
    """Yield each tie with the pieces that share it, in order of the ties."""
    found: dict[Tie, list[Record]] = {}
    for record in records:
        for tie in ties_of(record):
            found.setdefault(tie, []).append(record)
    for tie in sorted(found):
        if len(found[tie]) > 1:
            yield tie, found[tie]
