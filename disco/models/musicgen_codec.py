"""What a language model over codec tokens asks of its codec, with both named where they do not fit."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from disco.audio.clip import Clip
from disco.core.batch import AudioBatch, CodeBatch
from disco.core.contracts import Codec
from disco.errors import DiscoError
from disco.nets.patterns import Layout
from disco.nets.prior import TokenPrior

ASKED = ("rate", "channels", "hop", "num_codebooks", "cardinality")


def check_codec(codec: Codec, expects: Mapping[str, int]) -> None:
    """Refuse a codec that is not what the model was made for.

    Raises:
        DiscoError: names what differs, or an expectation that no codec has.
    """
    if unknown := sorted(set(expects) - set(ASKED)):
        raise DiscoError(
            f"model.expects.{unknown[0]}: no codec has this", do=f"choose from {', '.join(ASKED)}"
        )
    found = {name: getattr(codec, name) for name in expects}
    if any(found[name] != value for name, value in expects.items()):
        kind = type(codec).__name__
        raise DiscoError(
            f"this model is made for a codec of {_said(expects)}, and {kind} has {_said(found)}",
            do="choose such a codec (codec=run codec.run=…), or set model.expects=null to learn this one",
        )


def _said(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def check_tokens(tensors: Mapping[str, Tensor], codec: Codec) -> None:
    """Refuse weights that speak the tokens of a codec of another size.

    Raises:
        DiscoError: names both.
    """
    if "embedding.weight" not in tensors or "head.weight" not in tensors:
        return  # an adapter's
    rows, answers = len(tensors["embedding.weight"]), len(tensors["head.weight"])
    codebooks = rows - answers  # each has one token more, which stands for nothing
    cardinality = answers // max(codebooks, 1)
    if (codebooks, cardinality) != (codec.num_codebooks, codec.cardinality):
        raise DiscoError(
            f"these weights speak {codebooks} codebooks of {cardinality} tokens, and "
            f"{type(codec).__name__} has {codec.num_codebooks} of {codec.cardinality}",
            do="choose the codec that they were trained with, which weights=run without codec=… brings, or "
            "begin anew with weights=none",
        )


def channels_apart(codec: Codec) -> int:
    """Return how many codebooks lie between one and the next finer one of the same channel."""
    delays = getattr(codec, "delays", None)
    return 1 if delays is None else len(delays) // len(set(delays))


def prior_of(codec: Codec, layout: Layout) -> TokenPrior:
    """Return an empty prior for a codec whose codebooks are predicted in some order."""
    order, apart = layout.step[:, 0].tolist(), channels_apart(codec)
    known = [place >= apart and order[place - apart] < order[place] for place in range(len(order))]
    return TokenPrior(
        num_codebooks=codec.num_codebooks, cardinality=codec.cardinality, coarser_known=known, apart=apart
    )


def mask_of(batch: CodeBatch) -> Bool[Tensor, "b k f"]:
    """Return which tokens lie before the end of their item."""
    frame = torch.arange(batch.codes.shape[-1], device=batch.codes.device)
    return (frame < batch.valid[:, None, None]).expand_as(batch.codes)


def coded(batch: CodeBatch | AudioBatch, codec: Codec) -> CodeBatch:
    """Encode what is not yet tokens."""
    if isinstance(batch, CodeBatch):
        return batch
    with torch.no_grad():
        codes = codec.encode(batch.wave)
    return CodeBatch(codes=codes, valid=-(-batch.valid // codec.hop), conditions=batch.conditions)


def prompt_codes(prompt: Clip, codec: Codec, seconds: float | None) -> Int[Tensor, "1 k p"]:
    """Return the tokens of a prompt, up to its last whole frame.

    Raises:
        DiscoError: it is shorter than a frame, or as long as the whole piece is to be.
    """
    wave = prompt.resampled(codec.rate).wave
    if wave.shape[0] != codec.channels:
        wave = wave.mean(0, keepdim=True).expand(codec.channels, -1)
    frames = wave.shape[1] // codec.hop
    if frames == 0:
        raise DiscoError(
            f"the sound to go on from has {prompt.seconds:.3f} s, less than a frame of the codec",
            do="give a longer one",
        )
    if seconds is not None and frames * codec.hop >= seconds * codec.rate:
        raise DiscoError(
            f"the sound to go on from has {prompt.seconds:.1f} s, and the whole is to have {seconds:g} s",
            do=f"ask for more than seconds={prompt.seconds:.1f}, or go on from less of it",
        )
    with torch.no_grad():
        return codec.encode(wave[None, :, : frames * codec.hop])


def decode_each(codec: Codec, codes: Int[Tensor, "b k f"]) -> Float[Tensor, "b c t"]:
    """Return the sound, item by item: a codec may let those of a batch touch (padding, random phases)."""
    return torch.cat([codec.decode(one[None]) for one in codes])
