"""Keys are found in renders of the demo corpus, whose sources name them."""

from __future__ import annotations

import numpy as np
import pytest

from disco.audio.keys import find_key
from disco.audio.spectrum import describe
from tests.audio.sounds import RATE, played, tunes


def key_of(wave: np.ndarray) -> tuple[str, float]:
    curves = describe(wave, RATE)
    key = find_key(curves.chroma, curves.rms)
    return key.name, key.confidence


@pytest.mark.long
@pytest.mark.parametrize(
    ("book", "instrument", "share"), [("ryan", "violin", 0.8), ("bach", "strings", 0.75)]
)
def test_most_keys_are_those_of_the_sources(book: str, instrument: str, share: float) -> None:
    named = [tune for tune in tunes(60, book) if tune.key and tune.key[-3:] in ("maj", "min")][:40]
    right = sum(key_of(played(tune.id, instrument, seconds=60.0))[0] == tune.key for tune in named)
    assert right >= share * len(named)


def test_transposing_moves_the_key() -> None:
    tune = next(tune for tune in tunes(20) if tune.key == "Dmaj")
    assert key_of(played(tune.id))[0] == "Dmaj"
    assert key_of(played(tune.id, up=1))[0] == "Ebmaj"


def test_noise_and_silence_have_no_key() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 5 * RATE)).astype(np.float32)
    assert key_of(noise)[1] < 0.5
    assert key_of(np.zeros((1, RATE), np.float32)) == ("", 0.0)
