"""Parallel coordinates as inline SVG: each point a line over its settings to what came out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup

WIDTH, HEIGHT = 420, 260  # units of the drawing
LEFT, RIGHT, TOP, BOTTOM = 46, 46, 18, 30  # margins
LOG_SPAN = 30.0  # an axis whose ends lie further apart than this factor is logarithmic
APART = 12.0  # between two marks of an axis; the ends are always marked

_DRAWING = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<svg class="chart" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ label }}">
{% for strength, best, points, text in lines %}
<polyline class="line s{{ 1 if best else 0 }}" style="opacity:{{ strength }}" points="{{ points }}">
<title>{{ text }}</title></polyline>
{% endfor %}
{% for x, name, whole, marks in axes %}
<path class="rule" style="stroke-width:2" d="M{{ x }} {{ top }}V{{ bottom }}"/>
<text x="{{ x }}" y="{{ bottom + 22 }}" text-anchor="middle">{{ name }}<title>{{ whole }}</title></text>
{% for y, mark in marks %}
<text x="{{ x + 4 }}" y="{{ y + 3.5 }}">{{ mark }}</text>
{% endfor %}
{% endfor %}
</svg>""")


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """Points over axes; the last axis is what is to be low, and the best line stands out.

    Attributes:
        axes: names; the last is of the outcome.
        points: a value for each axis: numbers, or words.

    Raises:
        ValueError: a point has not one value for each axis.
    """

    title: str
    axes: Sequence[str]
    points: Sequence[Sequence[str | float]]
    text: str = ""

    def __post_init__(self) -> None:
        if any(len(point) != len(self.axes) for point in self.points):
            raise ValueError(f"each point needs {len(self.axes)} values")


def draw_parallel(parallel: Parallel) -> Markup:
    """Draw the points; nothing to draw becomes a sentence."""
    finite = [point for point in parallel.points if math.isfinite(float(point[-1]))]
    if not finite or len(parallel.axes) < 2:
        return Markup("<p>Nothing is known.</p>")
    columns = list(zip(*finite, strict=True))
    scaled = [_scaled(column) for column in columns]
    step = (WIDTH - LEFT - RIGHT) / (len(columns) - 1)
    order = sorted(range(len(finite)), key=lambda k: -float(finite[k][-1]))  # the best is drawn last
    lines = []
    for rank, k in enumerate(order):
        path = " ".join(
            f"{LEFT + axis * step:.1f},{_height(places[k]):.1f}" for axis, places in enumerate(scaled)
        )
        told = ", ".join(f"{name} {_mark(v)}" for name, v in zip(parallel.axes, finite[k], strict=True))
        lines.append((f"{0.25 + 0.75 * (rank + 1) / len(order):.2f}", rank == len(order) - 1, path, told))
    axes = [
        (round(LEFT + k * step, 1), name.rpartition(".")[2][:14], name, _marks(column, places))
        for k, (name, column, places) in enumerate(zip(parallel.axes, columns, scaled, strict=True))
    ]
    return Markup(
        _DRAWING.render(
            width=WIDTH,
            height=HEIGHT,
            top=TOP,
            bottom=HEIGHT - BOTTOM,
            lines=lines,
            axes=axes,
            label=f"{parallel.title}: {len(finite)} points; the best: {lines[-1][-1]}",
        )
    )


def _scaled(column: Sequence[str | float]) -> list[float]:
    """Return where the values lie on their axis, 0 to 1."""
    if not all(isinstance(value, int | float) for value in column):
        words = sorted({str(value) for value in column})
        return [words.index(str(value)) / max(1, len(words) - 1) for value in column]
    values = [float(value) for value in column]
    if min(values) > 0 and max(values) / min(values) >= LOG_SPAN:
        values = [math.log(value) for value in values]
    low, span = min(values), (max(values) - min(values)) or 1.0
    return [(value - low) / span for value in values]


def _marks(column: Sequence[str | float], places: Sequence[float]) -> list[tuple[float, str]]:
    marks = {round(_height(place), 1): _mark(value) for value, place in zip(column, places, strict=True)}
    high, low = min(marks), max(marks)
    kept = [high]
    for y in sorted(marks):
        if y == low or (y - kept[-1] >= APART and low - y >= APART):
            kept.append(y)
    return [(y, marks[y]) for y in dict.fromkeys(kept)]


def _mark(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _height(place: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - place)
