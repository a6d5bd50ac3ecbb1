"""Whether a MusicGen is one that transformers and audiocraft know: the published family, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from disco.errors import DiscoError

if TYPE_CHECKING:
    from disco.conditioners.text import Text
    from disco.core.module import GenerativeModule
    from disco.models.musicgen import MusicGen


def published_kind(module: GenerativeModule, library: str) -> MusicGen:
    """Return the module, typed, if it has nothing that the published models lack.

    Raises:
        DiscoError: names everything that it has no place for.
    """
    from disco.models.musicgen import MusicGen

    if not isinstance(module, MusicGen):
        raise DiscoError(f"{library} has no place for a {type(module).__name__}", do="to=safetensors")
    if found := _beyond(module):
        raise DiscoError(
            f"{library}'s MusicGen has no place for {', '.join(found)}",
            do="to=safetensors, or train with model=musicgen_published conditioner=[t5] and without these",
        )
    return module


def _beyond(model: MusicGen) -> list[str]:
    from disco.conditioners.text import Text
    from disco.nets.patterns import Delay
    from disco.nets.transformer import Sinusoidal

    found = []
    if model.prior is not None:
        found.append("the counted prior (model.prior)")
    positions = model.decoder.positions
    if not (isinstance(positions, Sinusoidal) and positions.max_period == 10000.0):
        found.append(f"{type(positions).__name__} positions (model.positions)")
    natural = _natural_delays(model)
    if not isinstance(model.pattern, Delay) or list(model.pattern.delays or natural) != natural:
        found.append("this order of codebooks (model.pattern)")
    others = sorted(set(model.conditioners) - {"text"})
    if others:
        found.append(f"the conditioners {', '.join(others)}")
    if "text" not in model.conditioners:
        found.append("a model without conditioner=[t5] or [text]")
    elif not isinstance(reader := model.conditioners["text"], Text) or reader.prompt is not None:
        found.append("words that an adapter speaks")
    if model.film is not None or model.fuser.prepend or model.fuser.sum:
        found.append("conditions elsewhere than in cross-attention (model.fuser)")
    return found


def _natural_delays(model: MusicGen) -> list[int]:
    """Return the delays of the published models: 0 1 2 3, or 0 0 1 1 … where there are two channels."""
    return [place // model.codec.channels for place in range(model.num_codebooks)]


def text_of(model: MusicGen) -> Text:
    """Return what reads the captions."""
    from disco.conditioners.text import Text

    reader = model.conditioners["text"]
    assert isinstance(reader, Text), "published_kind looks for it"
    return reader
