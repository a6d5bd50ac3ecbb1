"""Parallel coordinates show every finished point, and which was best."""

from __future__ import annotations

import pytest

from disco.report.parallel import Parallel, draw_parallel


def test_every_finite_point_is_a_line_and_the_best_is_told() -> None:
    points = [[1e-4, "lora", 3.0], [1e-2, "dora", 1.0], [1e-3, "lora", float("nan")]]
    drawing = draw_parallel(Parallel(title="Sweep", axes=["optim.lr", "adapter", "val/loss"], points=points))
    assert drawing.count("<polyline") == 2
    assert drawing.count('class="line s1"') == 1
    assert "2 points; the best: optim.lr 0.01, adapter dora, val/loss 1" in drawing
    best = drawing.split('class="line s1"')[1].split("points=")[1].split('"')[1]
    assert best.split()[-1].endswith(",230.0"), "low is at the bottom"


def test_nothing_to_draw_is_a_sentence() -> None:
    assert "Nothing" in draw_parallel(Parallel(title="Sweep", axes=["a", "b"], points=[]))


def test_a_point_that_lacks_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match="2 values"):
        Parallel(title="Sweep", axes=["a", "b"], points=[[1.0]])
