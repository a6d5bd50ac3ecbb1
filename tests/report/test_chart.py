"""Curves become polylines whose points are the values."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from disco.report.chart import MOST_POINTS, Curve, Level, Line, draw


def drawn(*lines, levels=()):
    return ET.fromstring(str(draw(Curve(title="Loss <a&b>", lines=lines, levels=levels))))


def points(svg):
    return [
        [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
        for line in svg.iter("polyline")
    ]


def test_points_fall_where_the_axis_says():
    svg = drawn(Line(name="train", steps=[0, 50, 100], values=[4.0, 2.0, 1.0]))
    (line,) = points(svg)
    ticks = {text.text: (float(text.get("x")), float(text.get("y"))) for text in svg.iter("text")}
    assert line[0][0] == ticks["0"][0]
    assert line[2][0] == ticks["100"][0]
    assert line[0][1] == pytest.approx(ticks["4"][1] - 3.5)
    assert line[2][1] == pytest.approx(ticks["1"][1] - 3.5)


def test_a_level_lies_level_with_its_value():
    svg = drawn(Line(name="val", steps=[1, 2], values=[3.0, 2.0]), levels=[Level(name="bigram", value=2.0)])
    (line,) = points(svg)
    (level,) = (path for path in svg.iter("path") if "level" in path.get("class"))
    assert float(re.match(r"M\S+ (\S+)H", level.get("d")).group(1)) == line[1][1]


def test_long_lines_are_thinned_to_means():
    values = [float(k % 2) for k in range(10_000)]
    (line,) = points(drawn(Line(name="noisy", steps=list(range(10_000)), values=values)))
    assert len(line) <= MOST_POINTS
    heights = {y for _, y in line[:-1]}
    assert len(heights) == 1  # every run holds as many zeros as ones


def test_gaps_are_left_out_and_an_empty_curve_says_so():
    (line,) = points(drawn(Line(name="gap", steps=[1, 2, 3], values=[1.0, math.nan, 2.0])))
    assert len(line) == 2
    assert "no points" in draw(Curve(title="none", lines=[Line(name="x", steps=[1], values=[math.inf])]))


def test_a_flat_line_can_be_drawn_and_the_label_tells_its_end():
    svg = drawn(Line(name="flat", steps=[1, 2], values=[2.0, 2.0]))
    assert "flat ends at 2" in svg.get("aria-label")
    assert svg.get("aria-label").startswith("Loss <a&b>")
