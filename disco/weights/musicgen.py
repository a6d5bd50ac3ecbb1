"""MusicGen's published weights, or any in the layout of `transformers` or of audiocraft."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from disco.core.module import GenerativeModule
from disco.errors import DiscoError
from disco.nets.patterns import Delay
from disco.nets.transformer import Decoder, Sinusoidal
from disco.weights.key_map import KeyMap
from disco.weights.layouts import AUDIOCRAFT, TRANSFORMERS
from disco.weights.published import Published, find_published, read_pickled, read_tensors

Facts = dict[str, Any]  # what two models must agree in, as a user names it


class MusicgenWeights:
    """Fills a MusicGen, melody and stereo models too, with weights that others saved.

    The frozen text encoder and the codec that lie beside them are not used: `conditioner=[t5]` and
    `codec=encodec` name their own.

    Args:
        path: a folder with `config.json` and `model.safetensors` (`save_pretrained` of transformers) or
            with audiocraft's `state_dict.bin`, one of these files, or a name on the Hugging Face hub.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def load(self, module: GenerativeModule) -> None:
        """Fill in the weights.

        Raises:
            DiscoError: there are none, they are of another size or family, or names do not match.
        """
        found = find_published(self.path)
        theirs = read_tensors(found)
        table = layout_of(theirs, self.path)
        if table is TRANSFORMERS:
            theirs = with_whole_names(theirs)
        codebooks = _count(r"(emb|decoder\.model\.decoder\.embed_tokens)\.(\d+)\.weight", theirs)
        ours = table.to_ours(theirs, codebooks)
        refuse_other(self.path, {**facts_of(ours), **_heads(found, table)}, module)
        module.load_network({name: value.float() for name, value in ours.items()})


def layout_of(names: Mapping[str, Tensor], path: str) -> KeyMap:
    """Say whose names these are.

    Raises:
        DiscoError: nobody's that is known here.
    """
    if any(re.match(r"(decoder\.)?model\.decoder\.embed_tokens\.", name) for name in names):
        return TRANSFORMERS
    if "emb.0.weight" in names:
        return AUDIOCRAFT
    raise DiscoError(
        f"{path}: these are no weights of MusicGen's, in the names of transformers or audiocraft",
        do="name a folder that one of them saved, or an own run by weights=run weights.run=…",
    )


def with_whole_names(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a lone decoder (`MusicgenForCausalLM`) their names in a whole model."""
    lone = any(name.startswith("model.decoder.") for name in theirs)
    return {f"decoder.{name}" if lone else name: value for name, value in theirs.items()}


def facts_of(ours: Mapping[str, Tensor]) -> Facts:
    """Return what the shapes of a MusicGen's tensors tell, by the names of the settings."""
    rows, width = ours["embedding.weight"].shape
    answers = len(ours["head.weight"])
    readers = [name.split(".")[1] for name in ours if name.startswith("conditioners.")]
    text = ours.get("conditioners.text.project.weight")
    return {
        "model.width": width,
        "model.depth": _count(r"decoder\.(layers)\.(\d+)\.ffn_in\.weight", ours),
        "codebooks": rows - answers,
        "tokens per codebook": answers // max(rows - answers, 1),
        "cross-attention": any(".cross_attention." in name for name in ours),
        "model.prior": any(name.startswith("prior.") for name in ours),
        "conditioner": sorted(set(readers)),
        "conditioner.text.encoder.width": None if text is None else text.shape[1],
    }


def refuse_other(path: str, theirs: Facts, module: GenerativeModule) -> None:
    """Refuse weights that mean something else in this model, field by field, before any is changed.

    Raises:
        DiscoError: names every field that differs, as "in the weights → here".
    """
    decoder = getattr(module, "decoder", None)
    if not isinstance(decoder, Decoder):
        raise DiscoError(
            f"{path} is for a MusicGen, and this is {type(module).__name__}", do="model=musicgen"
        )
    ours = facts_of(module.state_dict())
    ours["model.heads"] = ours["model.width"] // decoder.head_width
    sinusoids = isinstance(decoder.positions, Sinusoidal) and decoder.positions.max_period == 10000.0
    ours["model.positions"] = "Sinusoidal" if sinusoids else type(decoder.positions).__name__
    ours["model.pattern"] = type(getattr(module, "pattern", None)).__name__
    wanted = {"model.positions": "Sinusoidal", "model.pattern": Delay.__name__, **theirs}
    apart = [f"{name} {value} → {ours[name]}" for name, value in wanted.items() if value != ours[name]]
    if apart:
        raise DiscoError(
            f"{path} holds another model than this one: {', '.join(apart)}",
            do="model=musicgen_published (musicgen_melody, musicgen_stereo) conditioner=[t5] codec=encodec "
            "and the scale of its name fit the published ones",
        )


def _heads(found: Published, table: KeyMap) -> Facts:
    """Return how many heads there are, which no shape tells; nothing where nobody says."""
    if table is TRANSFORMERS:
        told = found.config.get("decoder", found.config).get("num_attention_heads")
    else:
        said = re.search(
            r"^\s*num_heads:\s*(\d+)\s*$", str(read_pickled(found.files[0])["xp.cfg"]), re.MULTILINE
        )
        told = int(said[1]) if said else None
    return {} if told is None else {"model.heads": told}


def _count(pattern: str, names: Mapping[str, Tensor]) -> int:
    """Return one more than the highest number that the last group of a pattern finds."""
    return max((int(match[2]) + 1 for name in names if (match := re.fullmatch(pattern, name))), default=0)
