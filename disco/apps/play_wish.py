"""From what was set on the page to the words of `scripts/generate.py` that ask for the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from disco.apps.composing import compose_app
from disco.apps.generate_words import typed
from disco.core.asking import NAMES
from disco.errors import DiscoError

# What is called so on the page, and its key on the command line.
NUMBERS = {
    "seconds": "seconds",
    "tempo": "tempo_bpm",
    "seed": "seed",
    "guidance": "sampler.guidance",
    "temperature": "sampler.temperature",
    "top_k": "sampler.top_k",
    "top_p": "sampler.top_p",
}
WHOLE = ("seed", "top_k")
SOUNDS = ("go_on_from", *NAMES)
TAG = "tag."  # before the name of a tag
OTHERS = ("prompt", "metre", "strength", "use", "sound", "compare")
LONGEST = 20_000  # characters of a value: what is longer is no wish


class Wish:
    """What was set on the page, checked as far as words go.

    Args:
        asked: name on the page to what stands there.
        tags: names of tags that the run knows.

    Raises:
        DiscoError: something that is not on the page, or no number where one is wanted.
    """

    def __init__(self, asked: Mapping[str, Any], tags: Sequence[str]) -> None:
        self.texts = {name: _text(name, value) for name, value in asked.items() if name != "compare"}
        known = {*NUMBERS, *OTHERS, *(TAG + name for name in tags)}
        if unknown := sorted(set(asked) - known):
            raise DiscoError(f"the page has no '{unknown[0][:40]}'", do="load it again")
        self.compared = asked.get("compare", False) is True
        self.strength = float(self._number("strength") or "1")
        if not 0 <= self.strength < float("inf"):
            raise DiscoError(f"strength={self.strength:g}: it must be 0 or more", do="1 is as learnt")
        self.use, self.sound = self.texts.get("use", ""), self.texts.get("sound", "")
        if self.sound and self.use not in SOUNDS:
            raise DiscoError(f"nothing is said of what the sound is for, '{self.use[:40]}'", do="choose it")

    @property
    def title(self) -> str:
        """What the result is called."""
        said = self.texts.get("prompt", "").strip()
        tags = ", ".join(value for name, value in self.texts.items() if name.startswith(TAG) and value)
        return said or tags or "Without words"

    def words(self, sound: str | None) -> list[str]:
        """Return the words behind `scripts/generate.py`, without the run; what is usual is left out.

        Args:
            sound: path of the sound that is given.
        """
        usual = compose_app("generate", ["run=somewhere"])
        words = ["count=1"]
        if self.texts.get("prompt"):
            words.append(typed("prompt", self.texts["prompt"]))
        for name, value in self.texts.items():
            if name.startswith(TAG) and value:
                tag = name.removeprefix(TAG)
                words.append(typed(f"{'' if tag in usual.tags else '+'}tags.{tag}", value))
        if self.texts.get("metre") not in (None, "", str(usual.metre)):
            words.append(f"metre={metre_of(self.texts['metre'])}")
        for name, key in NUMBERS.items():
            value = self._number(name)
            here = usual.sampler[key.partition(".")[2]] if "." in key else usual[key]
            if value is not None and (name == "seed" or float(value) != here):
                words.append(f"{key}={value}")
        if sound is not None:
            words.append(typed(self.use, sound))
        return words

    def _number(self, name: str) -> str | None:
        """Return a number as it is written on a command line; what is empty is left out."""
        text = self.texts.get(name, "").strip()
        if not text:
            return None
        try:
            value = float(text)
        except ValueError as error:
            raise DiscoError(f"{name}: '{text[:40]}' is no number", do="write it like 2.5") from error
        if name in WHOLE and value.is_integer():
            return str(int(value))
        return repr(value) if name in WHOLE or not value.is_integer() else str(int(value))


def command(words: Sequence[str]) -> str:
    """Return a line for the terminal."""
    return shlex.join(["python", "scripts/generate.py", *words])


def metre_of(text: str) -> str:
    """Return a metre, or refuse what is none before it meets any grammar."""
    if not all(letter in "0123456789/" for letter in text) or len(text) > 7:
        raise DiscoError(f"metre={text[:40]}: this is no metre", do="write it like metre=6/8")
    return text


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise DiscoError(f"the page sends no text as '{name[:40]}'", do="load it again")
    if len(value) > LONGEST:
        raise DiscoError(f"{name[:40]} has {len(value):,} characters", do=f"{LONGEST:,} at most are read")
    return value
