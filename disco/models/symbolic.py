"""A language model over score tokens: the quickest way to music that is in key and in time."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from symusic.core import ScoreTick as Score
from torch import Tensor, nn

from disco.core.asking import wanted_by
from disco.core.batch import Conditions, ScoreBatch
from disco.core.conditioning import drop_some, fuse, told, typed
from disco.core.contracts import Conditioner, Context, Recipe, Sampler, Seed, Tokenizer, generators
from disco.core.module import GenerativeModule
from disco.core.outputs import Outputs
from disco.core.ranges import PositiveInt, Share
from disco.core.sites import Site
from disco.core.term import Term
from disco.core.views import ScoreView
from disco.errors import DiscoError
from disco.midi.score import DEFAULT_TEMPO_BPM
from disco.midi.transform import crop, set_tempo
from disco.models.sites import BLOCKS, DEFAULT_SITES, SITES
from disco.nets.guidance import Guidance
from disco.nets.sampling import draw
from disco.nets.transformer import Cache, Decoder, Positions, normal_by_fan_in

MOST_TOKENS_PER_QUARTER = 64  # a model that writes no bar lines must stop somewhere


class Symbolic(GenerativeModule):
    """Writes scores token by token, told by conditioners what to write.

    Args:
        dropout, attention_dropout, layer_drop, checkpoint_layers, checkpoint_selective: of the decoder.
        length: tokens that it sees at once, in training and in generation; longer pieces go on with
            the last half of them in memory.
        condition_dropout: share of training items that are told nothing, for guidance.
    """

    accepts: ClassVar[tuple[type, ...]] = (ScoreBatch,)
    offers: ClassVar[frozenset[str]] = frozenset({"logits", "targets", "mask", "hidden"})
    sites: ClassVar[Mapping[str, Site]] = SITES
    default_sites: ClassVar[Mapping[str, Sequence[str]]] = DEFAULT_SITES
    blocks: ClassVar[str] = BLOCKS

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
        length: PositiveInt,
        condition_dropout: Share,
        tokenizer: Tokenizer,
        conditioners: Mapping[str, Conditioner],
        terms: Mapping[str, Term],
        recipe: Recipe | None,
    ) -> None:
        super().__init__(terms=terms, recipe=recipe)
        self.length = length
        self.condition_dropout = condition_dropout
        self.tokenizer = tokenizer
        self.conditioners = nn.ModuleDict(dict(conditioners))
        self.embedding = nn.Embedding(tokenizer.vocabulary, width)
        self.decoder = Decoder(
            width=width,
            depth=depth,
            heads=heads,
            dropout=dropout,
            bias=False,
            cross=bool(conditioners),
            positions=positions,
            attention_dropout=attention_dropout,
            layer_drop=layer_drop,
            checkpoint_layers=checkpoint_layers,
            checkpoint_selective=checkpoint_selective,
        )
        self.head = nn.Linear(width, tokenizer.vocabulary, bias=False)
        normal_by_fan_in(self.embedding.weight, 1.0)
        normal_by_fan_in(self.head.weight, 1.0)

    @property
    def choices(self) -> int:
        """Tokens that it chooses from at every draw."""
        return self.tokenizer.vocabulary

    @property
    def view(self) -> ScoreView:
        """Runs of `length` tokens."""
        return ScoreView(self.tokenizer, self.length, wanted_by(self.conditioners))

    def forward(self, batch: ScoreBatch) -> Outputs:
        """Predict each token from those before it."""
        conditions = (
            drop_some(batch.conditions, self.condition_dropout) if self.training else batch.conditions
        )
        context = self._listen(conditions)
        hidden = self.decoder(self.embedding(batch.tokens[:, :-1]), context.cross, context.cross_mask)
        places = torch.arange(1, batch.tokens.shape[1], device=batch.tokens.device)
        return Outputs(
            logits=self.head(hidden).float()[:, None],
            targets=batch.tokens[:, None, 1:],
            mask=(places < batch.valid[:, None])[:, None],
            hidden=hidden,
        )

    @torch.no_grad()
    def generate(
        self, conditions: Conditions, *, seconds: float, sampler: Sampler, seed: Seed
    ) -> list[Score]:
        """Write one score per condition, cut at `seconds`; tempo from `conditions.timing`, or 120 bpm."""
        training = self.training
        self.eval()
        try:
            tempi = _tempi(conditions)
            rows = self._write(conditions, [seconds * tempo / 60 for tempo in tempi], sampler, seed)
        finally:
            self.train(training)
        scores = [
            set_tempo(self.tokenizer.decode(row), tempo) for row, tempo in zip(rows, tempi, strict=True)
        ]
        return [crop(score, 0.0, seconds) for score in scores]

    def _write(
        self, conditions: Conditions, quarters: list[float], sampler: Sampler, seed: Seed
    ) -> list[list[int]]:
        """Return the tokens of each item up to the bar line at or after its number of quarter notes."""
        count = len(conditions)
        guidance = sampler.guide
        context = self._listen(told(conditions, guidance.passes))
        chances = generators(seed, count)
        place = self.head.weight.device
        tokens = torch.full((count, 1), self.tokenizer.bos, device=place)
        unspoken = [self.tokenizer.pad, self.tokenizer.bos, self.tokenizer.eos]
        ends: list[int | None] = [None] * count
        cache, fed = Cache(self.length), tokens
        most = [int(MOST_TOKENS_PER_QUARTER * length) + 1 for length in quarters]
        while None in ends:
            if cache.length + fed.shape[1] > self.length:
                cache, fed = Cache(self.length), tokens[:, -(self.length // 2) :]
            progress = min(tokens.shape[1] / max(most), 1.0)
            logits = self._next(fed, context, cache, guidance, progress)
            logits[:, unspoken] = float("-inf")
            fed = draw(
                logits[:, None],
                chances,
                temperature=sampler.temperature,
                top_k=sampler.top_k,
                top_p=sampler.top_p,
            )
            tokens = torch.cat([tokens, fed], dim=1)
            for index, row in enumerate(tokens.tolist()):
                arrived = self.tokenizer.begun_quarters(row) >= quarters[index] or len(row) > most[index]
                if arrived and ends[index] is None:
                    ends[index] = len(row)
        return [row[1:end] for row, end in zip(tokens.tolist(), ends, strict=True)]

    def _next(
        self,
        fed: Int[Tensor, "b s"],
        context: Context,
        cache: Cache,
        guidance: Guidance,
        progress: float,
    ) -> Float[Tensor, "b v"]:
        """Return the guided logits after the last token fed."""
        rows = self.embedding(fed.repeat(len(guidance.passes), 1))
        hidden = self.decoder(rows, context.cross, context.cross_mask, cache)
        return guidance(self.head(hidden[:, -1]).float(), progress)

    def _listen(self, conditions: Conditions) -> Context:
        """Ask the conditioners; a score has no frames, so nothing can be added to them."""
        context = fuse(typed(self.conditioners), conditions, frames=1, frame_rate=1.0)
        if context.added is not None:
            raise DiscoError(
                "a score has no frames that a conditioner could add to",
                do="leave conditioners such as beats out of conditioner=[…] for model=symbolic",
            )
        return context


def _tempi(conditions: Conditions) -> list[float]:
    if conditions.timing is None:
        return [DEFAULT_TEMPO_BPM] * len(conditions)
    return [DEFAULT_TEMPO_BPM if tempo != tempo else tempo for tempo in conditions.timing[:, 0].tolist()]
