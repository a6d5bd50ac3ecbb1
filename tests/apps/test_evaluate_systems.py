"""Several folders in one evaluation: their names, their order on the page, and what is heard how often."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from disco.apps import evaluate, judging, listeners
from disco.apps.evaluate_page import written
from disco.apps.order import order_of
from disco.apps.scores import Cell, Found
from disco.apps.systems import given_systems
from disco.apps.takes import Piece, list_pieces
from disco.audio.clip import Clip
from disco.audio.io import write_clip
from disco.errors import DiscoError


def folder_of(path: Path, *levels: float) -> Path:
    """A folder of tones, each at its level."""
    for index, level in enumerate(levels):
        wave = level * torch.sin(torch.arange(32000) * 2 * torch.pi * (300.0 + 100 * index) / 16000)
        write_clip(path / f"song{index}.wav", Clip(wave[None], 16000))
    return path


def found_in(composed, folder: Path, *words: str) -> Found:
    cfg = composed("evaluate", "metric=[signal]", "cache=null", *words)
    cfg.run_dir = str(folder)
    return evaluate.main(cfg)


@pytest.fixture
def three(tmp_path: Path) -> dict[str, Path]:
    levels = {"loud": (0.5, 0.4, 0.5), "soft": (0.1, 0.1, 0.2), "real": (0.5, 0.5, 0.4)}
    return {name: folder_of(tmp_path / name, *some) for name, some in levels.items()}


def test_several_folders_stand_under_their_names_and_the_first_is_what_the_page_is_about(
    composed, three: dict[str, Path], tmp_path: Path
) -> None:
    named = f"audio={{loud:{three['loud']},soft:{three['soft']}}}"
    found = found_in(composed, tmp_path / "out", named, f"reference={three['real']}")
    assert list(found.systems) == ["loud", "real", "soft"]
    assert found.subject == "loud"
    assert found.systems["soft"]["signal/peak"].value < found.systems["loud"]["signal/peak"].value
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Beside them: soft." in page
    order = page[page.index("In order") : page.index("Scores")]
    assert "loud" in order[order.index("signal/rms_db") :].partition("soft")[0]


def test_a_list_of_folders_is_named_after_them(composed, three: dict[str, Path], tmp_path: Path) -> None:
    found = found_in(composed, tmp_path / "out", f"audio=[{three['loud']},{three['soft']}]")
    assert list(found.systems) == ["loud", "soft"]


@pytest.mark.parametrize("name", ["real", "a/b", "..", "-"])
def test_what_cannot_name_a_system_is_refused(three: dict[str, Path], tmp_path: Path, name: str) -> None:
    cfg = OmegaConf.create({"audio": {name: str(three["loud"])}, "reference": None})
    with pytest.raises(DiscoError, match="cannot name a system"):
        given_systems(cfg, tmp_path)


@pytest.mark.parametrize("nothing", [[], {}])
def test_no_folder_at_all_is_refused(tmp_path: Path, nothing: object) -> None:
    with pytest.raises(DiscoError, match="names no folder"):
        given_systems(OmegaConf.create({"audio": nothing, "reference": None}), tmp_path)


def cell(value: float, half: float | None, way: bool | None = False) -> Cell:
    low, high = (None, None) if half is None else (value - half, value + half)
    return Cell(value=value, low=low, high=high, higher_is_better=way)


def test_the_order_says_where_it_may_be_chance() -> None:
    cells = {"far": cell(9.0, 1.0), "near": cell(1.0, 0.5), "close": cell(1.4, 0.5), "odd": cell(20.0, None)}
    assert order_of(cells, None) == ("near ≈ close → far · odd", "best")
    better = {"low": cell(0.2, 0.1, way=True), "high": cell(0.8, 0.1, way=True)}
    assert order_of(better, None) == ("high → low", "best")


def test_what_rounding_left_of_a_distance_is_written_as_nothing() -> None:
    assert written(Cell(value=-1.1e-13, low=-1.9e-13, high=2e-14)) == "0 [0, 0]"
    assert written(Cell(value=2e-6)) == "2.0e-06"


def test_where_no_side_is_better_the_real_music_is_the_mark() -> None:
    cells = {"under": cell(0.1, 0.01, way=None), "over": cell(0.6, 0.01, way=None)}
    assert order_of(cells, cell(0.5, 0.01, way=None)) == ("over → under", "nearest")
    assert order_of(cells, cell(0.5, None, way=None)) is None, "a count, or an extreme"
    assert order_of(cells, None) is None
    assert order_of({"only": cell(1.0, 0.1)}, None) is None
    assert order_of({"a": cell(1.0, 0.1), "b": cell(1.0, 0.1)}, None) is None


def test_every_piece_is_read_once_to_know_it_and_once_to_hear_it(
    composed, three: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Counter[str] = Counter()
    load = Piece.load

    def counted(piece: Piece):
        read[f"{piece.folder.name}/{piece.name}"] += 1
        return load(piece)

    monkeypatch.setattr(Piece, "load", counted)
    named = f"audio={{loud:{three['loud']},soft:{three['soft']}}}"
    asked = "metric=[signal,silence,distortion,fd_logmel]"
    found_in(composed, tmp_path / "out", named, f"reference={three['real']}", asked, "shown=0", "workers=0")
    assert len(read) == 9
    assert max(read.values()) == 2
    assert all(read[f"{name}/song{index}"] == 2 for name in three for index in (1, 2)), "song1"


def test_a_second_evaluation_hears_nothing(
    composed, three: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"audio={three['loud']}", f"reference={three['real']}", f"cache={tmp_path / 'cache'}"]
    words.append("metric=[signal,distortion,fd_logmel]")
    first = found_in(composed, tmp_path / "a", *words)

    def deaf(*_args: object) -> None:
        raise AssertionError("it listens again")

    monkeypatch.setattr(listeners, "rows_of", deaf)
    assert found_in(composed, tmp_path / "b", *words).table() == first.table()
    for file in ("scores.json", "samples.jsonl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_takes_that_belong_together_are_one_task(three: dict[str, Path]) -> None:
    (piece, *_) = list_pieces(three["loud"])
    known = {key: judging.Known(piece=piece, key=key, sound=key) for key in "abr"}

    def ask(metric: str, *keys: str) -> judging.Ask:
        role = "pair" if len(keys) > 1 else "made"
        return judging.Ask(listeners.Job(metric, role, "".join(keys), *keys), tuple(known[k] for k in keys))

    tasks = judging.tasks_of(
        [ask("key", "a", "r"), ask("signal", "a"), ask("signal", "b"), ask("key", "r", "r")]
    )
    assert [set(task.pieces) for task in tasks] == [{"a", "r"}, {"b"}]
    assert [len(task.jobs) for task in tasks] == [3, 1]
