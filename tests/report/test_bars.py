"""Bars are as long as their amounts, histograms count everything, and both have words."""

from __future__ import annotations

import re

import pytest

from disco.report.bars import Bar, Bars, Histogram, draw_amounts


def numbers(drawing: str, name: str) -> list[float]:
    return [float(found) for found in re.findall(rf'<rect class="bar"[^>]* {name}="([\d.]+)"', drawing)]


def test_bars_are_in_proportion_and_say_their_amount() -> None:
    bars = [Bar(name=name, value=value, text=f"{value} h") for name, value in (("reel", 4.0), ("<jig>", 1.0))]
    drawing = str(draw_amounts(Bars(title="Hours", bars=bars)))
    long, short = numbers(drawing, "width")
    assert long == pytest.approx(4 * short, rel=0.01)
    assert 'aria-label="Hours: reel 4.0 h; &lt;jig&gt; 1.0 h"' in drawing
    assert "<jig>" not in drawing


def test_a_long_name_is_cut_and_whole_where_one_points_at_it() -> None:
    name = "a name that goes on and on and on"
    drawing = str(draw_amounts(Bars(title="x", bars=[Bar(name=name, value=0.0, text="0 s")])))
    assert f"<title>{name}: 0 s</title>" in drawing
    assert ">a name that goes on…</text>" in drawing
    assert "Nothing is known" in str(draw_amounts(Bars(title="x", bars=[])))


def test_columns_are_as_high_as_their_counts_and_lie_side_by_side() -> None:
    drawing = str(draw_amounts(Histogram(title="x", edges=[0, 1, 2, 3], counts=[1, 0, 5], x_label="s")))
    one, none, five = numbers(drawing, "height")
    assert (none, five) == (0.0, pytest.approx(5 * one, rel=0.02))
    starts, widths = numbers(drawing, "x"), numbers(drawing, "width")
    assert starts[0] + widths[0] <= starts[1]
    assert "6 between 0 and 3 s" in drawing


def test_one_value_alone_can_be_drawn_and_wrong_edges_cannot() -> None:
    assert numbers(
        str(draw_amounts(Histogram(title="x", edges=[2.0, 2.0], counts=[3], x_label="s"))), "height"
    )
    with pytest.raises(ValueError, match="one edge more"):
        Histogram(title="x", edges=[0, 1], counts=[1, 2], x_label="s")
