"""`scripts/tune.py` goes from a finder to a grid and leaves an experiment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from disco.apps.sweep.points import read_rows
from tests.tiny_runs import TINY_SYMBOLIC

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
def test_rate_and_rank_are_found_and_a_second_call_trains_nothing(
    symbolic_run: Path, corner: list[str], tmp_path: Path
) -> None:
    base = ["adapter=lora", "weights=run", f"weights.run={symbolic_run}"]
    words = [
        "scripts/tune.py",
        f"words='{' '.join([*TINY_SYMBOLIC, *base, *corner])}'",
        "fraction=0.5",
        "finder_steps=20",
        "pilot.steps=2",
        "pilot.factors=[0.3,1]",
        "grid.steps=2",
        "grid.factors=[1]",
        "grid.ranks=[2,4]",
        f"hydra.run.dir={tmp_path}",
    ]
    first, second = (
        subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        for _ in range(2)
    )
    assert first.returncode == 0, first.stdout + first.stderr
    assert second.stdout.count("finished before") == 4
    facts = json.loads((tmp_path / "tune.json").read_text())
    assert facts["grid"]["rank"] in ("2", "4")
    assert {row.given["data_fraction"] for row in read_rows(tmp_path / "pilot")} == {"0.5"}
    best = (tmp_path / "experiment" / "best.yaml").read_text()
    assert "rank:" in best
    assert "max_steps" not in best
    assert "data_fraction" not in best
