"""`scripts/study.py` trains adapters side by side and says what each learnt, forgot and cost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_runs import TINY_SYMBOLIC

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_adapters_stand_side_by_side_and_a_second_call_trains_nothing(
    symbolic_run: Path, corner: list[str], tmp_path: Path
) -> None:
    data = " ".join(corner)
    words = [
        "scripts/study.py",
        f"base={symbolic_run}",
        "family=symbolic",
        "adapters=[lora,ia3]",
        "steps=2",
        "split=val",
        f"new='{data}'",
        f"old='{data}'",
        f"more='{' '.join(TINY_SYMBOLIC)} callbacks=[checkpoint,history,throughput]'",
        f"hydra.run.dir={tmp_path}",
    ]
    first, second = (
        subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        for _ in range(2)
    )
    assert first.returncode == 0, first.stdout + first.stderr
    assert second.stdout.count("done before") == 2
    base, lora, ia3 = json.loads((tmp_path / "study.json").read_text())
    assert base["moving"] > lora["moving"] > ia3["moving"] > 0
    assert all(0 < row[style] < 10 for row in (base, lora, ia3) for style in ("new", "old"))
    assert lora["new"] != base["new"]
    assert min(row["peak_mb"] for row in (lora, ia3)) > 100
    page = (tmp_path / "report.html").read_text()
    assert "What they learnt, forgot and cost" in page
    assert "lora" in page
