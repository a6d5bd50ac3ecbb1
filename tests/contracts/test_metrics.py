"""What every metric hears of five planted faults, each in three strengths: a table, and the proof of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

from disco.apps.launch import CONF
from disco.core.metric import FAULTS, Asked, Metric, Take
from disco.corpus.instruments import SOLO
from disco.corpus.tunes import load_tunes
from tests.composing import composed_config
from tests.metrics.spoilt import WAYS, made, notes_of, perfect, reference, sound_of, take_of

OF_RUNS = {"efficiency", "forgetting"}  # measure how a run makes music, and hear no takes of a folder
NOT_HERE = {"clap_score"}  # whose weights are in no package
COPIES = {"memorisation", "copied_tokens"}  # what is best here is a copy, which is what they look for
METRICS = sorted({path.stem for path in (CONF / "metric").glob("*.yaml")} - OF_RUNS - NOT_HERE)


@dataclass(frozen=True)
class Deaf:
    """A fault that a metric says not to hear; `value` stays where it was, within `slack`."""

    value: str
    slack: float


@dataclass(frozen=True)
class Roughly:
    """A fault that a metric hears; one that is hardly stronger may score better by up to `slack`."""

    value: str
    slack: float


HEARS: dict[str, dict[str, str | Deaf | Roughly]] = {
    "adherence": {
        "noise": Deaf("overall", 0.1),
        "low-pass": "overall",
        "detune": "overall",
        "jitter": "overall",
        "shuffle": "notes",
    },
    "beats": {
        "noise": "f_measure",
        "low-pass": "f_measure",
        "detune": Deaf("f_measure", 0.2),
        "jitter": "f_measure",
        "shuffle": "amlt",
    },
    "chords": {
        "noise": Deaf("majmin", 0.1),
        "low-pass": "majmin",
        "detune": "majmin",
        "jitter": "majmin",
        "shuffle": Roughly("majmin", 0.05),
    },
    "copied_tokens": dict.fromkeys(WAYS, "likeness"),
    "coverage": {
        "noise": "musicnn/coverage",
        "low-pass": "musicnn/coverage",
        "detune": Deaf("musicnn/coverage", 0.05),
        "jitter": "musicnn/coverage",
        "shuffle": "musicnn/coverage",
    },
    "distortion": dict.fromkeys(WAYS, "multi_stft"),
    "drift": {
        "noise": "colour",
        "low-pass": "colour",
        "detune": "colour",
        "jitter": "tempo",
        "shuffle": "tempo",
    },
    "fad": dict.fromkeys(WAYS, "musicnn"),
    "fd_logmel": dict.fromkeys(WAYS, "fd_logmel"),
    "groove": {
        "noise": Deaf("on_grid", 0.05),
        "low-pass": "similarity",
        "detune": Deaf("on_grid", 0.05),
        "jitter": "similarity",
        "shuffle": "on_grid",
    },
    "instruments": {
        "noise": Deaf("recall", 0.0),
        "low-pass": "recall",
        "detune": Deaf("recall", 0.0),
        "jitter": Deaf("recall", 0.0),
        "shuffle": "recall",
    },
    "kad": dict.fromkeys(WAYS, "musicnn"),
    "key": {
        "noise": Deaf("mirex", 0.0),
        "low-pass": "mirex",
        "detune": "mirex",
        "jitter": Deaf("mirex", 0.1),
        "shuffle": Deaf("mirex", 0.1),
    },
    "kl": {
        "noise": "musicnn-tags/js",
        "low-pass": "musicnn-tags/js",
        "detune": Deaf("musicnn-tags/js", 0.01),
        "jitter": "musicnn-tags/kl_made_reference",
        "shuffle": "musicnn-tags/js",
    },
    "melody": {
        "noise": "rhythm_entropy",
        "low-pass": "rhythm_entropy",
        "detune": "pitch_class_entropy",
        "jitter": "rhythm_entropy",
        "shuffle": "interval_entropy",
    },
    "memorisation": {**dict.fromkeys(WAYS, "likeness"), "shuffle": Roughly("likeness", 0.02)},
    "notes": {
        "noise": "notes_per_second",
        "low-pass": "on_grid",
        "detune": "steps",
        "jitter": "on_grid",
        "shuffle": "notes_per_second",
    },
    "onset_f1": {
        "noise": Deaf("f1", 0.1),
        "low-pass": "f1",
        "detune": "f1",
        "jitter": "f1",
        "shuffle": "f1",
    },
    "signal": {
        "noise": "bandwidth",
        "low-pass": "bandwidth",
        "detune": Deaf("ok", 0.0),
        "jitter": Deaf("ok", 0.0),
        "shuffle": Deaf("rms_db", 0.01),
    },
    "silence": {
        "noise": Deaf("silent", 0.0),
        "low-pass": "silent",
        "detune": Deaf("silent", 0.0),
        "jitter": Deaf("silent", 0.01),
        "shuffle": Deaf("silent", 0.01),
    },
    "structure": {
        "noise": Deaf("repetition", 0.05),
        "low-pass": Deaf("repetition", 0.05),
        "detune": "repetition",
        "jitter": "repetition",
        "shuffle": "repetition",
    },
    "tag_text": {
        "noise": Roughly("musicnn-tags-minilm/similarity", 0.02),
        "low-pass": "musicnn-tags-minilm/similarity",
        "detune": Deaf("musicnn-tags-minilm/similarity", 0.02),
        "jitter": Deaf("musicnn-tags-minilm/similarity", 0.02),
        "shuffle": Roughly("musicnn-tags-minilm/similarity", 0.02),
    },
    "tempo": {
        "noise": "confidence",
        "low-pass": "confidence",
        "detune": Deaf("confidence", 0.05),
        "jitter": "confidence",
        "shuffle": "error",
    },
}


@cache
def metric_of(name: str) -> Metric:
    """A metric as the command line builds it, content with the few windows of these takes."""
    cfg = composed_config("evaluate", [f"metric=[{name}]"], Path("nowhere"))
    node = cfg.metric[name]
    if "min_windows" in node:
        node.min_windows = 10
    metric = instantiate(node, _convert_="all")
    if "training" in metric.needs:
        metric.learn([*perfect(), *strangers()])
    return metric


@cache
def strangers() -> tuple[Take, ...]:
    """Other tunes on other instruments."""
    found = []
    for number, name in enumerate(("violin", "flute", "guitar", "trumpet")):
        jigs = [tune for tune in load_tunes() if tune.rhythm == "jig"][10 + number : 200 : 50]
        for tune in jigs[:3]:
            take = take_of(sound_of(notes_of(tune, SOLO[name].programs[0])), 0)
            found.append(replace(take, name=tune.id, asked=Asked(instruments=(name,))))
    return tuple(found)


@cache
def values(name: str, way: str, strength: int) -> dict[str, float]:
    """What a metric says of the takes, spoilt in one way; strength 0 is perfect input."""
    metric = metric_of(name)
    metric.rows = []
    others: Sequence[Take] = strangers() if name in COPIES else reference()
    metric.update(list(made(way, strength)), list(others) if "reference" in metric.needs else [])
    return metric.compute()


def costs(name: str, way: str, value: str) -> list[float]:
    """How much worse than perfect input each strength scores, the perfect first: that is 0."""
    found = [values(name, way, strength)[value] for strength in range(4)]
    higher = metric_of(name).higher_is_better[value]
    if higher is None:
        return [abs(one - found[0]) for one in found]
    sign = 1.0 if higher else -1.0
    return [sign * (found[0] - one) * (-1.0 if name in COPIES else 1.0) for one in found]


def test_every_metric_says_what_it_hears_of_every_fault() -> None:
    assert sorted(HEARS) == METRICS
    assert all(set(row) == set(WAYS) == set(FAULTS) for row in HEARS.values())
    for name, row in HEARS.items():
        node = OmegaConf.load(CONF / "metric" / f"{name}.yaml")[name]
        deaf = {way for way, heard in row.items() if isinstance(heard, Deaf)}
        assert set(get_class(node._target_).deaf) == deaf, f"{name} says so in the report"


HEARD = [(name, way) for name, row in HEARS.items() for way in row if not isinstance(row[way], Deaf)]
UNHEARD = [(name, way) for name, row in HEARS.items() for way in row if isinstance(row[way], Deaf)]


@pytest.mark.long
@pytest.mark.parametrize(("name", "way"), HEARD)
def test_perfect_input_scores_best_and_the_more_it_is_spoilt_the_worse(name: str, way: str) -> None:
    heard = HEARS[name][way]
    assert not isinstance(heard, Deaf)
    rough = heard if isinstance(heard, Roughly) else Roughly(heard, 1e-9)
    found = costs(name, way, rough.value)
    assert all(less <= more + rough.slack for less, more in pairwise(found)), found
    assert found[-1] > max(2 * rough.slack, 0.02 * abs(values(name, way, 0)[rough.value])), found


@pytest.mark.long
@pytest.mark.parametrize(("name", "way"), UNHEARD)
def test_what_a_metric_is_deaf_to_leaves_it_where_it_was(name: str, way: str) -> None:
    deaf = HEARS[name][way]
    assert isinstance(deaf, Deaf)
    assert max(map(abs, costs(name, way, deaf.value))) <= deaf.slack + 1e-9, metric_of(name).deaf[way]
