"""Every defect is told by its own code and by no other; what is clean passes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from disco.audio.resample import resample
from disco.errors import DiscoError
from tests.audio.sounds import played, tunes
from tests.audio.test_defects import hum, pink
from tests.stage.passing import noted, stage

RATE = 44100
INSTRUMENTS = ("piano", "violin", "flute", "guitar", "clarinet", "harpsichord")


def clean(number: int) -> np.ndarray:
    """A render in true stereo, with the air of a room, as recordings have."""
    wave = played(tunes(6)[number].id, INSTRUMENTS[number], channels=2, rate=RATE, seconds=12.0)
    air = np.random.default_rng(number).standard_normal(wave.shape)
    return (wave + 10 ** (-75 / 20) * air).astype(np.float32)


DEFECTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clipping": lambda w: np.clip(3 * w, -1, 1),
    "dc_offset": lambda w: 0.8 * w + 0.05,
    "hum": lambda w: 0.9 * w + hum(w.shape, 50.0, -40.0),
    "bandwidth": lambda w: resample(resample(w, RATE, 32000), 32000, RATE),
    "mono_as_stereo": lambda w: w.mean(0, keepdims=True).repeat(2, 0),
    "inverted_phase": lambda w: np.stack([w.mean(0), -w.mean(0)]) + 0.05 * w,
    "silent": lambda w: 1e-4 * w,
    "too_quiet": lambda w: 10 ** (-40 / 20) * w,
    "noise": lambda w: 0.8 * w + 0.05 * pink(w.shape, np.random.default_rng(9)),
}


def codes(wave: np.ndarray) -> list[str]:
    return [problem.code for problem in noted(wave, RATE, [stage("quality")]).problems]


@pytest.mark.parametrize("number", range(6))
def test_a_clean_recording_has_no_code(number: int) -> None:
    assert codes(clean(number)) == []


@pytest.mark.parametrize("code", DEFECTS)
@pytest.mark.parametrize("number", range(2))
def test_a_defect_has_exactly_its_code(code: str, number: int) -> None:
    assert codes(DEFECTS[code](clean(number))) == [code]


@pytest.mark.parametrize("block", [777, 44100, 10**7])
def test_blocks_do_not_matter(block: int) -> None:
    wave = np.clip(3 * clean(0), -1, 1)
    first, again = noted(wave, RATE, [stage("quality")]), noted(wave, RATE, [stage("quality")], block)
    assert again.problems == first.problems
    assert again.features == pytest.approx(first.features, abs=0.2)


def test_verdicts_are_configured_by_code() -> None:
    wave = DEFECTS["dc_offset"](clean(0))
    for verdict in ("refuse", "warn"):
        quality = stage("quality", verdicts={"dc_offset": verdict})
        assert [problem.verdict for problem in noted(wave, RATE, [quality]).problems] == [verdict]
    assert noted(wave, RATE, [stage("quality", verdicts={"dc_offset": "ignore"})]).problems == []
    with pytest.raises(DiscoError, match="refuse, warn or ignore"):
        stage("quality", verdicts={"dc_offset": "maybe"})
    with pytest.raises(DiscoError, match="no code crackle"):
        stage("quality", verdicts={"crackle": "warn"})


def test_what_is_shorter_than_any_window_is_judged() -> None:
    for length in (1, 100, 5000):
        notes = noted(0.5 * np.ones((1, length), np.float32), RATE, [stage("quality")])
        assert [problem.code for problem in notes.problems] == ["dc_offset"]
