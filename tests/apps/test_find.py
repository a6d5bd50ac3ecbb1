"""`scripts/find.py` suggests, draws and leaves nothing else behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from disco.apps import find
from disco.errors import DiscoError
from tests.tiny_runs import TINY_SYMBOLIC


@pytest.mark.slow
def test_a_rate_and_a_size_are_found_and_only_they_are_left(
    composed, corner: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    cfg = composed("find", *TINY_SYMBOLIC, *corner, "lr.steps=24", "batch.most=8")
    found = find.main(cfg)
    assert sorted(p.name for p in Path(cfg.run_dir).iterdir()) == ["found.json", "lr.png"]
    assert not list(scratch.iterdir())
    assert json.loads((Path(cfg.run_dir) / "found.json").read_text()) == found
    assert (Path(cfg.run_dir) / "lr.png").read_bytes().startswith(b"\x89PNG")
    assert 1e-6 < found["optim.lr"] < 0.1
    assert found["data.batch_size"] in (1, 2, 4, 8)
    assert (
        f"data.batch_size={found['data.batch_size']} optim.lr={found['optim.lr']:g}"
        in capsys.readouterr().out
    )
    assert found["losses"][-1] != found["losses"][0]


@pytest.mark.slow
def test_a_size_that_memory_cannot_hold_is_not_tried(
    composed, corner: list[str], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    words = [*TINY_SYMBOLIC, *corner, "what=[batch]", "batch.most=8"]
    most = find.main(composed("find", *words))
    monkeypatch.setattr(find, "free_memory", lambda cfg: most["peak_bytes"] / 2)
    less = find.main(composed("find", *words, "effective_batch=6"))
    assert less["data.batch_size"] < most["data.batch_size"]
    assert less["data.batch_size"] in (1, 2, 3), "of which whole batches make six"
    assert f"data.batch_size={less['data.batch_size']} effective_batch=6\n" in capsys.readouterr().out
    assert less["peak_bytes"] < most["peak_bytes"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("what=[speed]", "there is nothing to find"), ("lr.lowest=0", "lr.lowest=0: it must be above 0")],
)
def test_what_cannot_be_found_is_refused(wrong: str, says: str, composed) -> None:
    with pytest.raises(DiscoError, match=says):
        find.main(composed("find", *TINY_SYMBOLIC, wrong))
