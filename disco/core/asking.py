"""How somebody who generates gives a condition beyond words: a file, or a line of text.

What is asked for under a name is read by the conditioner that hears it:

    melody=tune.wav                  whose tune the piece follows; a MIDI file's top line does as well
    chords="C:4 G:4 Am:4 F:4"        each with its length in quarter notes; 4 where none is said
    sections="A:16 B:16"             likewise
    midi=tune.mid                    the notes to play
    style=song.wav                   a sound to be like
    image=cover.png                  a picture to go with
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from disco.core.contracts import Conditioner
from disco.core.given import Given
from disco.errors import DiscoError

NAMES = ("melody", "chords", "sections", "midi", "style", "image")


def heard_by(module: nn.Module) -> dict[str, Conditioner]:
    """Return what a model can be given, and which of its conditioners hears it."""
    parts = getattr(module, "conditioners", None) or {}
    found = [part for part in parts.values() if isinstance(part, Conditioner)]
    return {part.hears: part for part in found if part.hears is not None}


def read_given(
    module: nn.Module, asked: Mapping[str, str | None], *, count: int, tempo_bpm: float
) -> dict[str, tuple[Given | None, ...]]:
    """Return `Conditions.given`: the same for each of `count` pieces; what is asked as None is left out.

    Args:
        module: an opened model.
        asked: name to a file or a line of text.
        count: of pieces.
        tempo_bpm: of them, in quarter notes per minute, for what is told in quarter notes.

    Raises:
        DiscoError: this model does not hear that, or the file or the text cannot be read.
    """
    heard = heard_by(module)
    given: dict[str, tuple[Given | None, ...]] = {}
    for name, words in asked.items():
        if words is None:
            continue
        if name not in heard:
            known = f"it hears {', '.join(sorted(heard))}" if heard else "it hears words and tags only"
            raise DiscoError(
                f"{name}: this run was not trained to hear that; {known}",
                do=f"leave {name}=… out, or train with conditioner=[{name}]",
            )
        given[name] = (heard[name].understand(str(words), tempo_bpm=tempo_bpm),) * count
    return given


def wanted_by(conditioners: nn.ModuleDict) -> tuple[str, ...]:
    """Return what the data must give for conditioners to hear."""
    found = {part.hears for part in conditioners.values() if isinstance(part, Conditioner)}
    return tuple(sorted(name for name in found if name is not None))
