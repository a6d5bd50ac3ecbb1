"""Curves as inline SVG: sharp at any size, coloured by the page, readable by a screen reader."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 420, 230  # units of the drawing
LEFT, RIGHT, TOP, BOTTOM = 42, 20, 10, 34  # margins
MOST_POINTS = 300  # a longer line is drawn as the means of equal runs

_DRAWING = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<svg class="chart" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ label }}">
{% for x, text in x_ticks %}
<text x="{{ x }}" y="{{ bottom + 14 }}" text-anchor="middle">{{ text }}</text>
{% endfor %}
{% for y, text in y_ticks %}
<path class="rule" d="M{{ left }} {{ y }}H{{ right }}"/>
<text x="{{ left - 5 }}" y="{{ y + 3.5 }}" text-anchor="end">{{ text }}</text>
{% endfor %}
<text x="{{ (left + right) / 2 }}" y="{{ height - 4 }}" text-anchor="middle">{{ x_label }}</text>
{% for index, y in levels %}
<path class="level s{{ index }}" d="M{{ left }} {{ y }}H{{ right }}"/>
{% endfor %}
{% for index, points in lines %}
<polyline class="line s{{ index }}" points="{{ points }}"/>
{% endfor %}
</svg>""")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart; points that are not finite are left out."""

    name: str
    steps: Sequence[float | int]
    values: Sequence[float | int]


@dataclass(frozen=True, kw_only=True)
class Level:
    """A dashed horizontal: a baseline to beat."""

    name: str
    value: float | int


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A chart of lines over steps, with the levels that they are to be judged by."""

    title: str
    lines: Sequence[Line]
    levels: Sequence[Level] = ()
    x_label: str = "step"
    y_label: str = "loss"
    text: str = ""


def draw(curve: Curve) -> Markup:
    """Draw a curve; a curve without a finite point becomes a sentence."""
    lines = [_thinned(line) for line in curve.lines]
    xs = [x for points in lines for x, _ in points]
    ys = [y for points in lines for _, y in points] + [level.value for level in curve.levels]
    if not xs:
        return Markup("<p>There are no points yet.</p>")
    x_ticks = ticks(0.0, max(xs) or 1.0)
    y_ticks = ticks(min(ys), max(ys))
    x_span, y_span = (0.0, max(xs) or 1.0), (min(y_ticks[0], min(ys)), max(y_ticks[-1], max(ys)))

    def x_of(x: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * x / x_span[1], 1)

    def y_of(y: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (y_span[1] - y) / (y_span[1] - y_span[0]), 1)

    ends = [
        f"{line.name} ends at {points[-1][1]:.3g}"
        for line, points in zip(curve.lines, lines, strict=True)
        if points
    ]
    ends += [f"{level.name} is {level.value:.3g}" for level in curve.levels]
    return Markup(
        _DRAWING.render(
            width=WIDTH,
            height=HEIGHT,
            left=LEFT,
            right=WIDTH - RIGHT,
            bottom=HEIGHT - BOTTOM,
            label=f"{curve.title}: {curve.y_label} over {curve.x_label}; {'; '.join(ends)}",
            x_label=curve.x_label,
            x_ticks=[(x_of(x), f"{x:,g}") for x in x_ticks if x <= x_span[1]],
            y_ticks=[(y_of(y), f"{y:g}") for y in y_ticks],
            levels=[(len(lines) + k, y_of(level.value)) for k, level in enumerate(curve.levels)],
            lines=[
                (k, " ".join(f"{x_of(x)},{y_of(y)}" for x, y in points)) for k, points in enumerate(lines)
            ],
        )
    )


def _thinned(line: Line) -> list[tuple[float, float]]:
    points = [
        (float(x), float(y))
        for x, y in zip(line.steps, line.values, strict=True)
        if math.isfinite(x) and math.isfinite(y)
    ]
    run = -(-len(points) // MOST_POINTS)
    groups = [points[first : first + run] for first in range(0, len(points), run)] if run > 1 else []
    means = [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups
    ]
    return means or points


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers that span an axis."""
    if low == high:
        low, high = low - 0.5, high + 0.5
    return [
        float(f"{tick:.12g}")
        for tick in MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    ]
