"""`scripts/compare.py` claims what paired takes show, and no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from disco.apps import compare
from disco.apps.differences import Compared
from disco.apps.plain_words import with_list
from disco.apps.scores import Cell, Found, Sample, write_found
from disco.errors import DiscoError


def evaluated(folder: Path, good: np.ndarray, size: np.ndarray, **changes: str) -> Path:
    """An evaluation of takes that are so good and so large."""
    samples = [
        Sample(
            system="made",
            name=f"made-{k:03d}",
            pair=f"{k:03d}",
            file=f"made-{k:03d}.wav",
            caption=changes.get("caption", "a reel"),
            sound=f"{folder.name}{k}",
            reference=f"real{k}",
            values={"key/good": float(a), "key/size": float(b), "signal/top": float(a)},
        )
        for k, (a, b) in enumerate(zip(good, size, strict=True))
    ]
    cells = {
        "key/good": Cell(value=float(good.mean()), takes=len(good), higher_is_better=True),
        "key/size": Cell(value=float(size.mean()), takes=len(good)),
        "signal/top": Cell(value=float(good.max()), takes=len(good), higher_is_better=False),
    }
    settings = {"metrics": {"key": changes.get("key", "k"), "signal": "s"}, "reference": "r"}
    write_found(folder, Found(systems={"made": cells}, samples=samples, settings=settings))
    return folder


def compared(composed, tmp_path: Path, *folders: Path) -> Compared:
    cfg = composed("compare", f"folders=[{','.join(map(str, folders))}]")
    cfg.run_dir = str(tmp_path / "out")
    (result,) = compare.main(cfg)
    assert (tmp_path / "out" / "report.html").is_file()
    return result


def test_a_steady_difference_is_claimed_and_chance_is_not(composed, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    base, noise = rng.normal(size=20), rng.normal(size=20)
    a = evaluated(tmp_path / "a", base, noise)
    b = evaluated(tmp_path / "b", base + 0.3 + 0.1 * rng.normal(size=20), rng.permutation(noise))
    found = compared(composed, tmp_path, a, b)
    good, size, top = (found.differences[name] for name in ("key/good", "key/size", "signal/top"))
    assert good.claimed
    assert good.better is True
    assert good.low is not None
    assert good.high is not None
    assert 0.2 < good.low < good.value < good.high < 0.4, "pairing takes the spread of the takes away"
    assert not size.claimed
    assert top.p_value is None, "a largest value has no paired takes"
    assert any(line.startswith("b is better than a by key/good") for line in found.sentences)
    assert any("key/size nothing can be claimed" in line for line in found.sentences)


def test_few_takes_other_wishes_and_other_settings_claim_nothing(composed, tmp_path: Path) -> None:
    few, many = np.arange(4.0), np.arange(20.0)
    a, b = evaluated(tmp_path / "a", few, few), evaluated(tmp_path / "b", few + 9, few)
    found = compared(composed, tmp_path, a, b)
    assert not any(one.claimed for one in found.differences.values())
    assert any("4 paired takes cannot show" in line for line in found.sentences)
    c, d = evaluated(tmp_path / "c", many, many), evaluated(tmp_path / "d", many + 9, many, caption="a jig")
    found = compared(composed, tmp_path, c, d)
    assert not any(one.claimed for one in found.differences.values())
    assert any("asked for the same" in line for line in found.sentences)
    e = evaluated(tmp_path / "e", many + 9, many, key="other settings")
    found = compared(composed, tmp_path, c, e)
    assert set(found.differences) == {"signal/top"}
    assert any("key/good and key/size cannot be compared" in line for line in found.sentences)


def test_values_of_sets_of_unequal_size_are_told_apart(composed, tmp_path: Path) -> None:
    many = np.arange(20.0)
    a, b = evaluated(tmp_path / "a", many, many), evaluated(tmp_path / "b", many[:12], many[:12])
    assert not any("Make as many" in line for line in compared(composed, tmp_path, a, copy_of(a)).sentences)
    found = compared(composed, tmp_path, a, b)
    assert any(line.startswith("signal/top are over 20 and 12 takes") for line in found.sentences)


def copy_of(folder: Path) -> Path:
    """The same evaluation elsewhere."""
    return Path(shutil.copytree(folder, folder.with_name("copy")))


def test_what_is_no_evaluation_is_refused(composed, tmp_path: Path) -> None:
    a = evaluated(tmp_path / "a", np.arange(4.0), np.arange(4.0))
    with pytest.raises(DiscoError, match="no finished evaluation"):
        compared(composed, tmp_path, a, tmp_path / "nothing")
    with pytest.raises(DiscoError, match="given 1"):
        compared(composed, tmp_path, a)
    with pytest.raises(DiscoError, match="compared with itself"):
        compared(composed, tmp_path, a, a)
    (a / "scores.json").write_text("{")
    with pytest.raises(DiscoError, match="damaged"):
        compared(composed, tmp_path, a, evaluated(tmp_path / "b", np.arange(4.0), np.arange(4.0)))


def test_folders_need_no_key_on_the_command_line() -> None:
    assert with_list(["x/a", "x/b", "level=0.01"], key="folders") == ["folders=['x/a','x/b']", "level=0.01"]
    assert with_list(["--help"], key="folders") == ["--help"]
