"""Captions against tags: with judges whose answers are known, and with the real ones on real instruments."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.conditioners.minilm import MiniLM
from disco.core.metric import Asked, Take
from disco.corpus.instruments import SOLO
from disco.corpus.tunes import load_tunes
from disco.embedders.musicnn_tags import MusicnnTags
from disco.metrics.tag_text import TagText
from tests.metrics.music import played

TUNES = [tune.id for tune in load_tunes() if tune.rhythm == "reel"][:3]
LABELS = ("violin", "drums", "no drums")
RATE = 8000


class Ear:
    """Hears a violin in positive samples, drums in negative ones, and nothing else."""

    name = "ear"
    labels = LABELS

    def embed(self, clip):
        """Return how much of both there is."""
        level = float(clip.wave.mean())
        return np.array([[max(level, 0.0), max(-level, 0.0), 1.0]])


class Eye:
    """Reads three words, each a direction of its own, and that they are words."""

    name = "eye"

    def read(self, caption):
        """Return a vector per known word."""
        words = [word for word in caption.split() if word in ("violin", "drums", "flute")]
        return torch.stack([torch.eye(4)[("violin", "drums", "flute").index(word)] for word in words]) + 0.1


def take(level, caption):
    return Take(clip=Clip(torch.full((1, 10), level), RATE), asked=Asked(caption=caption))


def judged(*takes):
    metric = TagText(tagger=Ear(), reader=Eye())
    metric.update(list(takes))
    found = metric.compute()
    assert found.keys() == metric.higher_is_better.keys() == {"ear-eye/similarity", "ear-eye/rank"}
    return found["ear-eye/similarity"], found["ear-eye/rank"]


def test_what_fits_its_caption_lies_where_it_lies():
    near, best = judged(take(0.5, "a violin"), take(-0.5, "loud drums"))
    far, worst = judged(take(0.5, "loud drums"), take(-0.5, "a violin"))
    assert near == pytest.approx(1.0)
    assert far < 0.3
    assert (best, worst) == (1.0, 0.0)


def test_a_denied_tag_says_nothing_and_level_does_not_matter():
    loud, soft = judged(take(0.9, "a violin")), judged(take(0.01, "a violin"))
    assert loud[0] == pytest.approx(soft[0]) == pytest.approx(1.0)


def test_one_caption_has_no_rank_and_takes_without_a_caption_do_not_count():
    similarity, rank = judged(take(0.5, "a violin"), take(0.5, "a violin"), take(-0.5, None))
    assert similarity == pytest.approx(1.0)
    assert math.isnan(rank)
    assert all(math.isnan(value) for value in judged(take(0.5, None), take(0.5, " ")))


@pytest.mark.long
def test_captions_of_instruments_fit_the_music_that_they_are_of():
    names = ("violin", "piano", "guitar", "flute", "harpsichord")
    takes = [
        replace(
            played(tune, program=SOLO[name].programs[0], end=8.0),
            notes=None,
            asked=Asked(caption=f"a tune on the {name}"),
        )
        for name in names
        for tune in TUNES
    ]
    moved = [*takes[len(TUNES) :], *takes[: len(TUNES)]]
    judge = TagText(tagger=MusicnnTags(trained="mtt", hop=1.0, cache=None), reader=MiniLM(max_tokens=64))
    (near, best), (far, worse) = (
        told(judge, some)
        for some in (takes, [replace(a, asked=b.asked) for a, b in zip(takes, moved, strict=True)])
    )
    assert best > 0.7
    assert best > worse + 0.2
    assert near > far


def told(judge, takes):
    judge.rows = []
    judge.update(takes)
    found = judge.compute()
    return found["musicnn-tags-minilm/similarity"], found["musicnn-tags-minilm/rank"]
