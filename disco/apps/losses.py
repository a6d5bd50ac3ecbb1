"""What a language model's loss is worth: beside counting, and with the wrong captions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from disco.core.batch import Batch, CodeBatch, ScoreBatch
from disco.core.module import GenerativeModule
from disco.core.outputs import Outputs, per_codebook
from disco.errors import DiscoError
from disco.models.musicgen import MusicGen
from disco.nets.ngram import WittenBell

if TYPE_CHECKING:
    from disco.core.datamodule import MusicData


def language_losses(module: GenerativeModule, data: MusicData, split: str) -> dict[str, float]:
    """Return cross-entropies in nats per token on the same tokens of a split.

    `loss` is the model's, `loss_shuffled` with captions and tags of other items, `loss_captions` with
    captions of other items and its own tags, `loss_prior` its counted prior's alone if it has one,
    `loss_unigram` and `loss_ngram` Witten-Bell counts of the training split (bigram for codec tokens,
    trigram for scores).

    Raises:
        DiscoError: the split is one that was trained on.
    """
    batches = [batch.to(module.device) for batch in _held_out(data, split)]
    values = {
        "loss": _mean_loss(module, batches),
        "loss_shuffled": _mean_loss(module, map(_shuffled, batches)),
        "loss_captions": _mean_loss(module, map(_captioned_wrongly, batches)),
    }
    if isinstance(module, MusicGen) and module.prior is not None:
        values["loss_prior"] = _mean_loss(module.foretold, batches)
    training = [list(_sequences(batch)) for batch in data.survey()]
    held = [list(_sequences(batch.to("cpu"))) for batch in batches]
    codes = isinstance(batches[0], CodeBatch)
    for name, length in (("loss_unigram", 1), ("loss_ngram", 2 if codes else 3)):
        values[name] = _count_loss(training, held, length, skip=0 if codes else 1)
    return values


def held_out_loss(module: GenerativeModule, data: MusicData, split: str) -> float:
    """Return the mean cross-entropy of a split in nats per token.

    Raises:
        DiscoError: the split is one that was trained on.
    """
    return _mean_loss(module, (batch.to(module.device) for batch in _held_out(data, split)))


def _held_out(data: MusicData, split: str) -> Iterable[Batch]:
    loaders = {"val": data.val_dataloader, "test": data.test_dataloader}
    if split not in loaders:
        raise DiscoError(f"split={split}: a loss is told on held-out music", do="choose val or test")
    return loaders[split]()


@torch.no_grad()
def _mean_loss(predict: Callable[[Any], Outputs], batches: Iterable[Batch]) -> float:
    total, weight = 0.0, 0
    for batch in batches:
        out = predict(batch)
        total += per_codebook(out).mean().item() * out.count
        weight += out.count
    return total / weight


def _shuffled(batch: Batch) -> Batch:
    """Give every item the description of its neighbour; the clock stays."""
    moved = batch.conditions.rows([*range(1, len(batch)), 0])
    return replace(batch, conditions=replace(moved, timing=batch.conditions.timing))


def _captioned_wrongly(batch: Batch) -> Batch:
    """Give every item the caption of its neighbour; tags and clock stay."""
    text = batch.conditions.text
    return replace(batch, conditions=replace(batch.conditions, text=(*text[1:], text[0])))


def _sequences(batch: Batch) -> Iterator[list[np.ndarray]]:
    """Yield the valid tokens of each item, one array per codebook."""
    if isinstance(batch, CodeBatch):
        for codes, valid in zip(batch.codes, batch.valid, strict=True):
            yield [row[:valid].numpy() for row in codes]
    elif isinstance(batch, ScoreBatch):
        for tokens, valid in zip(batch.tokens, batch.valid, strict=True):
            yield [tokens[:valid].numpy()]


def _count_loss(
    training: list[list[list[np.ndarray]]], held: list[list[list[np.ndarray]]], order: int, *, skip: int
) -> float:
    """Average over codebooks; `skip` leaves out first tokens that the model is given and not asked for."""
    books = len(held[0][0])
    losses = []
    for book in range(books):
        learn = [item[book] for batch in training for item in batch]
        test = [item[book] for batch in held for item in batch]
        vocabulary = 1 + int(max(sequence.max(initial=0) for sequence in [*learn, *test]))
        counts = WittenBell(learn, order=order, vocabulary=vocabulary)
        surprise = [-np.log(counts.probabilities(sequence)[skip:]) for sequence in test]
        losses.append(float(np.concatenate(surprise).mean()))
    return sum(losses) / books
