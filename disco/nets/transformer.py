"""The decoder-only transformer of the language models: pre-norm, cached, with or without cross-attention.

Letters: `b` batch, `s` steps, `n` vectors attended to, `h` heads, `e` width of a head, `d` width.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from disco.nets.attention import Attention
from disco.nets.cache import Cache, counted, heard_places
from disco.nets.film import tint
from disco.nets.layer_drop import left_out, must_run, unheard
from disco.nets.recompute import normed_again

Rotation = tuple[Float[Tensor, "*i s half"], Float[Tensor, "*i s half"]]


class Positions:
    """How a step knows where it stands; this one does not say."""

    def added(self, steps: Int[Tensor, "*i s"], width: int) -> Float[Tensor, "*i s d"] | None:
        """Return what is added to the input."""
        return None

    def rotation(self, steps: Int[Tensor, "*i s"], head_width: int) -> Rotation | None:
        """Return the cosines and sines that turn queries and keys."""
        return None


class Sinusoidal(Positions):
    """Sines and cosines of each step, added to the input, in MusicGen's order: cosines, then sines."""

    def __init__(self, *, max_period: float) -> None:
        self.max_period = max_period

    def added(self, steps: Int[Tensor, "*i s"], width: int) -> Float[Tensor, "*i s d"]:
        """Return what is added to the input."""
        half = width // 2
        exponent = torch.arange(half, device=steps.device, dtype=torch.float32) / max(half - 1, 1)
        phase = steps[..., None].float() / self.max_period**exponent
        return torch.cat([phase.cos(), phase.sin()], dim=-1)


class Rotary(Positions):
    """Queries and keys turned by their step, so that only distances count (Su et al. 2021, 2104.09864)."""

    def __init__(self, *, max_period: float) -> None:
        self.max_period = max_period

    def rotation(self, steps: Int[Tensor, "*i s"], head_width: int) -> Rotation:
        """Return the cosines and sines that turn queries and keys."""
        half = head_width // 2
        exponent = torch.arange(half, device=steps.device, dtype=torch.float32) / half
        phase = steps[..., None].float() / self.max_period**exponent
        return phase.cos(), phase.sin()


def turn(x: Float[Tensor, "b h s e"], rotation: Rotation) -> Float[Tensor, "b h s e"]:
    """Turn each pair (i, i + e/2) of a head by its angle; lengths stay."""
    cos, sin = (part.to(x.dtype).unsqueeze(-3) for part in rotation)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class Layer(nn.Module):
    """Self-attention, cross-attention if asked for, feed-forward: each normalised first and added."""

    def __init__(self, *, width: int, heads: int, dropout: float, bias: bool, cross: bool) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width=width, heads=heads, bias=bias)
        self.cross_norm = nn.LayerNorm(width) if cross else None
        self.cross_attention = Attention(width=width, heads=heads, bias=bias) if cross else None
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn_in = nn.Linear(width, 4 * width, bias=bias)
        self.ffn_out = nn.Linear(4 * width, width, bias=bias)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b s d"], hearing: "Hearing", index: int) -> Float[Tensor, "b s d"]:
        """Return the steps after this layer, the `index`-th of its stack."""
        x = x + self.drop(self._hear_itself(x, hearing, index))
        if self.cross_attention is not None and self.cross_norm is not None and hearing.context is not None:
            normed = self.cross_norm(x)
            with normed_again(self.cross_norm, x, normed) if hearing.lean else nullcontext():
                heard = _hear_context(self.cross_attention, normed, hearing, index)
            x = x + self.drop(heard)
        fed = checkpoint(self._feed, x, use_reentrant=False) if index < hearing.lean else self._feed(x)
        assert isinstance(fed, Tensor)
        return x + self.drop(fed)

    def _feed(self, x: Float[Tensor, "b s d"]) -> Float[Tensor, "b s d"]:
        return self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x))))

    def _hear_itself(
        self, x: Float[Tensor, "b s d"], hearing: "Hearing", index: int
    ) -> Float[Tensor, "b s d"]:
        own, cache = self.attention, hearing.cache
        normed = self.attention_norm(x)
        with normed_again(self.attention_norm, x, normed) if hearing.lean else nullcontext():
            query, key, value = (own.split(part(normed)) for part in (own.query, own.key, own.value))
        if hearing.rotation is not None:
            query, key = turn(query, hearing.rotation), turn(key, hearing.rotation)
        if cache is not None:
            key, value = cache.extend(index, key, value)
        return own.attend(query, key, value, hearing.past, causal=hearing.past is None and query.shape[2] > 1)


