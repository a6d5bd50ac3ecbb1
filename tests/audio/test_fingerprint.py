"""Copies are found whatever was done to them; other recordings never are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from disco.audio.fingerprint import MAX_ERRORS, errors, fingerprint, matches
from disco.audio.resample import resample
from disco.audio.spectrum import describe
from disco.audio.wavefile import read_wave, write_wave
from tests.audio.sounds import RATE, played, tunes


def print_of(wave: np.ndarray, rate: int = RATE) -> np.ndarray:
    curves = describe(wave, rate)
    return fingerprint(curves.mel, rate, curves.curve_rate)


def encoded(wave: np.ndarray, folder: Path, suffix: str) -> np.ndarray:
    """What is left after a trip through a lossy format."""
    path = folder / f"copy{suffix}"
    write_wave(path, wave, RATE)
    return read_wave(path)[0]


def closest(one: np.ndarray, other: np.ndarray) -> float:
    """The least share of errors over all offsets with half of the shorter in common."""
    least = min(len(one), len(other)) // 2
    offsets = range(least - len(one), len(other) - least + 1)
    return min(share for share, words in (errors(one, other, o) for o in offsets) if words >= least // 2)


def test_copies_of_every_kind_are_found(tmp_path: Path) -> None:
    wave = played(tunes(1)[0].id)
    shop = {
        "original": wave,
        "louder": np.clip(1.4 * wave, -1, 1),
        "softer": 0.05 * wave,
        "mp3": encoded(wave, tmp_path, ".mp3"),
        "ogg": encoded(wave, tmp_path, ".ogg"),
        "cut": wave[:, int(3.21 * RATE) :],
        "shorter": wave[:, : -4 * RATE],
        "later": np.pad(wave, ((0, 0), (int(2.345 * RATE), 0))),
        "other rate": resample(resample(wave, RATE, 22050), 22050, RATE),
    }
    prints = {name: print_of(copy) for name, copy in shop.items()}
    prints["at 44.1 kHz"] = print_of(resample(wave, RATE, 44100), 44100)
    prints["another tune"] = print_of(played(tunes(2)[1].id))
    names = sorted(set(prints) - {"another tune"})
    pairs = matches(prints)
    assert {("original", name) if name > "original" else (name, "original") for name in names} - {
        ("original", "original")
    } <= set(pairs)
    assert not any("another tune" in pair for pair in pairs)


def test_other_instruments_keys_and_tempos_are_other_recordings() -> None:
    tune = tunes(1)[0].id
    prints = {
        name: print_of(played(tune, name)) for name in ("piano", "violin", "flute", "harpsichord", "guitar")
    }
    prints["up"] = print_of(played(tune, up=2))
    prints["faster"] = print_of(played(tune, bpm=132.0))
    assert matches(prints) == []


@pytest.mark.long
def test_planted_copies_among_many_renders_are_found_and_nothing_else(tmp_path: Path) -> None:
    instruments = ("piano", "violin", "flute", "guitar", "clarinet", "harpsichord")
    waves = {
        f"{tune.id} {instrument}": played(tune.id, instrument, seconds=20.0)
        for number, tune in enumerate(tunes(60))
        for instrument in (instruments[number % 6], instruments[(number + 1) % 6])
    }
    assert len(waves) >= 100
    prints = {name: print_of(wave) for name, wave in waves.items()}
    planted = set()
    for number, name in enumerate(list(waves)[::6]):
        copy = encoded(0.6 * waves[name][:, (number % 3) * 40_000 :], tmp_path, (".mp3", ".ogg")[number % 2])
        prints[f"{name} again"] = print_of(copy)
        planted.add((name, f"{name} again"))
    assert set(matches(prints)) == planted
    worst = max(closest(prints[one], prints[other]) for one, other in planted)
    assert worst < MAX_ERRORS - 0.01, f"copies differ in up to {worst:.3f} of their bits"


def half(number: int, count: int) -> list[str]:
    """Tunes of one half of the corpus, which a hash has dealt out."""
    ids = [tune.id for tune in tunes(20 * count)]
    return [one for one in ids if int(hashlib.sha256(one.encode()).hexdigest(), 16) % 2 == number][:count]


def apart(chosen: list[str], folder: Path) -> tuple[float, float]:
    """The furthest copy, and the nearest performance on another instrument, in shares of bits."""
    instruments = ("piano", "violin", "flute", "guitar", "clarinet", "harpsichord", "accordion", "oboe")
    copies, others = [], []
    for number, tune in enumerate(chosen):
        names = [instruments[(number + step) % 8] for step in (0, 1, 3)]
        first, *rest = (print_of(played(tune, name, seconds=20.0)) for name in names)
        others += [closest(first, other) for other in rest]
        wave = played(tune, names[0], seconds=20.0)
        copies += [
            closest(first, print_of(copy))
            for copy in (
                encoded(wave, folder, ".mp3"), encoded(wave, folder, ".ogg"), wave[:, 100_000:],
                encoded(0.6 * wave[:, 40_000:], folder, ".mp3"),
            )
        ]  # fmt: skip
    return max(copies), min(others)


@pytest.mark.long
def test_the_threshold_of_one_half_of_the_corpus_holds_on_the_other(tmp_path: Path) -> None:
    furthest, nearest = apart(half(0, 16), tmp_path)
    assert pytest.approx((furthest + nearest) / 2, abs=0.015) == MAX_ERRORS, "half way, on this half"
    furthest, nearest = apart(half(1, 16), tmp_path)
    assert furthest < MAX_ERRORS - 0.02 < MAX_ERRORS + 0.02 < nearest, (furthest, nearest)


def test_silence_matches_nothing() -> None:
    silence = print_of(np.zeros((1, 20 * RATE), np.float32))
    assert matches({"a": silence, "b": silence.copy(), "c": np.zeros(0, np.uint32)}) == []
