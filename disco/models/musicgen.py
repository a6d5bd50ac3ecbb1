"""MusicGen: one transformer over all codebooks of a codec, interleaved (Copet et al. 2023, 2306.05284)."""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from disco.audio.clip import Clip
from disco.core.batch import CodeBatch, Conditions
from disco.core.conditioning import both_halves, drop_some, fuse
from disco.core.contracts import Codec, Conditioner, Context, Recipe, Sampler, seeded
from disco.core.module import GenerativeModule
from disco.core.outputs import Outputs, per_codebook
from disco.core.ranges import PositiveFloat, PositiveInt, Share
from disco.core.sites import Site
from disco.core.term import Term
from disco.core.views import CodeView
from disco.errors import DiscoError
from disco.models.sites import SITES
from disco.nets.patterns import Layout, Pattern, Picked
from disco.nets.prior import TokenPrior, contexts_of
from disco.nets.sampling import draw, guide
from disco.nets.transformer import Cache, Decoder, Positions, normal_by_fan_in


class MusicGen(GenerativeModule):
    """Predicts codec tokens in the order of a pattern, told by conditioners what to play.

    The codec and frozen encoders are not part of its weights.

    Args:
        checkpoint_layers: share of the layers whose insides are recomputed in the backward pass;
            checkpoint_selective: recompute what is cheap in all of them.
        pattern: which codebook of which frame is predicted when.
        prior: count training tokens before the first step and start from what the counts foretell.
        condition_dropout: share of training items that are told nothing, for guidance.
        seconds: length of training crops, and the most that can be generated.
    """

    accepts: ClassVar[tuple[type, ...]] = (CodeBatch,)
    offers: ClassVar[frozenset[str]] = frozenset({"logits", "targets", "mask", "hidden"})
    sites: ClassVar[Mapping[str, Site]] = SITES
    counted: ClassVar[tuple[str, ...]] = ("prior.",)
    training_only: ClassVar[tuple[str, ...]] = (
        "objective.",
        "prior.after_frame_discount",
        "prior.coarser_discount",
    )

    def __init__(  # noqa: PLR0913  sizes, parts and what is injected
        self,
        *,
        width: PositiveInt,
        depth: PositiveInt,
        heads: PositiveInt,
        dropout: Share,
        positions: Positions,
        checkpoint_layers: Share = 0.0,  # runs that were saved before it lack the keys
        checkpoint_selective: bool = False,
        pattern: Pattern,
        prior: bool,
        condition_dropout: Share,
        seconds: PositiveFloat,
        codec: Codec,
        conditioners: Mapping[str, Conditioner],
        terms: Mapping[str, Term],
        recipe: Recipe | None,
    ) -> None:
        super().__init__(terms=terms, recipe=recipe)
        self.pattern = pattern
        self.condition_dropout = condition_dropout
        self.seconds = seconds
        self._codec = (codec,)  # a tuple hides it from PyTorch: neither parameters nor checkpoint hold it
        self.num_codebooks = codec.num_codebooks
        self.special = codec.cardinality
        self.frame_rate = codec.rate / codec.hop
        self.conditioners = nn.ModuleDict(dict(conditioners))
        self.embedding = nn.Embedding(self.num_codebooks * (self.special + 1), width)
        self.decoder = Decoder(
            width=width,
            depth=depth,
            heads=heads,
            dropout=dropout,
            bias=False,
            cross=bool(conditioners),
            positions=positions,
            checkpoint_layers=checkpoint_layers,
            checkpoint_selective=checkpoint_selective,
        )
        self.head = nn.Linear(width, self.num_codebooks * self.special, bias=False)
        self.prior = self._build_prior() if prior else None
        normal_by_fan_in(self.embedding.weight, 1.0)
        if prior:
            nn.init.zeros_(self.head.weight)  # so that the first step foretells what the counts do
        else:
            normal_by_fan_in(self.head.weight, 1.0)
        self._layout(1)  # a pattern that does not fit the codec fails here, not in the first step

    @property
    def codec(self) -> Codec:
        """What turns tokens into sound."""
        return self._codec[0]

    @property
    def view(self) -> CodeView:
        """Crops of codec tokens."""
        return CodeView(self.codec, self.seconds)

    # --------------------------------------------------------------- learning

    def prepare_fit(self, batches: Iterable[CodeBatch]) -> None:
        """Count the training tokens, if there is a prior."""
        if self.prior is not None:
            self.prior.count(
                codes[:, :valid]
                for batch in batches
                for codes, valid in zip(batch.codes, batch.valid.tolist(), strict=True)
            )

    def forward(self, batch: CodeBatch) -> Outputs:
        """Predict each token; logits come back by codebook and frame."""
        codes, mask = batch.codes, _mask(batch)
        frames = codes.shape[-1]
        layout = self._layout(frames)
        conditions = (
            drop_some(batch.conditions, self.condition_dropout) if self.training else batch.conditions
        )
        context = self._listen(conditions, frames)
        # What lies behind an item's end is nothing, or finer codebooks would hear its padding.
        steps = layout.lay_out(codes.where(mask, self.special), self.special)[..., :-1]
        x = self._embed(steps) + self._clock(context, layout, batch.valid)
        hidden = self.decoder(x, context.cross, context.cross_mask)
        logits = self._by_frame(self.head(hidden), layout)
        if self.prior is not None:
            counted = codes if self.training else None
            logits = logits + self.prior(*contexts_of(codes, self.special), counted)
        return Outputs(logits=logits, targets=codes, mask=mask, hidden=hidden)

    def foretold(self, batch: CodeBatch) -> Outputs:
        """Predict each token by the counted prior alone."""
        assert self.prior is not None, "asked only where there is one"
        logits = self.prior(*contexts_of(batch.codes, self.special))
        return Outputs(logits=logits, targets=batch.codes, mask=_mask(batch))

    def measures(self, out: Outputs) -> dict[str, Tensor]:
        """Return the cross-entropy of each codebook in nats."""
        return {f"val/ce/{index}": nats for index, nats in enumerate(per_codebook(out))}

    # ------------------------------------------------------------- generating

    @torch.no_grad()
    def generate(self, conditions: Conditions, *, seconds: float, sampler: Sampler, seed: int) -> list[Clip]:
        """Play one clip per condition.

        Raises:
            DiscoError: longer than the crops that it was trained on.
        """
        if seconds > self.seconds:
            raise DiscoError(
                f"this model was trained on {self.seconds:g} s and cannot play {seconds:g} s at once",
                do=f"ask for seconds={self.seconds:g}, or train with model.seconds={seconds:g}",
            )
        training = self.training
        self.eval()
        try:
            codes = self._play(conditions, math.ceil(seconds * self.frame_rate), sampler, seed)
        finally:
            self.train(training)
        samples = round(seconds * self.codec.rate)
        # One by one: a codec may let the items of a batch touch (padding, random phases).
        waves = (self.codec.decode(one[None])[0, :, :samples].float().cpu() for one in codes)
        return [Clip(wave, self.codec.rate).within_full_scale() for wave in waves]

    def _play(self, conditions: Conditions, frames: int, sampler: Sampler, seed: int) -> Int[Tensor, "b k f"]:
        """Draw the tokens step by step."""
        layout = self._layout(frames)
        asked = both_halves(conditions, sampler.guidance)
        halves = len(asked) // len(conditions)
        context = self._listen(asked, frames)
        clock = self._clock(context, layout, torch.full((len(asked),), frames, device=self.device))
        generators = [seeded(seed, index) for index in range(len(conditions))]
        nothing = torch.full((len(conditions), self.num_codebooks, frames), self.special, device=self.device)
        steps = layout.lay_out(nothing, self.special)
        cache = Cache(steps.shape[-1] - 1)
        for step in range(1, steps.shape[-1]):
            x = self._embed(steps[..., step - 1 : step].repeat(halves, 1, 1)) + clock[:, step - 1 : step]
            hidden = self.decoder(x, context.cross, context.cross_mask, cache)
            logits = self._by_codebook(self.head(hidden))[:, :, 0].float()
            if halves == 2:
                logits = guide(*logits.chunk(2), sampler.guidance)
            if self.prior is not None:
                logits = logits + self._foretell(steps, layout, step)
            drawn = draw(
                logits,
                generators,
                temperature=sampler.temperature,
                top_k=sampler.top_k,
                top_p=sampler.top_p,
            )
            steps[..., step] = torch.where(layout.frame[:, step].to(drawn.device) >= 0, drawn, self.special)
        return layout.gather(steps)

    def _foretell(self, steps: Int[Tensor, "b k s"], layout: Layout, step: int) -> Float[Tensor, "b k v"]:
        """Return the prior of the tokens at `step`, from the steps before it."""
        assert self.prior is not None, "asked only where there is one"
        before = torch.full(steps.shape[:2], self.special, device=steps.device)
        coarser = before.clone()
        for codebook, frame in enumerate(layout.frame[:, step].tolist()):
            if frame > 0:
                before[:, codebook] = steps[:, codebook, layout.step[codebook, frame - 1]]
            if frame >= 0 and codebook > 0:
                coarser[:, codebook] = steps[:, codebook - 1, layout.step[codebook - 1, frame]]
        return self.prior(before[..., None], coarser[..., None])[:, :, 0]

    # ------------------------------------------------------------------ parts

    def _build_prior(self) -> TokenPrior:
        order = self._layout(1).step[:, 0].tolist()
        known = [False, *(coarser < finer for coarser, finer in pairwise(order))]
        return TokenPrior(num_codebooks=self.num_codebooks, cardinality=self.special, coarser_known=known)

    def _layout(self, frames: int) -> Layout:
        try:
            return self.pattern.layout(self.num_codebooks, frames)
        except ValueError as error:
            raise DiscoError(
                f"the pattern does not fit the codec: {error}", do="set model.pattern.delays=null"
            ) from error

    def _listen(self, conditions: Conditions, frames: int) -> Context:
        named = {name: part for name, part in self.conditioners.items() if isinstance(part, Conditioner)}
        return fuse(named, conditions, frames=frames, frame_rate=self.frame_rate)

    def _embed(self, steps: Int[Tensor, "b k s"]) -> Float[Tensor, "b s d"]:
        """Sum the embeddings of all codebooks of a step."""
        rows = torch.arange(self.num_codebooks, device=steps.device) * (self.special + 1)
        return self.embedding(steps + rows[:, None]).sum(1)

    def _clock(self, context: Context, layout: Layout, valid: Int[Tensor, "b"]) -> Float[Tensor, "..."]:
        """Return what conditioners add, at the frame that is about to be predicted."""
        if context.added is None:
            return torch.zeros(1, layout.frame.shape[1] - 1, 1, device=valid.device)
        frame = layout.newest[1:].to(valid.device).minimum(valid[:, None] - 1).clamp(min=0)
        return context.added.gather(1, frame[..., None].expand(-1, -1, context.added.shape[-1]))

    def _by_codebook(self, logits: Float[Tensor, "b s kv"]) -> Float[Tensor, "b k s v"]:
        return logits.unflatten(-1, (self.num_codebooks, self.special)).transpose(1, 2)

    def _by_frame(self, logits: Float[Tensor, "b s kv"], layout: Layout) -> Float[Tensor, "b k f v"]:
        """Pick the logits of each codebook and frame: those of the step before its own."""
        picked: Tensor = Picked.apply(self._by_codebook(logits), layout.places())  # type: ignore[assignment]
        return picked


def _mask(batch: CodeBatch) -> Bool[Tensor, "b k f"]:
    """Return which tokens lie before the end of their item."""
    frame = torch.arange(batch.codes.shape[-1], device=batch.codes.device)
    return (frame < batch.valid[:, None, None]).expand_as(batch.codes)
