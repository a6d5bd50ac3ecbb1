"""Lines of a chart from a run's history.jsonl."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from disco.errors import DiscoError
from disco.report.chart import Line


def read_lines(path: Path, names: Sequence[str]) -> list[Line]:
    """Read the named values over steps; the later line of a step counts, gaps are NaN.

    Args:
        path: a `history.jsonl`.
        names: values as they were logged ("train/loss", "val/loss"); those never logged are left out.

    Raises:
        DiscoError: there is no such file, or a line of it is no JSON (but for a last one cut short).
    """
    if not path.is_file():
        raise DiscoError(f"there is no history at {path}", do="train with callbacks=[history]")
    points: dict[str, dict[int, float]] = {name: {} for name in names}
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break  # the run was killed while it wrote
            raise DiscoError(f"{path}, line {number} is no JSON", do="remove the line") from error
        for name in points.keys() & row.keys():
            points[name][row["step"]] = math.nan if row[name] is None else float(row[name])
    return [
        Line(name=name, steps=sorted(found), values=[found[step] for step in sorted(found)])
        for name, found in points.items()
        if found
    ]
