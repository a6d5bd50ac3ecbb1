"""Fréchet audio distance on takes whose points are known: what it says, what it refuses, what it keeps."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from disco.audio.clip import Clip
from disco.core.metric import Take
from disco.errors import DiscoError
from disco.metrics.fad import Fad
from tests.metrics.clouds import RATE, Direct, take, takes

WIDTH = 8


def fad(**settings) -> Fad:
    usual = {"min_windows": 20, "groups": 10, "confidence": 0.95, "statistics": None, "keep": None}
    return Fad(embedder=Direct(width=WIDTH), **(usual | settings))


def measured(made, reference, **settings) -> dict[str, float]:
    metric = fad(**settings)
    metric.update(made, reference)
    return metric.compute()


@pytest.fixture
def real() -> list[Take]:
    return takes(np.random.default_rng(0), 40, windows=6, width=WIDTH)


def test_every_number_is_called_after_its_embedder(real) -> None:
    found = measured(real, real)
    assert all(name.split("/")[0] == "direct" for name in found)
    assert found.keys() == fad().higher_is_better.keys()


def test_a_set_lies_at_zero_from_itself_in_any_order(real) -> None:
    found = measured(real[::-1], real)
    assert found["direct"] == pytest.approx(0.0, abs=1e-9)
    assert found["direct/infinity"] == pytest.approx(0.0, abs=1e-6)
    assert found["direct/outliers"] <= 0.1


def test_the_two_sides_may_be_exchanged(real) -> None:
    other = takes(np.random.default_rng(1), 30, windows=6, width=WIDTH, shift=0.5)
    here, there = measured(real, other), measured(other, real)
    assert here["direct"] == pytest.approx(there["direct"], rel=1e-9)
    assert here["direct/infinity"] == pytest.approx(there["direct/infinity"], rel=1e-6)


def test_the_farther_the_higher(real) -> None:
    far = [
        measured(takes(np.random.default_rng(2), 40, windows=6, width=WIDTH, shift=shift), real)[
            "direct/infinity"
        ]
        for shift in (0.0, 0.3, 0.6, 1.2)
    ]
    assert far == sorted(far)
    assert abs(far[0]) < 0.5 < far[-1]


def test_a_smaller_set_scores_higher_but_is_extrapolated_to_the_same() -> None:
    bare, beyond = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        real = takes(rng, 60, windows=6, width=WIDTH)
        made = takes(rng, 60, windows=6, width=WIDTH, shift=0.4)
        few, many = measured(made[:15], real), measured(made, real)
        bare.append(few["direct"] - many["direct"])
        beyond.append(few["direct/infinity"] - many["direct/infinity"])
    assert np.mean(bare) > 0.2
    assert abs(np.mean(beyond)) < np.mean(bare) / 2


def test_one_take_from_elsewhere_is_an_outlier(real) -> None:
    strange = take(np.full((6, WIDTH), 9.0) + np.random.default_rng(3).normal(size=(6, WIDTH)))
    made = takes(np.random.default_rng(4), 19, windows=6, width=WIDTH)
    metric = fad()
    metric.update([*made[:7], strange, *made[7:]], real)
    assert metric.compute()["direct/outliers"] == pytest.approx(1 / 20, abs=0.051)
    assert int(np.argmax(metric.per_take())) == 7


@pytest.mark.parametrize(
    ("made", "reference", "side"), [(0, 40, "made"), (1, 40, "made"), (40, 3, "reference")]
)
def test_too_few_windows_are_refused_and_never_a_number(real, made, reference, side) -> None:
    metric = fad()
    metric.update(real[:made], real[:reference])
    with pytest.raises(DiscoError, match=f"windows on the side of '{side}'"):
        metric.compute()


def test_a_take_that_is_not_finite_is_refused(real) -> None:
    broken = Clip(torch.full((1, 6 * WIDTH), math.nan), RATE)
    with pytest.raises(DiscoError, match="not finite"):
        fad().update([Take(clip=broken)], real)


def test_constant_points_differ_by_their_means_alone() -> None:
    here, there = ([take(np.full((6, WIDTH), value)) for _ in range(5)] for value in (1.0, 3.0))
    assert measured(here, there)["direct"] == pytest.approx(WIDTH * 4.0)


def test_fewer_windows_than_dimensions_are_exact() -> None:
    rng = np.random.default_rng(5)
    wide = Direct(width=100)
    here, there = (takes(rng, 5, windows=4, width=100, shift=shift) for shift in (0.0, 1.0))
    settings = {"min_windows": 4, "groups": 5, "confidence": 0.95, "statistics": None, "keep": None}
    metric, same = Fad(embedder=wide, **settings), Fad(embedder=wide, **settings)
    metric.update(here, there)
    same.update(here, here)
    assert 90 < metric.compute()["direct"] < 300
    assert same.compute()["direct"] == pytest.approx(0.0, abs=1e-6)


def test_a_statistics_file_stands_for_the_reference_and_says_what_it_is(real, tmp_path) -> None:
    made = takes(np.random.default_rng(6), 20, windows=6, width=WIDTH, shift=0.5)
    file = tmp_path / "real.safetensors"
    whole = measured(made, real, keep=str(file))
    alone = fad(statistics=str(file))
    assert alone.needs == {"made"}
    alone.update(made)
    found = alone.compute()
    for name in ("direct", "direct/outliers", "direct/windows"):
        assert found[name] == pytest.approx(whole[name], rel=1e-9)
    told = json.loads(file.with_suffix(".json").read_text())
    assert (told["embedder"], told["rate"], told["takes"], told["windows"]) == ("direct", RATE, 40, 240)


def test_statistics_of_the_same_takes_have_the_same_contents_in_any_order(real, tmp_path) -> None:
    told = []
    for name, reference in (("one", real), ("two", real[::-1]), ("less", real[1:])):
        measured(real, reference, keep=str(tmp_path / f"{name}.safetensors"))
        told.append(json.loads((tmp_path / f"{name}.json").read_text())["contents"])
    assert told[0] == told[1] != told[2]


def test_statistics_of_another_embedder_are_refused(real, tmp_path) -> None:
    file = tmp_path / "real.safetensors"
    measured(real, real, keep=str(file))
    with pytest.raises(DiscoError, match="was made with"):
        Fad(
            embedder=Direct(width=4),
            min_windows=20,
            groups=10,
            confidence=0.95,
            statistics=str(file),
            keep=None,
        )


@pytest.mark.parametrize("bad", [b"", b"not tensors", b"\xff" * 64])
def test_a_broken_statistics_file_is_named(real, tmp_path, bad) -> None:
    file = tmp_path / "broken.safetensors"
    file.write_bytes(bad)
    with pytest.raises(DiscoError, match=r"broken\.safetensors"):
        fad(statistics=str(file))


def test_the_length_that_was_asked_for_does_not_matter(real) -> None:
    told = [replace(one, seconds=3.0, tempo_bpm=90.0) for one in real]
    assert measured(told, real)["direct"] == pytest.approx(0.0, abs=1e-9)