@dataclass(frozen=True)
class Hearing:
    """What the layers of one pass may hear.

    Attributes:
        rotation: of queries and keys;
        past: which steps each new one hears, where that is not plainly causal, or only all there are;
        context: what is attended to, where `mask` is true; told: false for items that have nothing there.
        lean: layers whose feed-forward is made again in the backward pass; with any, all norms are.
    """

    rotation: Rotation | None
    past: Bool[Tensor, "*j s n"] | None
    context: Float[Tensor, "b m d"] | None
    mask: Bool[Tensor, "b 1 1 m"] | None
    told: Bool[Tensor, "b 1 1"] | None
    cache: Cache | None
    lean: int


def _hear_context(
    other: Attention, x: Float[Tensor, "b s d"], hearing: Hearing, index: int
) -> Float[Tensor, "b s d"]:
    """Attend to the context; an item that has none gets exactly nothing."""
    cache = hearing.cache
    assert hearing.told is not None, "a context comes with both of its masks"
    if cache is not None and index in cache.cross:
        key, value = cache.cross[index]
    else:
        key, value = other.split(other.key(hearing.context)), other.split(other.value(hearing.context))
        if cache is not None:
            cache.cross[index] = (key, value)
    return other.attend(other.split(other.query(x)), key, value, hearing.mask, causal=False) * hearing.told


