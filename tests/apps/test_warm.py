"""Programs that share their imports do what they do alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from disco.apps.runs import Run
from disco.apps.warm import WarmStart
from tests.tiny_runs import TINY_SYMBOLIC


@pytest.mark.slow
def test_scripts_run_in_processes_of_their_own_and_tell_how_they_ended(
    tmp_path: Path, corner: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    warm = WarmStart()
    words = [*TINY_SYMBOLIC, *corner, "trainer.max_steps=2", f"hydra.run.dir={tmp_path / 'run'}"]
    good, slip = warm.start(["train.py", *words]), warm.start(["train.py", "modle=symbolic"])
    good.join()
    slip.join()
    told = capfd.readouterr()
    assert (good.exitcode, slip.exitcode) == (0, 2), told.err
    assert "did you mean 'model'?" in told.err
    assert "plan: " in told.err
    assert Run(tmp_path / "run").config.trainer.max_steps == 2
