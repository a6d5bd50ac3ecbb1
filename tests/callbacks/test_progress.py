"""What the terminal and a log get to see."""

import io
import re
import sys

import pytest
import torch

from disco.callbacks import progress
from disco.callbacks.progress import Progress, amount_of, duration
from disco.core.batch import CodeBatch, Conditions, ScoreBatch
from tests.callbacks.toy_models import ToyAudio, batches, fit


class Screen(io.StringIO):
    def isatty(self):
        return True


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


@pytest.mark.usefixtures("clock")
def test_a_line_holds_step_losses_speed_and_time_left(monkeypatch, tmp_path):
    text = shown(monkeypatch, Screen(), tmp_path)
    fifth = next(part for part in text.split("\r\x1b[2K") if part.startswith("tones · step 5/12"))
    number = r"[\d.e+-]+"
    assert re.match(
        rf"tones · step 5/12 · loss {number} · val {number}"
        rf" · {number} steps/s · {number} audio-s/s · \d+ s left",
        fifth,
    )
    steps, amount = (float(fifth.split(" · ")[k].split()[0]) for k in (4, 5))
    assert amount == pytest.approx(0.75 * steps, rel=0.02)  # two items of 8,000 and 4,000 samples at 16 kHz


@pytest.mark.usefixtures("clock")
def test_a_terminal_gets_one_line_renewed(monkeypatch, tmp_path):
    text = shown(monkeypatch, Screen(), tmp_path)
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert text.count("\r\x1b[2K") >= 12


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