class Decoder(nn.Module):
    """A stack of layers; step `s` hears the prefix, the steps up to `s` and the whole context.

    Args:
        dropout: of the input and of what each sublayer adds.
        bias: of the projections and the feed-forward; MusicGen has none.
        cross: build cross-attention; without it a context is refused.
        attention_dropout: of the shares by which each step hears others.
        layer_drop: chance of each layer to be left out of a training pass; what the others make is not
            scaled, in training or after (LayerDrop, Fan et al. 2020, 1909.11556, and its fairseq code).
        checkpoint_layers: share of the layers that training runs through twice instead of keeping what
            they made for the backward pass (gradient checkpointing, Chen et al. 2016, 1604.06174):
            with 1 a third more work for a fraction of the memory.
        checkpoint_selective: share of the layers that recompute the inside of the feed-forward, which is
            large and cheap (in the spirit of Korthikanti et al. 2022, 2205.05198); with any, all recompute
            their norms: with 1 up to a tenth more work for half of the memory where the base is frozen.
    """

    def __init__(  # noqa: PLR0913  sizes and chances
        self,
        *,
        width: int,
        depth: int,
        heads: int,
        dropout: float,
        bias: bool,
        cross: bool,
        positions: Positions,
        attention_dropout: float = 0.0,
        layer_drop: float = 0.0,
        checkpoint_layers: float = 0.0,
        checkpoint_selective: float = 0.0,
    ) -> None:
        super().__init__()
        self.positions = positions
        self.layer_drop = layer_drop
        self.checkpoint_layers = checkpoint_layers
        self.checkpoint_selective = checkpoint_selective
        self.cross = cross
        self.head_width = width // heads
        self.layers = nn.ModuleList(
            Layer(width=width, heads=heads, dropout=dropout, bias=bias, cross=cross) for _ in range(depth)
        )
        for part in self.layers.modules():
            if isinstance(part, Attention):
                part.dropout = attention_dropout
        self.out_norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)
        self._initialise()

    def forward(
        self,
        x: Float[Tensor, "b s d"],
        context: Float[Tensor, "b n d"] | None = None,
        context_mask: Bool[Tensor, "b n"] | None = None,
        cache: Cache | None = None,
        *,
        prefix: Float[Tensor, "b m d"] | None = None,
        prefix_mask: Bool[Tensor, "b m"] | None = None,
        film: Float[Tensor, "b l 2 d"] | None = None,
    ) -> Float[Tensor, "b s d"]:
        """Return the last hidden states; with a cache, `x` holds only the steps that follow it.

        The context counts where `context_mask` is true, everywhere without it. A prefix stands before the
        first step, as if it held only the vectors of `prefix_mask`: how it is padded changes nothing. A
        cache keeps it, and it is not given again. `film` scales and shifts what each layer makes.

        Raises:
            ValueError: a context for a stack without cross-attention, or a full cache.
        """
        if context is not None and not self.cross:
            raise ValueError("this decoder was built without cross-attention and can hear no context")
        start, new = 0 if cache is None else cache.length, x.shape[1]
        heard = None if cache is None else cache.prefix
        if prefix is not None and not start:
            x = torch.cat([prefix, x], 1)
            heard = _keep_prefix(prefix, prefix_mask, cache)
        places = torch.arange(start, start + x.shape[1], device=x.device)
        steps = places if heard is None else counted(places, heard)
        if (added := self.positions.added(steps, x.shape[2])) is not None:
            x = x + added.to(x.dtype)
        past = None
        if heard is not None:
            past = heard_places(places, heard)
        elif start and x.shape[1] > 1:
            past = torch.arange(start + x.shape[1], device=x.device) <= steps[:, None]
        mask, told = (None, None) if context is None else _masks(context, context_mask)
        rotation = self.positions.rotation(steps, self.head_width)
        keeps = self._keeps(cache)
        twice = round(self.checkpoint_layers * len(self.layers)) if keeps else 0
        lean = round(self.checkpoint_selective * len(self.layers)) if keeps else 0
        hearing = Hearing(rotation, past, context, mask, told, cache, lean)
        x = self.drop(x)
        gone = left_out(len(self.layers), self.layer_drop if self.training and cache is None else 0.0)
        for index, layer in enumerate(self.layers):
            if index in gone and not must_run():
                continue
            again = index < twice
            made = (
                checkpoint(layer, x, hearing, index, use_reentrant=False)
                if again
                else layer(x, hearing, index)
            )
            assert isinstance(made, Tensor)
            made = made if film is None else tint(made, film[:, index])
            x = unheard(x, made) if index in gone else made
        if cache is not None:
            cache.length += x.shape[1]
        return self.out_norm(x[:, -new:])

    def _keeps(self, cache: Cache | None) -> bool:
        """Return whether this pass keeps anything for a backward pass."""
        return self.training and cache is None and torch.is_grad_enabled()

    def _initialise(self) -> None:
        """Gaussian by fan-in, smaller with depth: MusicGen's `depthwise_init: current`."""
        for index, layer in enumerate(self.layers, 1):
            for module in layer.modules():
                if isinstance(module, nn.Linear):
                    normal_by_fan_in(module.weight, 1 / math.sqrt(2 * index))
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)


def _keep_prefix(
    prefix: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None, cache: Cache | None
) -> Bool[Tensor, "b m"]:
    """Return which vectors count, also in the steps that a cache will see."""
    counts = prefix.new_ones(prefix.shape[:2], dtype=torch.bool) if mask is None else mask
    if cache is not None:
        cache.prefix = counts
    return counts


def _masks(
    context: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"] | None
) -> tuple[Bool[Tensor, "b 1 1 n"], Bool[Tensor, "b 1 1"]]:
    """Return where each item looks, and whether it has anything there."""
    counts = context.new_ones(context.shape[:2], dtype=torch.bool) if mask is None else mask
    told = counts.any(-1)[:, None, None]
    # A softmax over nothing is NaN: let such items look everywhere and multiply the answer by 0.
    return counts[:, None, None] | ~told[:, None], told


def normal_by_fan_in(weight: Float[Tensor, "out into"], gain: float) -> None:
    """Fill in place with a normal of deviation gain / √into, cut at three deviations."""
    deviation = gain / math.sqrt(weight.shape[1])
    nn.init.trunc_normal_(weight, 0.0, deviation, -3 * deviation, 3 * deviation)
