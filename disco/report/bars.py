"""Amounts as inline SVG: bars beside their names, and histograms."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup

from disco.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, ticks

ROW = 22  # height of a bar with its space
NAMES = 132  # width of the names
AMOUNTS = 62  # width of what stands behind a bar
LONGEST_NAME = 20  # characters

_ENVIRONMENT = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
_BARS = _ENVIRONMENT.from_string("""\
<svg class="chart" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ label }}">
{% for name, whole, y, long, text in rows %}
<g><title>{{ whole }}: {{ text }}</title>
<text x="{{ names - 6 }}" y="{{ y + 14 }}" text-anchor="end">{{ name }}</text>
<rect class="bar" x="{{ names }}" y="{{ y + 4 }}" width="{{ long }}" height="13" rx="2"/>
<text x="{{ names + long + 5 }}" y="{{ y + 14 }}">{{ text }}</text></g>
{% endfor %}
</svg>""")
_HISTOGRAM = _ENVIRONMENT.from_string("""\
<svg class="chart" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ label }}">
{% for y, text in y_ticks %}
<path class="rule" d="M{{ left }} {{ y }}H{{ right }}"/>
<text x="{{ left - 5 }}" y="{{ y + 3.5 }}" text-anchor="end">{{ text }}</text>
{% endfor %}
{% for x, y, wide, high, text in columns %}
<rect class="bar" x="{{ x }}" y="{{ y }}" width="{{ wide }}" height="{{ high }}"><title>{{ text }}</title>
</rect>
{% endfor %}
{% for x, text in x_ticks %}
<text x="{{ x }}" y="{{ bottom + 14 }}" text-anchor="middle">{{ text }}</text>
{% endfor %}
<text x="{{ (left + right) / 2 }}" y="{{ height - 4 }}" text-anchor="middle">{{ x_label }}</text>
</svg>""")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """An amount, and how it is written."""

    name: str
    value: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Amounts below one another, in the order given."""

    title: str
    bars: Sequence[Bar]
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How many lie between each two edges.

    Raises:
        ValueError: there is not one edge more than counts.
    """

    title: str
    edges: Sequence[float]
    counts: Sequence[int]
    x_label: str
    text: str = ""

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.counts) + 1 or not self.counts:
            raise ValueError(f"{len(self.counts)} counts need one edge more, not {len(self.edges)}")


def draw_amounts(amounts: Bars | Histogram) -> Markup:
    """Draw bars or a histogram; nothing to draw becomes a sentence."""
    return _histogram(amounts) if isinstance(amounts, Histogram) else _bars(amounts)


def _bars(amounts: Bars) -> Markup:
    if not amounts.bars:
        return Markup("<p>Nothing is known.</p>")
    most = max(bar.value for bar in amounts.bars) or 1.0
    rows = [
        (
            bar.name if len(bar.name) <= LONGEST_NAME else f"{bar.name[: LONGEST_NAME - 1]}…",
            bar.name,
            row * ROW,
            round((WIDTH - NAMES - AMOUNTS) * bar.value / most, 1),
            bar.text,
        )
        for row, bar in enumerate(amounts.bars)
    ]
    told = "; ".join(f"{bar.name} {bar.text}" for bar in amounts.bars)
    return Markup(
        _BARS.render(
            width=WIDTH, height=ROW * len(rows), names=NAMES, rows=rows, label=f"{amounts.title}: {told}"
        )
    )


def _histogram(amounts: Histogram) -> Markup:
    low, high = amounts.edges[0], amounts.edges[-1]
    span, most = (high - low) or 1.0, max(amounts.counts) or 1
    y_ticks = [tick for tick in ticks(0.0, float(most)) if tick == int(tick)]
    top = max(float(most), y_ticks[-1])

    def x_of(x: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (x - low) / span, 1)

    def y_of(y: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (top - y) / top, 1)

    columns = [
        (
            x_of(start) + 0.5,
            y_of(count),
            max(1.0, round(x_of(end) - x_of(start) - 1.0, 1)),
            round(y_of(0) - y_of(count), 1),
            f"{start:.4g} to {end:.4g}: {count}",
        )
        for start, end, count in zip(amounts.edges[:-1], amounts.edges[1:], amounts.counts, strict=True)
    ]
    told = f"{sum(amounts.counts)} between {low:.4g} and {high:.4g} {amounts.x_label}. {amounts.text}"
    return Markup(
        _HISTOGRAM.render(
            width=WIDTH,
            height=HEIGHT,
            left=LEFT,
            right=WIDTH - RIGHT,
            bottom=HEIGHT - BOTTOM,
            label=f"{amounts.title}: {told}",
            x_label=amounts.x_label,
            columns=columns,
            x_ticks=[(x_of(x), f"{x:,g}") for x in ticks(low, high) if low <= x <= high],
            y_ticks=[(y_of(y), f"{y:g}") for y in y_ticks],
        )
    )
