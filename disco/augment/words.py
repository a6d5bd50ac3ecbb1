"""Captions made of what is known of a piece, and the same sentences where a piece is asked for by tags."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from disco.core.contracts import WordAugment
from disco.core.ranges import Share
from disco.core.record import Record
from disco.errors import DiscoError

FIELDS = ("genre", "key", "metre", "instruments", "tempo", "mood", "year", "artist", "title")
TAGS = {"rhythm": "genre", "instrument": "instruments"}  # what a tag is called where it is asked for
MODES = {"maj": "major", "min": "minor", "dor": "dorian", "mix": "mixolydian", "lyd": "lydian",
         "phr": "phrygian"}  # fmt: skip
SIGNS = {"": "", "#": " sharp", "b": " flat"}


class Words(WordAugment):
    """Tells a piece in other words each time: fields left out, put in another order, worded otherwise.

    As MusicGen's training merges metadata into captions (Copet et al. 2023, section 3.1): a piece is told by
    its own caption, by a sentence made of its fields, or by both.

    Args:
        phrases: field to the ways in which it may be told, `{}` its value, in the order of a plain sentence;
            of `genre`, `key`, `metre`, `instruments`, `tempo`, `mood`, `year`, `artist`, `title`.
        drop: field to how often it is left out; one that is not named is always told.
        shuffle: share of the sentences whose parts come in a drawn order.
        alone: share of the captioned pieces that are told by their fields alone;
            both: share that is told by their caption and a sentence of their fields.
        bare: share of the pieces without a caption that are told by their fields.

    Raises:
        DiscoError: a field that no record has, or a phrase that says nothing of it.
    """

    def __init__(
        self,
        *,
        phrases: Mapping[str, Sequence[str]],
        drop: Mapping[str, Share],
        shuffle: Share,
        alone: Share,
        both: Share,
        bare: Share,
    ) -> None:
        for name in (*phrases, *drop):
            if name not in FIELDS:
                raise DiscoError(f"words: there is no field '{name}'", do=f"choose from {', '.join(FIELDS)}")
        for name, ways in phrases.items():
            for phrase in ways:
                _check(name, phrase)
        if alone + both > 1:
            raise DiscoError(
                f"words: alone={alone} and both={both} are more than all", do="make them smaller"
            )
        self.phrases = {name: tuple(ways) for name, ways in phrases.items() if ways}
        self.drop = dict(drop)
        self.shuffle = shuffle
        self.alone = alone
        self.both = both
        self.bare = bare

    def __call__(self, record: Record, generator: torch.Generator) -> str | None:
        """Return what a piece is told by this time; drawn from the generator alone."""
        chance = torch.rand(3 + 3 * len(self.phrases), generator=generator).tolist()
        kind, order, *each = chance
        caption = record.caption if record.caption and record.caption.strip() else None
        told = kind < self.alone + self.both if caption else kind < self.bare
        if not told:
            return record.caption
        known = fields_of(record)
        parts = []
        for place, (name, ways) in enumerate(self.phrases.items()):
            dropped, way, rank = each[3 * place : 3 * place + 3]
            if name in known and dropped >= self.drop.get(name, 0.0):
                parts.append((rank, ways[int(way * len(ways))].replace("{}", known[name])))
        if order < self.shuffle:
            parts.sort(key=lambda part: part[0])
        sentence = _sentence([phrase for _, phrase in parts])
        if caption is None or (sentence and kind < self.alone):
            return sentence or record.caption
        return f"{caption.strip()} {sentence}" if sentence else record.caption

    def say(self, fields: Mapping[str, Any]) -> str | None:
        """Return the plain sentence about fields or tags: all of them, in order, in their first wordings."""
        known = {TAGS.get(name, name): text for name, value in fields.items() if (text := _text(name, value))}
        told = [ways[0].replace("{}", known[name]) for name, ways in self.phrases.items() if name in known]
        return _sentence(told)


def fields_of(record: Record) -> dict[str, str]:
    """Return what is known of a piece, in words."""
    return {name: text for name in FIELDS if (text := _text(name, getattr(record, name)))}


def _sentence(parts: Sequence[str]) -> str | None:
    told = ", ".join(parts)
    return f"{told[0].upper()}{told[1:]}." if told else None


def _text(name: str, value: Any) -> str:
    """Return a value in words; nothing where it is not known."""
    if isinstance(value, list | tuple):
        *first, last = [str(one) for one in value] or [""]
        return f"{', '.join(first)} and {last}" if first else last
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return _key(value) if name == "key" else str(value)


def _key(value: str) -> str:
    """`Bbmin` as "B flat minor"; what is written otherwise as it is."""
    tonic, mode = value[:-3], value[-3:]
    if mode not in MODES or tonic[1:] not in SIGNS or tonic[:1] not in tuple("ABCDEFG"):
        return value
    return f"{tonic[0]}{SIGNS[tonic[1:]]} {MODES[mode]}"


def _check(name: str, phrase: str) -> None:
    """Refuse a phrase in which the value stands nowhere, or anything else in braces.

    Raises:
        DiscoError: names the phrase.
    """
    try:
        holes = [hole for _, hole, _, _ in string.Formatter().parse(phrase) if hole is not None]
    except ValueError:
        holes = ["?"]
    if holes != [""]:
        raise DiscoError(f"words.phrases.{name}: {phrase!r} must hold {{}} once", do="write it as 'in {}'")
