"""What the terminal and a log get to see."""

import io
import re
import sys

import pytest
import torch

from disco.callbacks import progress
from disco.callbacks.amounts import amount_of, duration
from disco.callbacks.progress import Progress
from disco.core.batch import CodeBatch, Conditions, ScoreBatch
from tests.callbacks.toy_models import ToyAudio, batches, fit

CONTROL = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def wide(monkeypatch):
    """A terminal with room for everything."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def clock(monkeypatch):
    """Let every look at the clock take 0.5 s."""
    now = [1000.0]

    class Clock:
        @staticmethod
        def monotonic():
            now[0] += 0.5
            return now[0]

    monkeypatch.setattr(progress, "time", Clock)


def shown(monkeypatch, stream, tmp_path):
    monkeypatch.setattr(sys, "stderr", stream)
    fit(ToyAudio(), tmp_path, [Progress(label="tones", every_seconds=3.0)], steps=12)
    return stream.getvalue()


@pytest.mark.usefixtures("clock")
def test_a_log_gets_a_plain_line_every_few_seconds_and_a_last_one(monkeypatch, tmp_path):
    lines = shown(monkeypatch, io.StringIO(), tmp_path).splitlines()
    lines = [line for line in lines if line.startswith("tones")]
    assert 3 <= len(lines) <= 8  # twenty looks of half a second, three seconds apart, and the last
    assert not any("\r" in line or "\x1b" in line for line in lines)
    assert re.match(r"tones done · step 12/12 · loss \S+ · val \S+ · took \d+ s$", lines[-1])


@pytest.mark.usefixtures("clock", "wide")
def test_a_bar_holds_step_losses_speed_and_time_left(monkeypatch, tmp_path):
    drawn = CONTROL.sub("", shown(monkeypatch, Screen(), tmp_path)).split("\r")
    fifth = next(line for line in drawn if "step 5/12" in line)
    number = r"[\d.e+-]+"
    found = re.search(
        rf"tones +[━╸╺ ]+ step 5/12 · loss {number} · val {number}"
        rf" · ({number}) steps/s · ({number}) audio-s/s · \d+ s left",
        fifth,
    )
    assert found, fifth
    steps, amount = map(float, found.groups())
    assert amount == pytest.approx(0.75 * steps, rel=0.02)  # two items of 8,000 and 4,000 samples at 16 kHz


@pytest.mark.usefixtures("clock", "wide")
def test_a_bar_stays_on_its_line_and_ends_full(monkeypatch, tmp_path):
    text = shown(monkeypatch, Screen(), tmp_path)
    assert text.count("\n") == 1
    assert text.count("\x1b[2K") >= 12
    last = CONTROL.sub("", text).split("\r")[-1]
    assert re.match(r"tones done ━{12} step 12/12 · loss \S+ · val \S+ · took \d+ s", last), last


@pytest.mark.usefixtures("clock")
def test_a_narrow_terminal_cuts_the_line_instead_of_breaking_it(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "50")
    text = shown(monkeypatch, Screen(), tmp_path)
    lines = CONTROL.sub("", text).strip("\n").split("\r")
    assert text.count("\n") == 1
    assert max(map(len, lines)) <= 50
    assert all(line.startswith("tone") for line in lines if line), [
        x for x in lines if not x.startswith("tone")
    ]
    assert any("step 5/12 · loss" in line for line in lines)


def test_amounts_leave_padding_out():
    said = Conditions(text=[None, None])
    (audio,) = batches(1)
    codes = CodeBatch(
        codes=torch.zeros(2, 4, 50, dtype=torch.long), valid=torch.tensor([50, 20]), conditions=said
    )
    tokens = ScoreBatch(
        tokens=torch.zeros(2, 9, dtype=torch.long), valid=torch.tensor([9, 3]), conditions=said
    )
    found = [(float(amount), unit) for amount, unit in map(amount_of, (audio, codes, tokens))]
    assert found == [(0.75, "audio-s"), (280.0, "tokens"), (12.0, "tokens")]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (185.0, "3:05"), (7800.0, "2:10:00")]
)
def test_durations_read_like_a_clock(seconds, text):
    assert duration(seconds) == text
