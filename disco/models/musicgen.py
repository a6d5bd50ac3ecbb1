"""MusicGen: one transformer over all codebooks of a codec, interleaved (Copet et al. 2023, 2306.05284)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from disco.audio.clip import Clip
from disco.core.asking import wanted_by
from disco.core.batch import AudioBatch, CodeBatch, Conditions
from disco.core.conditioning import PLAIN, Fuser, drop_some, fuse, typed
from disco.core.contracts import Codec, Conditioner, Context, Recipe, Sampler, Seed
from disco.core.module import GenerativeModule
from disco.core.outputs import Outputs, per_codebook
from disco.core.ranges import PositiveFloat, PositiveInt, Share
from disco.core.sharding import is_sharded
from disco.core.sites import Site
from disco.core.term import Term
from disco.core.views import AudioView, CodeView
from disco.errors import DiscoError
from disco.models.musicgen_codec import check_codec, check_tokens, coded, mask_of, prior_of, prompt_codes
from disco.models.musicgen_playing import Performance
from disco.models.sites import BLOCKS, DEFAULT_SITES, SITES
from disco.nets.cache import Cache
from disco.nets.film import Film
from disco.nets.head_cross_entropy import head_cross_entropy
from disco.nets.patterns import Layout, Pattern, Picked
from disco.nets.transformer import Decoder, Positions, normal_by_fan_in


class MusicGen(GenerativeModule):
    """Predicts codec tokens in the order of a pattern, told by conditioners what to play.

    The codec and frozen encoders are not part of its weights.

    Args:
        dropout, attention_dropout, layer_drop, checkpoint_layers, checkpoint_selective: of the decoder.
        pattern: which codebook of which frame is predicted when.
        prior: count training tokens before the first step and start from what the counts foretell.
        fuser: where each conditioner is heard; by itself, by cross-attention or added to the frames.
        condition_dropout: share of training items that are told nothing, for guidance;
            condition_dropouts: of items that are not told one condition, by its name (see `drop_some`).
        seconds: length of training crops; longer pieces are played in windows of this length.
        expects: what the codec must have, of `rate`, `channels`, `hop`, `num_codebooks`, `cardinality`.
        waves: train on waveforms, encoded in every step so that sounds can be mixed, and not on kept tokens.
    """

    accepts: ClassVar[tuple[type, ...]] = (CodeBatch, AudioBatch)
    offers: ClassVar[frozenset[str]] = frozenset({"logits", "nats", "targets", "mask", "hidden"})
    sites: ClassVar[Mapping[str, Site]] = SITES
    default_sites: ClassVar[Mapping[str, Sequence[str]]] = DEFAULT_SITES
    blocks: ClassVar[str] = BLOCKS
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
        attention_dropout: Share = 0.0,  # runs that were saved before it lack this key and the next ones
        layer_drop: Share = 0.0,
        checkpoint_layers: Share = 0.0,
        checkpoint_selective: Share = 0.0,
        pattern: Pattern,
        prior: bool,
        fuser: Fuser = PLAIN,
        condition_dropout: Share,
        condition_dropouts: Mapping[str, Share] | None = None,
        seconds: PositiveFloat,
        expects: Mapping[str, int] | None = None,
        waves: bool = False,
        codec: Codec,
        conditioners: Mapping[str, Conditioner],
        terms: Mapping[str, Term],
        recipe: Recipe | None,
    ) -> None:
        super().__init__(terms=terms, recipe=recipe)
        check_codec(codec, expects or {})
        self.pattern = pattern.for_codec(getattr(codec, "delays", None))
        self.fuser = fuser
        self.condition_dropout = condition_dropout
        self.condition_dropouts = condition_dropouts
        self.seconds = seconds
        self.waves = waves
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
            cross=bool(fuser.attended(list(conditioners))),
            positions=positions,
            attention_dropout=attention_dropout,
            layer_drop=layer_drop,
            checkpoint_layers=checkpoint_layers,
            checkpoint_selective=checkpoint_selective,
        )
        self.head = nn.Linear(width, self.num_codebooks * self.special, bias=False)
        self.film = Film(width=width, depth=depth) if fuser.film else None
        self.prior = prior_of(codec, self.layout(1)) if prior else None
        normal_by_fan_in(self.embedding.weight, 1.0)
        if prior:
            nn.init.zeros_(self.head.weight)  # so that the first step foretells what the counts do
        else:
            normal_by_fan_in(self.head.weight, 1.0)
        self.layout(1)  # a pattern that does not fit the codec fails here, not in the first step

    @property
    def codec(self) -> Codec:
        """What turns tokens into sound."""
        return self._codec[0]

    @property
    def view(self) -> CodeView | AudioView:
        """Crops of codec tokens, or of waveforms while it is trained on these."""
        wants, codec = wanted_by(self.conditioners), self.codec
        if self.waves and self.recipe is not None:
            return AudioView(rate=codec.rate, channels=codec.channels, seconds=self.seconds, wants=wants)
        return CodeView(codec, self.seconds, wants)

    @property
    def most_frames(self) -> int:
        """Frames that it hears at once."""
        return math.ceil(self.seconds * self.frame_rate)

    @property
    def choices(self) -> int:
        """Tokens that it chooses from at every draw."""
        return self.special

    # --------------------------------------------------------------- learning

    def prepare_fit(self, batches: Iterable[CodeBatch | AudioBatch]) -> None:
        """Count the training tokens, if there is a prior."""
        if self.prior is not None:
            self.prior.count(
                codes[:, :valid]
                for batch in (coded(batch, self.codec) for batch in batches)
                for codes, valid in zip(batch.codes, batch.valid.tolist(), strict=True)
            )

    def forward(self, batch: CodeBatch | AudioBatch) -> Outputs:
        """Predict each token; logits come back by codebook and frame."""
        batch = coded(batch, self.codec)
        codes, mask = batch.codes, mask_of(batch)
        frames = codes.shape[-1]
        layout = self.layout(frames)
        conditions = batch.conditions
        if self.training:
            conditions = drop_some(conditions, self.condition_dropout, self.condition_dropouts)
        context = self.listen(conditions, frames)
        # What lies behind an item's end is nothing, or finer codebooks would hear its padding.
        steps = layout.lay_out(codes.where(mask, self.special), self.special)[..., :-1]
        hidden = self._hear(steps, context, self.clock(context, layout, batch.valid), None)
        if self._spares_logits:
            known = None if self.prior is None else self.prior.by_codebook(codes)
            nats = head_cross_entropy(hidden, self.head.weight, codes, mask, layout.places(), known)
            return Outputs(nats=nats, targets=codes, mask=mask, hidden=hidden)
        logits = self._by_frame(self.head(hidden), layout)
        if self.prior is not None:
            counted = codes if self.training else None
            logits = logits + self.prior(*self.prior.contexts(codes), counted)
        return Outputs(logits=logits, targets=codes, mask=mask, hidden=hidden)

    @property
    def _spares_logits(self) -> bool:
        """Whether this pass makes a loss and nothing else, on a head that is whole and as it was built."""
        learns = self.training and torch.is_grad_enabled() and not self.objective.reads("logits")
        return learns and type(self.head) is nn.Linear and not is_sharded(self)

    def foretold(self, batch: CodeBatch) -> Outputs:
        """Predict each token by the counted prior alone."""
        assert self.prior is not None, "asked only where there is one"
        logits = self.prior(*self.prior.contexts(batch.codes))
        return Outputs(logits=logits, targets=batch.codes, mask=mask_of(batch))

    def measures(self, out: Outputs) -> dict[str, Tensor]:
        """Return the cross-entropy of each codebook in nats."""
        return {f"val/ce/{index}": nats for index, nats in enumerate(per_codebook(out))}

    # ------------------------------------------------------------- generating

    @torch.no_grad()
    def generate(
        self,
        conditions: Conditions,
        *,
        seconds: float,
        sampler: Sampler,
        seed: Seed,
        prompt: Clip | None = None,
    ) -> list[Clip]:
        """Play one clip per condition, in windows where it is longer than what it was trained on."""
        training = self.training
        self.eval()
        try:
            piece = self.perform(conditions, seconds=seconds, sampler=sampler, seed=seed, prompt=prompt)
            return piece.clips()
        finally:
            self.train(training)

    def perform(
        self,
        conditions: Conditions,
        *,
        seconds: float | None,
        sampler: Sampler,
        seed: Seed,
        prompt: Clip | None = None,
    ) -> Performance:
        """Return one piece per condition, to be played chunk by chunk; nothing is played yet.

        Args:
            conditions: one per piece.
            seconds: length of the whole, the prompt included; None has no end.
            sampler: how tokens are drawn.
            seed: one for all pieces, or one for each.
            prompt: what every piece begins with, up to its last whole frame.

        Raises:
            DiscoError: the prompt is shorter than a frame, or leaves nothing to play.
        """
        codes = None if prompt is None else prompt_codes(prompt, self.codec, seconds).to(self.device)
        return Performance(
            self,
            conditions,
            frames=None if seconds is None else math.ceil(seconds * self.frame_rate),
            samples=None if seconds is None else round(seconds * self.codec.rate),
            sampler=sampler,
            seed=seed,
            prompt=None if codes is None else codes.repeat(len(conditions), 1, 1),
        )

    def answer(
        self, steps: Int[Tensor, "b k s"], context: Context, clock: Float[Tensor, "_b s _d"], cache: Cache
    ) -> Float[Tensor, "b k v"]:
        """Return the logits after the last of the steps, which follow those in the cache."""
        hidden = self._hear(steps, context, clock, cache)
        return self._by_codebook(self.head(hidden[:, -1:]))[:, :, 0].float()

    # ------------------------------------------------------------------ parts

    def load_network(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `network_state` gave.

        Raises:
            DiscoError: the weights are of another codec, or do not fit otherwise.
        """
        check_tokens(tensors, self.codec)
        super().load_network(tensors)

    def layout(self, frames: int) -> Layout:
        """Return the pattern of so many frames.

        Raises:
            DiscoError: it does not fit the codec.
        """
        try:
            return self.pattern.layout(self.num_codebooks, frames)
        except ValueError as error:
            raise DiscoError(
                f"the pattern does not fit the codec: {error}", do="set model.pattern.delays=null"
            ) from error

    def listen(self, conditions: Conditions, frames: int) -> Context:
        """Ask the conditioners."""
        return fuse(
            typed(self.conditioners),
            conditions,
            frames=frames,
            frame_rate=self.frame_rate,
            fuser=self.fuser,
            film=self.film,
        )

    def _hear(
        self,
        steps: Int[Tensor, "b k s"],
        context: Context,
        clock: Float[Tensor, "_b s _d"],
        cache: Cache | None,
    ) -> Float[Tensor, "b s d"]:
        """Run the network over steps, which follow those in the cache."""
        return self.decoder(
            self._embed(steps) + clock.to(self.embedding.weight.dtype),
            context.cross,
            context.cross_mask,
            cache,
            prefix=context.prefix,
            prefix_mask=context.prefix_mask,
            film=context.film,
        )

    def _embed(self, steps: Int[Tensor, "b k s"]) -> Float[Tensor, "b s d"]:
        """Sum the embeddings of all codebooks of a step."""
        rows = torch.arange(self.num_codebooks, device=steps.device) * (self.special + 1)
        return self.embedding(steps + rows[:, None]).sum(1)

    def clock(self, context: Context, layout: Layout, valid: Int[Tensor, "b"]) -> Float[Tensor, "..."]:
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
