"""The page of a comparison: what can be claimed first, then every number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from disco.apps.differences import Compared, Difference
from disco.apps.evaluate_page import written
from disco.apps.scores import Found
from disco.report.page import Command, Grid, Page, write_page


def write_page_of(
    path: Path, found: Mapping[str, Found], results: Sequence[Compared], *, system: str, command: str
) -> None:
    """Write the page of evaluations that were compared with the first of them."""
    names = list(found)
    measures = dict.fromkeys(key for one in found.values() for key in one.systems[system])
    values = Grid(
        title=f"Scores of '{system}'",
        columns=["measure", *names],
        rows=[
            [name, *(written(one.systems[system].get(name)) for one in found.values())] for name in measures
        ],
        text="Each value with its own interval (95 %).",
    )
    page = Page(
        title=" beside ".join(names),
        lead="The same measures of the same wishes. A difference counts where it is more than chance would "
        "bring, over all measures together.",
        findings=[_claims(one) for one in results],
        grids=[*(_differences(one) for one in results), values, *_missing(found)],
        commands=[Command(text="This comparison", command=command)],
        footer="Paired differences: bootstrap intervals (95 %), sign-flip tests, Holm's adjustment.",
    )
    write_page(path, page)


def _claims(one: Compared) -> Grid:
    first, second = one.names
    return Grid(
        title=f"{second} against {first}",
        columns=["what can and cannot be claimed"],
        rows=[[sentence] for sentence in one.sentences] or [["The two share no measure."]],
    )


def _differences(one: Compared) -> Grid:
    first, second = one.names
    return Grid(
        title=f"{second} − {first}",
        columns=["measure", "difference", "interval", "pairs", "p, adjusted", "claim"],
        rows=[[name, *_cells(difference, one.names)] for name, difference in one.differences.items()],
    )


def _cells(one: Difference, names: tuple[str, str]) -> list[str]:
    known = one.low is not None and one.high is not None
    if not one.claimed:
        claim = "none"
    elif one.better is None:
        claim = "they differ"
    else:
        claim = f"{names[1] if one.better else names[0]} is better"
    return [
        f"{one.value:+.3g}",
        f"{one.low:+.3g} to {one.high:+.3g}" if known else "–",
        str(one.pairs) if one.pairs else "–",
        "–" if one.p_value is None else f"{one.p_value:.3f}",
        claim,
    ]


def _missing(found: Mapping[str, Found]) -> list[Grid]:
    rows = [
        [name, measure, f"{system}: {reason}"]
        for name, one in found.items()
        for system, reasons in one.not_computed.items()
        for measure, reason in reasons.items()
    ]
    return [Grid(title="Not computed", columns=["evaluation", "measure", "why"], rows=rows)] if rows else []
