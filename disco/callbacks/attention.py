"""See what a language model listens to: its attention on one piece, as pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import lightning as L
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from disco.callbacks.boards import has_board, show_picture
from disco.callbacks.step_rounds import StepRounds
from disco.core.batch import Batch
from disco.core.module import GenerativeModule
from disco.core.ranges import NaturalInt, PositiveInt
from disco.core.sharding import whole
from disco.errors import DiscoError
from disco.nets.attention import Attention
from disco.report.pictures import INK, PANEL, SCALE, TEXT_POINTS

Weights = Float[Tensor, "b h s n"]
BRIGHTER = 0.5  # power of the weights that is drawn: most of them are small


class AttentionMaps(StepRounds):
    """Draws what chosen heads of chosen layers attend to, on the first validation item.

    Every `every_steps` steps and at the end a picture per head goes to TensorBoard or Weights & Biases, as
    `attention/<layer>/<head>`, and where a layer listens to conditions another, `…/<head>/told`: from top to
    bottom the steps, from left to right what each of them hears. They are worked out anew, from queries and
    keys, in a pass of their own; training neither sees nor waits for it between rounds. A model without
    attention gets none.

    Args:
        every_steps: optimiser steps between two rounds.
        layers: counted from 0, or from -1 backwards.
        heads: counted from 0.
    """

    def __init__(
        self, *, every_steps: PositiveInt, layers: Sequence[int], heads: Sequence[NaturalInt]
    ) -> None:
        super().__init__(every_steps=every_steps)
        self.layers = layers
        self.heads = heads

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Refuse layers and heads that are not there.

        Raises:
            DiscoError: names those that are.
        """
        own = stack_of(pl_module)
        if not own:
            return
        depth, heads = len(own), own[0][0].heads
        for name, asked, least, most in (
            ("layers", self.layers, -depth, depth), ("heads", self.heads, 0, heads),
        ):  # fmt: skip
            wrong = [index for index in asked if not least <= index < most]
            if wrong:
                raise DiscoError(
                    f"callbacks.attention.{name}={list(asked)}: there is no {wrong[0]}",
                    do=f"choose from 0 to {most - 1}",
                )

    def make_round(self, trainer: L.Trainer, module: L.LightningModule, step: int) -> None:
        """Draw what the heads attend to now."""
        assert isinstance(module, GenerativeModule)
        depth = len(stack_of(module))
        if not depth or not has_board(trainer):
            return
        layers = sorted({index % depth for index in self.layers})
        found = heard(module, self.batch(trainer).to(module.device), layers)
        if trainer.is_global_zero:
            for (layer, kind), weights in found.items():
                for head in self.heads:
                    tag = f"attention/{layer}/{head}" + ("/told" if kind == "told" else "")
                    show_picture(trainer, tag, attention_picture(weights[0, head]), step)


def stack_of(module: torch.nn.Module) -> list[tuple[Attention, Attention | None]]:
    """Return the self-attention of each layer, from the first on, with its attention to conditions."""
    parts = {name: part for name, part in module.named_modules() if isinstance(part, Attention)}
    own = [name.removesuffix("attention") for name in parts if name.endswith(".attention")]
    return [(parts[f"{layer}attention"], parts.get(f"{layer}cross_attention")) for layer in own]


def heard(module: GenerativeModule, batch: Batch, layers: Sequence[int]) -> dict[tuple[int, str], Weights]:
    """Return what the steps of the first item attend to, by layer, and "own" or "told".

    Told is what conditions say. The model and its random numbers stay as they were.
    """
    watched: dict[Attention, tuple[int, str]] = {}
    stack = stack_of(module)
    for layer in layers:
        own, told = stack[layer]
        watched[own] = layer, "own"
        if told is not None:
            watched[told] = layer, "told"
    devices = [module.device] if module.device.type == "cuda" else []
    training = [part for part in module.modules() if part.training]
    module.eval()
    with torch.random.fork_rng(devices), torch.no_grad(), whole(module), _listening(watched) as found:
        module(batch)
    for part in training:
        part.training = True
    return found


@contextmanager
def _listening(watched: Mapping[Attention, tuple[int, str]]) -> Iterator[dict[tuple[int, str], Weights]]:
    """Note the weights of each pass of some attentions."""
    found: dict[tuple[int, str], Weights] = {}

    def noting(
        part: Attention, place: tuple[int, str], plain: Callable[..., Tensor]
    ) -> Callable[..., Tensor]:
        def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
            first = mask if mask is None or mask.dim() < 4 else mask[:1]
            found[place] = weights_of(query[:1], key[:1], first, causal=causal)
            return plain(query, key, value, mask, causal=causal)

        return attend

    try:
        for part, place in watched.items():
            part.attend = noting(part, place, part.attend)
        yield found
    finally:
        for part in watched:
            del part.attend  # the class has its own


def weights_of(
    query: Float[Tensor, "b h s e"],
    key: Float[Tensor, "b h n e"],
    mask: Bool[Tensor, "... n"] | None,
    *,
    causal: bool,
) -> Weights:
    """Return how much each step hears of each vector; every row adds up to 1."""
    scores = query.float() @ key.float().transpose(-1, -2) / query.shape[-1] ** 0.5
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1)


def attention_picture(weights: Float[Tensor, "s n"]) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the weights of one head, the first step on top."""
    figure = Figure(figsize=(2.4, 2.4), dpi=SCALE, facecolor=PANEL)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.18, 0.17, 0.79, 0.8), facecolor=PANEL)
    shown = weights.detach().cpu().numpy() ** BRIGHTER
    axes.imshow(shown, aspect="auto", cmap="magma", vmin=0.0, vmax=1.0, interpolation="nearest")
    axes.tick_params(colors=INK, labelsize=TEXT_POINTS, length=2.5, width=0.6, pad=2)
    axes.set_xlabel("heard", color=INK, fontsize=TEXT_POINTS, labelpad=1)
    axes.set_ylabel("step", color=INK, fontsize=TEXT_POINTS, labelpad=1)
    for side in axes.spines.values():
        side.set_visible(False)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()
