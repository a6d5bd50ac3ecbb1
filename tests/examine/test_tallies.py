"""Figures of a data set: how varied, how far described, how spread, and whether it is enough."""

from __future__ import annotations

import math

import pytest

from disco.core.record import Record
from disco.examine.budget import amount, budget, floors_in_words
from disco.examine.spreads import MEASURED, spreads
from disco.examine.tallies import coverages, tallies
from tests.audio.sounds import RATE, played, tunes
from tests.stage.passing import noted, stage

HOUR = 3600.0


def piece(number: int, hours: float = 1.0, **facts) -> Record:
    return Record(id=str(number), file_path=f"{number}.wav", duration=hours * HOUR, sample_rate=8000, **facts)


def tally(records: list[Record], field: str):
    return next(one for one in tallies(records) if one.field == field)


def test_nine_parts_rock_and_one_part_jazz_are_as_varied_as_1_4_equal_ones() -> None:
    records = [piece(n, genre=["rock"] if n else ["jazz"]) for n in range(10)]
    found = tally(records, "genre")
    assert found.effective == pytest.approx(math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1)))
    assert found.effective == pytest.approx(1.384, abs=1e-3)
    assert dict(found.hours) == pytest.approx({"rock": 9.0, "jazz": 1.0})
    assert tally([piece(n, genre=[str(n)]) for n in range(8)], "genre").entropy_bits == pytest.approx(3.0)
    assert tally([piece(0, genre=["a"])], "genre").effective == pytest.approx(1.0)


def test_several_values_share_the_hours_and_silence_is_counted() -> None:
    records = [
        piece(0, 2.0, instruments=["piano", "bass"]),
        piece(1, 1.0, instruments=["piano"]),
        piece(2, 0.5),
    ]
    found = tally(records, "instruments")
    assert dict(found.hours) == pytest.approx({"piano": 2.0, "bass": 1.0})
    assert dict(found.pieces) == {"piano": 2, "bass": 1}
    assert found.unknown_hours == pytest.approx(0.5)
    assert list(tally([piece(0, tempo=119.9), piece(1, tempo=120.0)], "tempo").hours) == [
        "100-119",
        "120-139",
    ]
    nothing = tally([piece(0)], "genre")
    assert (nothing.effective, nothing.entropy_bits, dict(nothing.hours)) == (0.0, 0.0, {})


def test_coverage_tells_who_said_it() -> None:
    records = [
        piece(0, tempo=120.0, caption="x", provenance={"tempo": "analysis:features", "caption": "human"}),
        piece(1, tempo=90.0, provenance={"tempo": "human"}),
        piece(2, tempo=90.0, caption="", provenance={"tempo": "human"}),
        piece(3),
    ]
    found = {one.field: one for one in coverages(records)}
    assert found["tempo"].share == 0.75
    assert dict(found["tempo"].by) == {"human": 2, "analysis:features": 1}
    assert (found["caption"].known, found["genre"].known) == (1, 0)


def test_a_spread_counts_every_piece_once() -> None:
    records = [piece(n, features={"loudness_lufs": -30.0 + n}) for n in range(21)]
    records.append(piece(21, features={"loudness_lufs": float("nan")}))
    (loudness,) = (one for one in spreads(records) if one.name == "loudness")
    assert sum(loudness.counts) == 21
    assert (loudness.low, loudness.middle, loudness.high) == pytest.approx((-29.0, -20.0, -11.0))
    assert (loudness.edges[0], loudness.edges[-1]) == (-30.0, -10.0)
    assert [one.name for one in spreads(records[:1])] == []


@pytest.mark.parametrize(("regime", "floor"), [("full", 50.0), ("finetune", 1.0), ("peft", 0.5)])
def test_the_guides_floors_hold_for_the_training_split(regime: str, floor: float) -> None:
    enough = [piece(0, floor, split="train", genre=["x"]), piece(1, 99.0, split="test")]
    assert budget(enough, tally(enough[:1], "genre"), regime).enough
    short = [piece(0, floor - 0.01, split="train", genre=["x"])]
    found = budget(short, tally(short, "genre"), regime)
    assert not found.enough
    assert list(found.thin) == ["x"]


def test_ten_minutes_are_told_all_three_floors() -> None:
    told = floors_in_words(1 / 6)
    assert told == "too little for training from scratch (50 h) and fine-tuning (1 h) and adapters (30 min)"
    assert floors_in_words(2.0).startswith(
        "enough for fine-tuning (1 h) and adapters (30 min), too little for"
    )
    assert "too little" not in floors_in_words(50.0)
    assert [amount(hours) for hours in (12.5, 50.0, 0.5, 0.01, 0.001)] == [
        "12.5 h",
        "50 h",
        "30 min",
        "36 s",
        "4 s",
    ]


def test_what_the_stages_measure_is_what_is_spread() -> None:
    """Names of features are shared with the stages by spelling alone."""
    told = {"loudness_lufs": -20.0, "true_peak_dbtp": -1.0, "dynamic_range": 9.0,
            "spectral_centroid_mean": 2e3, "bandwidth_share": 0.73, "noise_floor_db": -70.0}  # fmt: skip
    records = [
        piece(n, gain_db=1.0 + n, tempo=100.0, features={name: told[name] + n for name in told})
        for n in range(2)
    ]
    found = {one.name: one.middle for one in spreads(records)}
    assert set(found) == set(MEASURED)
    assert found["bandwidth"] == pytest.approx(123.0)
    wave = played(tunes(1)[0].id, seconds=6.0)
    notes = noted(wave, RATE, [stage("quality"), stage("loudness"), stage("features")])
    assert set(told) <= set(notes.features)
