"""A prompt is taken as it is typed: commas, colons and quotes in it are no grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence

GIVEN = ("melody", "chords", "sections", "midi", "style", "image")  # as in core.asking, without torch
FREE = ("prompt", "go_on_from", "run", *GIVEN)  # keys whose values are plain text; those of tags are too
REFERRING = ("run", "go_on_from")  # which may refer to other keys and to the environment: ${…}


def plainly(arguments: Sequence[str]) -> list[str]:
    """Quote the values of free text that are not quoted; a sweep (`-m`) is left as it is."""
    if {"-m", "--multirun"} & set(arguments):
        return list(arguments)
    return [_quoted(word) for word in arguments]


def typed(key: str, value: str) -> str:
    """Return the word that one types so that `plainly` takes the value as it is, whatever it holds."""
    word = f"{key}={value}"
    return _in_quotes(key, value) if plainly([word]) == [word] else word


def _quoted(word: str) -> str:
    key, equals, value = word.partition("=")
    free = key in FREE or key.lstrip("+").startswith("tags.")
    if not equals or not free or value == "null" or _is_quoted(value):
        return word
    return _in_quotes(key, value)


def _in_quotes(key: str, value: str) -> str:
    # Within quotes backslashes count only before a quote, and before what would be a reference.
    escaped = re.sub(r'(\\*)("|$)', lambda end: 2 * end[1] + ('\\"' if end[2] else ""), value)
    if key not in REFERRING:
        escaped = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + "\\${", escaped)
    return f'{key}="{escaped}"'


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
