"""A prompt is taken as it is typed: commas, colons and quotes in it are no grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence

FREE = ("prompt", "go_on_from", "run")  # keys whose values are plain text


def plainly(arguments: Sequence[str]) -> list[str]:
    """Quote the values of free text that are not quoted; a sweep (`-m`) is left as it is."""
    if {"-m", "--multirun"} & set(arguments):
        return list(arguments)
    return [_quoted(word) for word in arguments]


def _quoted(word: str) -> str:
    key, equals, value = word.partition("=")
    if not equals or key not in FREE or value == "null" or _is_quoted(value):
        return word
    # Within quotes backslashes count only before a quote.
    escaped = re.sub(r'(\\*)("|$)', lambda end: 2 * end[1] + ('\\"' if end[2] else ""), value)
    return f'{key}="{escaped}"'


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
