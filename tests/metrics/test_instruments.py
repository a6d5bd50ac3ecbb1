"""Instruments of the demo corpus are told apart on tunes that were not studied."""

from dataclasses import replace

import pytest

from disco.core.metric import Asked
from disco.corpus.instruments import SOLO
from disco.corpus.tunes import load_tunes
from disco.errors import DiscoError
from disco.metrics.instruments import Instruments
from tests.metrics.music import played

NAMES = ("piano", "violin", "flute", "guitar", "clarinet", "harpsichord")
TUNES = [tune.id for tune in load_tunes() if tune.book == "ryan"][::150]


def take(tune_id, name):
    made = replace(played(tune_id, program=SOLO[name].programs[0], end=6.0), notes=None)
    return replace(made, asked=Asked(instruments=(name,)))


@pytest.fixture(scope="module")
def metric():
    metric = Instruments(root=None, most=100)
    metric.learn(take(tune_id, name) for tune_id in TUNES[:3] for name in NAMES)
    return metric


@pytest.mark.long
def test_instruments_are_heard_on_tunes_never_studied(metric):
    fresh = Instruments(root=None, most=100)
    fresh._learnt = metric.learnt
    fresh.update([take(tune_id, name) for tune_id in TUNES[3:6] for name in NAMES])
    assert fresh.compute()["exact"] >= 0.8


@pytest.mark.long
def test_an_asked_instrument_that_is_not_there_is_missed(metric):
    fresh = Instruments(root=None, most=100)
    fresh._learnt = metric.learnt
    piano = take(TUNES[0], "piano")
    assert fresh.hear(piano) == ("piano",)
    fresh.update([replace(piano, asked=Asked(instruments=("piano", "violin")))])
    assert fresh.compute() == {"precision": 1.0, "recall": 0.5, "exact": 0.0}


def test_training_data_without_instruments_is_refused():
    nameless = replace(played(TUNES[0], end=6.0), asked=Asked())
    with pytest.raises(DiscoError, match="names no instruments"):
        Instruments(root=None, most=1).learn([nameless])
