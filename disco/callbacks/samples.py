"""Hear a model grow: the same prompts, the same seed, every so many steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch

from disco.audio.clip import Clip
from disco.audio.io import write_clip
from disco.callbacks.boards import has_board, show_clip, show_picture
from disco.callbacks.chroma import chroma_picture
from disco.callbacks.step_rounds import StepRounds
from disco.callbacks.together import say
from disco.core.batch import AudioBatch, Conditions
from disco.core.contracts import Sampler
from disco.core.module import GenerativeModule
from disco.core.ranges import PositiveFloat, PositiveInt
from disco.core.sharding import whole
from disco.errors import DiscoError
from disco.midi.render import render
from disco.midi.score import Score, note_table, write_score
from disco.report.pictures import Pixels, piano_roll_picture, spectrogram_picture


class Samples(StepRounds):
    """Lets the model make something every `every_steps` steps and at the end.

    What it makes depends on what it offers: a module with `reconstruct(clip)` gives back clips of the
    validation set (the originals stand beside them once), any other generates. Sound, spectrogram (one
    per channel, the left one on top), chroma and piano roll go to TensorBoard or Weights & Biases, WAV and
    MIDI files to `samples/` in the run folder. Training goes on as if nothing had happened: no random
    number of its own is drawn, and a full disk is only told. A score without notes makes no sound;
    `samples/empty` counts them.

    Args:
        every_steps: optimiser steps between two rounds.
        num_samples: pieces per round, if there are no prompts.
        seconds: length of a generated piece.
        rate: Hz at which scores are rendered.
        channels: 1 or 2 for rendered scores.
        seed: of the generation; the same in every round.
        sampler: how tokens are drawn.
        prompts: captions and tags to generate from, each `{text: …, tags: {rhythm: reel}}`;
            none takes the conditions of the first validation items.
    """

    def __init__(
        self,
        *,
        every_steps: PositiveInt,
        num_samples: PositiveInt,
        seconds: PositiveFloat,
        rate: PositiveInt,
        channels: PositiveInt,
        seed: int,
        sampler: Sampler,
        prompts: Sequence[Mapping[str, Any]],
    ) -> None:
        super().__init__(every_steps=every_steps)
        self.num_samples = num_samples
        self.seconds = seconds
        self.rate = rate
        self.channels = channels
        self.seed = seed
        self.sampler = sampler
        self.prompts = prompts
        self.first_round = True

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start afresh; originals stand beside the first reconstructions of each fit."""
        super().on_train_start(trainer, pl_module)
        self.first_round = True

    def play(self, trainer: L.Trainer, module: GenerativeModule) -> dict[str, Clip | Score]:
        """Return what the model makes now, by name; model and random numbers stay as they were."""
        devices = [module.device] if module.device.type == "cuda" else []
        training = [part for part in module.modules() if part.training]
        module.eval()
        with torch.random.fork_rng(devices), torch.no_grad(), whole(module):
            pieces = self._pieces(trainer, module)
        for part in training:  # a frozen part stays in evaluation mode
            part.training = True
        return pieces

    def make_round(self, trainer: L.Trainer, module: L.LightningModule, step: int) -> None:
        """Play, and keep what was played."""
        assert isinstance(module, GenerativeModule)
        pieces = self.play(trainer, module)
        self.first_round = False
        if trainer.is_global_zero:
            try:
                self._keep(trainer, pieces, step)
            except OSError as error:
                say(trainer, f"samples: those of step {step:,} are not kept: {error.strerror or error}")

    def _pieces(self, trainer: L.Trainer, module: GenerativeModule) -> dict[str, Clip | Score]:
        reconstruct = getattr(module, "reconstruct", None)
        if reconstruct is not None:
            clips = self._validation_clips(trainer)
            back = [reconstruct(Clip(clip.wave.to(module.device), clip.rate)) for clip in clips]
            return (_named("original", clips) if self.first_round else {}) | _named("reconstruction", back)
        conditions = self._conditions(trainer).to(module.device)
        made = module.generate(conditions, seconds=self.seconds, sampler=self.sampler, seed=self.seed)
        return _named("generated", made)

    def _conditions(self, trainer: L.Trainer) -> Conditions:
        if not self.prompts:
            conditions = self.batch(trainer).conditions
            return conditions.rows(range(min(self.num_samples, len(conditions))))
        names = sorted({name for prompt in self.prompts for name in prompt.get("tags", {})})
        return Conditions(
            text=[prompt.get("text") for prompt in self.prompts],
            tags={name: [prompt.get("tags", {}).get(name) for prompt in self.prompts] for name in names},
        )

    def _validation_clips(self, trainer: L.Trainer) -> list[Clip]:
        batch = self.batch(trainer)
        if not isinstance(batch, AudioBatch):
            raise DiscoError(
                f"samples cannot reconstruct a {type(batch).__name__}",
                do="train this model on data with audio",
            )
        count = min(self.num_samples, len(batch))
        return [Clip(batch.wave[k, :, : int(batch.valid[k])], batch.rate) for k in range(count)]

    def _keep(self, trainer: L.Trainer, pieces: Mapping[str, Clip | Score], step: int) -> None:
        shown = has_board(trainer)
        folder = Path(trainer.default_root_dir) / "samples" / f"step-{step:06d}"
        empty = 0
        for name, piece in pieces.items():
            clip = piece
            if not isinstance(piece, Clip):
                if piece.note_num() == 0:
                    empty += 1
                    continue
                write_score(folder / f"{name}.mid", piece)
                clip = render(piece, rate=self.rate, channels=self.channels)
                if shown:
                    show_picture(trainer, f"{name}/piano roll", piano_roll_picture(note_table(piece)), step)
            assert isinstance(clip, Clip)
            clip = Clip(clip.wave.detach().cpu().float(), clip.rate)
            write_clip(folder / f"{name}.wav", clip, allow_clipping=True)
            if shown:
                show_clip(trainer, name, clip, step)
                show_picture(trainer, f"{name}/spectrogram", _spectrograms(clip), step)
                show_picture(trainer, f"{name}/chroma", chroma_picture(clip), step)
        for logger in trainer.loggers:
            logger.log_metrics({"samples/empty": float(empty)}, step)


def _spectrograms(clip: Clip) -> Pixels:
    channels = [Clip(channel[None], clip.rate) for channel in clip.wave]
    return np.concatenate([spectrogram_picture(channel) for channel in channels])


def _named(kind: str, pieces: Sequence[Any]) -> dict[str, Any]:
    return {f"{kind}-{index:02d}": piece for index, piece in enumerate(pieces)}
