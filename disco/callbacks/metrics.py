"""The measures of evaluation while a model trains, on what it makes of fixed prompts, within a budget."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import lightning as L
import torch

from disco.audio.clip import Clip
from disco.callbacks.samples import Samples
from disco.callbacks.together import say
from disco.core.batch import AudioBatch, Batch, CodeBatch
from disco.core.metric import Asked, Metric, Take
from disco.core.module import GenerativeModule
from disco.core.ranges import PositiveInt, Share
from disco.errors import DiscoError
from disco.midi.render import render
from disco.midi.score import Score, note_table


class Metrics(L.Callback):
    """Logs `val/<metric>/<value>` every few validation rounds, so that other callbacks can watch it.

    What is measured is what the callback `samples` makes: the same prompts, the same seed; where it is off,
    `player` makes it. Metrics that compare hear the music of the validation batch that the prompts came from;
    those that compare take by take need prompts of that batch (`callbacks.samples.prompts=[]`). A round that
    would cost more than `share` of the training so far is left out, and callbacks that watch a value of it do
    not count that round; how much was spent is logged as `metrics/share` and said at the end. Training goes
    on as if nothing had happened.

    Args:
        every_rounds: validation rounds between two measurements.
        share: of the time that training took so far; the first round is measured in any case.
        metrics: by name.
        player: makes the samples where the callback `samples` is off.
    """

    name: ClassVar[str] = "metrics"

    def __init__(
        self, *, every_rounds: PositiveInt, share: Share, metrics: Mapping[str, Any], player: Samples
    ) -> None:
        super().__init__()
        self.every_rounds = every_rounds
        self.share = share
        self.metrics: Mapping[str, Metric] = metrics
        self.player = player
        self._begin()

    def _begin(self) -> None:
        self.rounds = self.left_out = self.measured = 0
        self.measured_now = True
        self.spent = self.dearest = 0.0
        self.begun = time.monotonic()

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin anew, and refuse what cannot be measured before the first step.

        Raises:
            DiscoError: a metric must know the training data.
        """
        self._begin()
        self.player.first_batch = None
        for name, metric in self.metrics.items():
            if "training" in metric.needs:
                raise DiscoError(
                    f"callbacks.metrics: {name} must know the training data, which takes too long here",
                    do="leave it to scripts/evaluate.py",
                )

    @property
    def left_out_now(self) -> frozenset[str]:
        """The values that the present validation round did not bring."""
        values = {f"val/{name}/{key}" for name, one in self.metrics.items() for key in one.higher_is_better}
        return frozenset() if self.measured_now else frozenset(values)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self.begun = time.monotonic()

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure when a round's turn has come and there is time for it."""
        assert isinstance(pl_module, GenerativeModule)
        if trainer.sanity_checking:
            for name, metric in self.metrics.items():  # what watches them sees that they will be there
                pl_module.log_dict({f"val/{name}/{key}": math.nan for key in metric.higher_is_better})
            return
        self.rounds += 1
        self.measured_now = False
        if (self.rounds - 1) % self.every_rounds:
            return
        passed = time.monotonic() - self.begun - self.spent
        afford = self.measured == 0 or self.spent + self.dearest <= self.share * passed
        if not trainer.strategy.broadcast(afford):
            self.left_out += 1
            return
        self.measured_now = True
        begun = time.monotonic()
        values = self._measure(trainer, pl_module)
        cost = time.monotonic() - begun
        self.spent, self.dearest, self.measured = (
            self.spent + cost,
            max(self.dearest, cost),
            self.measured + 1,
        )
        whole = max(time.monotonic() - self.begun, 1e-9)
        pl_module.log_dict({**values, "metrics/share": self.spent / whole}, sync_dist=trainer.world_size > 1)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say what measuring cost."""
        whole = max(time.monotonic() - self.begun, 1e-9)
        say(
            trainer,
            f"metrics: {self.measured} rounds measured in {self.spent:.1f} s, {self.spent / whole:.1%} of "
            f"the training; {self.left_out} left out to keep to {self.share:.0%}",
        )

    def _samples(self, trainer: L.Trainer) -> Samples:
        callbacks: Sequence[Any] = trainer.callbacks  # type: ignore[attr-defined]
        return next((one for one in callbacks if isinstance(one, Samples)), self.player)

    def _measure(self, trainer: L.Trainer, module: GenerativeModule) -> dict[str, float]:
        samples = self._samples(trainer)
        played = samples.play(trainer, module)
        pieces = [piece for name, piece in played.items() if not name.startswith("original")]
        with torch.random.fork_rng([]):  # a loader draws a seed when it begins
            batch = samples.batch(trainer)
        paired = not samples.prompts
        made = [_take(piece, samples) for piece in pieces]
        captions = [] if paired else [prompt.get("text") for prompt in samples.prompts]
        made = [
            _told(take, batch, k) if paired else replace(take, asked=Asked(caption=captions[k]))
            for k, take in enumerate(made)
        ]
        reference = real_takes(batch, module, samples, count=len(batch))
        values: dict[str, float] = {}
        for name, metric in self.metrics.items():
            metric.rows = []
            pairs = type(metric).update is Metric.update and "reference" in metric.needs
            if pairs and not paired:
                raise DiscoError(
                    f"callbacks.metrics: {name} compares take by take, and prompts of one's own have no "
                    "real music",
                    do="leave callbacks.samples.prompts empty, or measure something else",
                )
            metric.update(made, reference[: len(made)] if pairs else reference)
            try:
                found = metric.compute()
            except ValueError as error:
                raise DiscoError(f"callbacks.metrics: {name}: {error}", do="make more samples") from error
            values |= {f"val/{name}/{key}": value for key, value in found.items()}
            metric.rows = []
        return values


def _take(piece: Clip | Score, samples: Samples) -> Take:
    if isinstance(piece, Clip):
        clip = Clip(piece.wave.detach().cpu().float(), piece.rate)
        return Take(clip=clip)
    notes = note_table(piece)
    silence = Clip(torch.zeros(1, round(samples.seconds * samples.rate)), samples.rate)
    clip = render(piece, rate=samples.rate) if len(notes) else silence
    return Take(clip=clip, notes=notes, seconds=samples.seconds)


def _told(take: Take, batch: Batch, index: int) -> Take:
    """Add the caption and the tempo that an item of a batch was asked to have."""
    timing, caption = batch.conditions.timing, batch.conditions.text[index]
    tempo = math.nan if timing is None else float(timing[index, 0])
    asked = replace(take.asked, caption=caption)
    return replace(take, asked=asked, tempo_bpm=None if math.isnan(tempo) else tempo)


@torch.no_grad()
def real_takes(batch: Batch, module: GenerativeModule, samples: Samples, *, count: int) -> list[Take]:
    """Return the first items of a validation batch as judges get them."""
    some = range(min(count, len(batch)))
    if isinstance(batch, AudioBatch):
        waves = [batch.wave[k, :, : int(batch.valid[k])].detach().cpu().float() for k in some]
        return [
            _told(Take(clip=Clip(wave, batch.rate)), batch, k) for k, wave in zip(some, waves, strict=True)
        ]
    if isinstance(batch, CodeBatch):
        codec: Any = getattr(module, "codec")  # noqa: B009  a family over codec tokens has one
        codes = [batch.codes[k : k + 1, :, : int(batch.valid[k])].to(module.device) for k in some]
        clips = [Clip(codec.decode(one)[0].float().cpu(), codec.rate) for one in codes]
        return [_told(Take(clip=clip), batch, k) for k, clip in zip(some, clips, strict=True)]
    tokenizer: Any = getattr(module, "tokenizer")  # noqa: B009  a family over score tokens has one
    scores = [tokenizer.decode(batch.tokens[k, : int(batch.valid[k])].tolist()) for k in some]
    return [_told(_take(score, samples), batch, k) for k, score in zip(some, scores, strict=True)]
