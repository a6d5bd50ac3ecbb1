"""EnCodec's published weights in one's own codec of the same shape, to be trained on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from disco.core.module import GenerativeModule
from disco.errors import DiscoError
from disco.nets.quantizer import ResidualQuantizer
from disco.nets.seanet import SeanetDecoder, SeanetEncoder
from disco.weights.key_map import KeyMap
from disco.weights.published import find_published, read_tensors

_CONV = ("parametrizations.weight.original0", "parametrizations.weight.original1", "bias")
_LSTM = [f"{kind}_{side}h_l{depth}" for kind in ("weight", "bias") for side in "ih" for depth in range(4)]
_BOOK = {"entries": "embed", "counts": "cluster_size", "sums": "embed_avg"}

ENCODEC = KeyMap(
    library="transformers",
    rows={
        f"{half}.layers.{{layer}}.{ours}": f"{half}.layers.{{layer}}.{theirs}"
        for half in ("encoder", "decoder")
        for ours, theirs in {
            **{f"conv.{part}": f"conv.{part}" for part in _CONV},
            **{f"layers.{unit}.conv.{part}": f"block.{unit}.conv.{part}" for unit in "13" for part in _CONV},
            **{f"lstm.{name}": f"lstm.{name}" for name in _LSTM},
        }.items()
    }
    | {
        f"quantizer.codebooks.{{layer}}.{ours}": f"quantizer.layers.{{layer}}.codebook.{theirs}"
        for ours, theirs in _BOOK.items()
    },
    left_out=r"quantizer\.layers\.\d+\.codebook\.inited$",
)
LATER = 10**9  # a step past every restart: codebooks that were learnt are kept


class EncodecWeights:
    """Fills `model=autoencoder_seanet` with weights that `transformers` saved.

    Args:
        path: a folder with `config.json` and `model.safetensors`, or a name on the Hugging Face hub.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def load(self, module: GenerativeModule) -> None:
        """Fill in the weights.

        Raises:
            DiscoError: there are none, or the codec here has another shape.
        """
        found = find_published(self.path)
        check_shape(module, self.path)
        if found.config.get("use_causal_conv") or found.config.get("normalize"):
            raise DiscoError(f"{self.path} is a causal codec", do="codec=encodec uses it as it is")
        theirs = {_today(name): value for name, value in read_tensors(found).items()}
        ours = ENCODEC.to_ours(theirs, codebooks=1)
        module.load_network({**plain_levels(module), **{name: value.float() for name, value in ours.items()}})


def check_shape(module: GenerativeModule, what: str) -> None:
    """Refuse a codec that is not built like EnCodec.

    Raises:
        DiscoError: it is not.
    """
    parts = (getattr(module, name, None) for name in ("encoder", "decoder", "quantizer"))
    kinds = (SeanetEncoder, SeanetDecoder, ResidualQuantizer)
    if not all(isinstance(part, kind) for part, kind in zip(parts, kinds, strict=True)):
        raise DiscoError(f"{what}: this codec is not built like EnCodec", do="model=autoencoder_seanet")


def plain_levels(module: GenerativeModule) -> dict[str, Tensor]:
    """Return what our quantiser has and EnCodec's has not, so that it changes nothing."""
    state = module.network_state()
    plain = {name: value.clone() for name, value in state.items() if name.startswith("quantizer.")}
    plain = {name: value for name, value in plain.items() if ".codebooks." not in name}
    for name, value in plain.items():
        if name.endswith(("narrow.weight", "widen.weight")):
            if value.shape[0] != value.shape[1]:
                raise DiscoError(
                    "EnCodec's codebooks are as wide as its latents",
                    do="set model.quantizer.code_dim to that",
                )
            plain[name] = torch.eye(len(value))[..., None]
        elif name.endswith("spread"):
            plain[name] = torch.ones_like(value)
        else:
            plain[name] = torch.full_like(value, LATER) if name.endswith("step") else torch.zeros_like(value)
    return plain


def folded(state: Mapping[str, Tensor], last: int) -> dict[str, Tensor]:
    """Put what only our quantiser has into its neighbours, so that EnCodec's names say the same.

    The way into the codebooks' space is linear, and so is the way out: they become one with the encoder's
    last convolution and the decoder's first one. (That reflects at its ends, which keeps a constant.)

    Args:
        state: the codec's tensors.
        last: number of the encoder's last layer.
    """
    narrow, widen = (state[f"quantizer.{way}.weight"][..., 0].double() for way in ("narrow", "widen"))
    mean, spread = state["quantizer.mean"].double(), state["quantizer.spread"].double()
    weight, bias = _convolution(state, f"encoder.layers.{last}.conv")
    into = torch.einsum("co,oik->cik", narrow, weight) / spread
    into_bias = (narrow @ bias + state["quantizer.narrow.bias"].double() - mean) / spread
    weight, bias = _convolution(state, "decoder.layers.0.conv")
    out = torch.einsum("olk,lc->ock", weight, widen)
    out_bias = bias + weight.sum(-1) @ state["quantizer.widen.bias"].double()
    books = {name: value for name, value in state.items() if name.startswith("quantizer.codebooks.")}
    others = {name: value for name, value in state.items() if not name.startswith("quantizer.")}
    return {
        **others,
        **books,
        **_normed(f"encoder.layers.{last}.conv", into, into_bias),
        **_normed("decoder.layers.0.conv", out, out_bias),
    }


def _convolution(state: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    length, direction = (
        state[f"{name}.parametrizations.weight.original{place}"].double() for place in (0, 1)
    )
    norm = direction.flatten(1).norm(dim=1)[:, None, None]
    return length * direction / norm, state[f"{name}.bias"].double()


def _normed(name: str, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    length = weight.flatten(1).norm(dim=1)[:, None, None]
    values = (length, weight, bias)
    return {f"{name}.{part}": value.float() for part, value in zip(_CONV, values, strict=True)}


def _today(name: str) -> str:
    """Return the name that PyTorch gives the halves of a normed weight now; files are older."""
    name = name.replace("weight_g", "parametrizations.weight.original0")
    return name.replace("weight_v", "parametrizations.weight.original1")
