"""Every metric: perfect input scores best, worse input worse, in any order, over any shards."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from disco.audio.clip import Clip
from disco.core.metric import Asked, Take
from disco.errors import DiscoError
from disco.metrics.tonality import find_key, pitch_classes
from disco.midi.render import render
from disco.midi.score import NoteTable, score_from_notes
from tests.composing import composed_config

OF_MODELS = {"efficiency", "forgetting"}  # measure how a run makes music, and hear no takes
NOT_HERE = {"clap_score"}  # whose weights are in no package
YAMLS = sorted(path for path in Path("conf/metric").glob("*.yaml") if path.stem not in OF_MODELS | NOT_HERE)


@cache
def node_of(path):
    """A metric's config as evaluation composes it, content with the few windows of these takes."""
    cfg = composed_config("evaluate", [f"metric=[{path.stem}]", "embedder=logmel"], Path("nowhere"))
    (node,) = cfg.metric.values()
    if "min_windows" in node:
        node.min_windows = 2
    return node


def build(path):
    metric = instantiate(node_of(path), _convert_="all")
    if "training" in metric.needs:
        metric.learn(training())
    return metric


def tune(seed, *, steady=True):
    """Two bars of eighths: stepwise and on the grid, or leaping and irregular."""
    rng = np.random.default_rng(seed)
    onset = np.arange(12) * 0.25 if steady else np.sort(rng.uniform(0, 3, 12))
    steps = rng.choice([-2, 2, 4, -1], 12) if steady else rng.integers(-14, 15, 12)
    pitch = np.clip(70 + np.cumsum(steps), 55, 85)
    return NoteTable(
        onset=onset,
        offset=onset + 0.22,
        pitch=pitch.astype(np.int64),
        velocity=np.full(12, 90),
        program=np.zeros(12, dtype=np.int64),
        is_drum=np.zeros(12, dtype=bool),
    )


@cache
def take(seed, kind):
    notes = tune(seed, steady=kind == "good")
    clip = render(score_from_notes(notes), rate=16000, channels=1)
    wave = clip.wave[:, :48000]
    if kind == "bad":
        wave = wave * 8 + 0.1 * torch.randn(wave.shape, generator=torch.Generator().manual_seed(seed))
        wave = wave.clamp(-1, 1)[:, :40000]
    wanted = tune(seed)
    return Take(
        clip=Clip(wave, 16000),
        notes=notes,
        seconds=3.0,
        tempo_bpm=120.0,
        asked=Asked(
            caption="a lively tune on the piano",
            key=str(find_key(pitch_classes(wanted))),
            instruments=("piano",),
            moods=("lively",),
            notes=wanted,
        ),
        codes=np.random.default_rng([seed, kind == "bad"]).integers(0, 64, (2, 150)),
    )


@cache
def takes(kind):
    return tuple(take(seed, kind) for seed in range(3))


@cache
def training():
    """What a bad model copies, and other music that sounds as it should."""
    noise = [replace(one, asked=Asked(instruments=("noise",))) for one in takes("bad")]
    return (*noise, *(take(seed, "good") for seed in range(10, 13)))


def values(metric, made, reference):
    metric.update(made, reference)
    return metric.compute()


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_perfect_input_scores_best(path):
    good, bad = takes("good"), takes("bad")
    best, worse = values(build(path), good, good), values(build(path), bad, good)
    falls = []
    for name, higher in build(path).higher_is_better.items():
        if math.isnan(best[name]) and math.isnan(worse[name]):
            continue  # two takes do not define it
        assert math.isfinite(best[name])
        assert math.isfinite(worse[name])
        if higher is None:
            falls.append(abs(worse[name] - best[name]))
        else:
            falls.append((best[name] - worse[name]) * (1 if higher else -1))
    assert min(falls) >= -1e-9
    assert max(falls) > 0.01


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_order_and_sharding_do_not_matter(path):
    made, reference = takes("bad"), takes("good")
    whole = values(build(path), made, reference)
    backwards = values(build(path), made[::-1], reference[::-1])
    left, right = build(path), build(path)
    left.update(made[:1], reference[:1])
    right.update(made[1:], reference[1:])
    left.merge(right)
    assert len(left) == len(made)
    assert backwards == pytest.approx(whole, rel=1e-9, nan_ok=True)
    assert left.compute() == pytest.approx(whole, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_nothing_heard_is_an_error(path):
    with pytest.raises(DiscoError):
        build(path).compute()


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_comparing_metrics_refuse_missing_references(path):
    metric = build(path)
    if "reference" not in metric.needs:
        pytest.skip("compares with nothing")
    with pytest.raises(DiscoError):
        values(metric, takes("good"), ())
