"""A log hears that a run is being set up, and by what it is held up; nobody else does."""

from __future__ import annotations

import io
import re
import sys
import threading
import time

import pytest

from disco.apps import train
from disco.apps.set_up import SettingUp, setting_up
from tests.tiny_runs import TINY_SYMBOLIC


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def beats(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, **changes) -> list[str]:
    monkeypatch.setattr(sys, "stderr", stream)
    with SettingUp(**{"label": "train, setting up", "every_seconds": 0.05, **changes}) as waiting:
        time.sleep(0.12)
        waiting.at("reading captions")
        time.sleep(0.12)
    told = stream.getvalue()
    time.sleep(0.12)
    assert stream.getvalue() == told, "it has ended"
    return told.splitlines()


def test_a_log_hears_every_so_often_what_is_being_done(monkeypatch) -> None:
    lines = beats(io.StringIO(), monkeypatch)
    assert 2 <= len(lines) <= 5
    assert lines[0] == "train, setting up: building the model · 0 s"
    assert lines[-1] == "train, setting up: reading captions · 0 s"


def test_a_terminal_hears_nothing_and_so_does_who_asks_for_nothing(monkeypatch) -> None:
    assert beats(Screen(), monkeypatch) == []
    assert beats(io.StringIO(), monkeypatch, every_seconds=None) == []


def test_only_the_first_process_speaks(monkeypatch) -> None:
    from lightning.pytorch.utilities import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert beats(io.StringIO(), monkeypatch) == []


def test_it_speaks_at_the_pace_of_the_progress_line(composed) -> None:
    words = [*TINY_SYMBOLIC, "callbacks=[progress]"]
    assert setting_up(composed("train", *words)).every_seconds == 30.0
    assert setting_up(composed("train", *words, "callbacks.progress.every_seconds=2")).every_seconds == 2
    assert setting_up(composed("train", *TINY_SYMBOLIC)).every_seconds is None


@pytest.mark.slow
def test_a_run_that_is_long_in_coming_tells_why_and_then_of_its_steps(
    composed, corner: list[str], monkeypatch, capsys
) -> None:
    from disco.data.demo import DemoData

    plain = DemoData.prepare_data

    def slow(data: DemoData) -> None:
        time.sleep(0.3)  # as if there were much to be rendered
        plain(data)

    monkeypatch.setattr(DemoData, "prepare_data", slow)
    words = [*TINY_SYMBOLIC, *corner, "callbacks=[progress,checkpoint]", "plan=off"]
    train.main(
        composed(
            "train", *words, "callbacks.progress.every_seconds=0.1", "trainer.max_steps=3", "model.length=32"
        )
    )
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train")]
    told = [line.startswith("train, setting up: ") for line in lines]
    stages = {re.split(": | · ", line)[1] for line, own in zip(lines, told, strict=True) if own}
    assert "preparing the data" in stages
    assert not any(told[told.index(False) :]), "steps are told of by progress alone"
    assert lines[-1].startswith("train done · step 3/3")
    assert not [thread for thread in threading.enumerate() if "_beat" in thread.name], "none is left"


def test_a_run_that_is_refused_leaves_no_voice_behind(composed) -> None:
    from disco.errors import DiscoError

    words = [*TINY_SYMBOLIC, "callbacks=[progress]", "callbacks.progress.every_seconds=0.01"]
    with pytest.raises(DiscoError, match="resume="):
        train.main(composed("train", *words, "resume=nowhere"))
    assert not [thread for thread in threading.enumerate() if "_beat" in thread.name]
