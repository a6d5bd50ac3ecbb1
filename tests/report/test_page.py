"""The page is one file that asks for nothing, says everything, and plays what it was given."""

import base64
import io
import math
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
import torch

from disco.audio.clip import Clip
from disco.errors import DiscoError
from disco.midi.score import NoteTable
from disco.report import page as page_module
from disco.report.chart import Curve, Line
from disco.report.embed import mp3
from disco.report.page import (
    Bound,
    Command,
    Measure,
    Page,
    Player,
    PlayerGroup,
    number,
    render_page,
    write_page,
)


def tone(rate=16000, seconds=1.0, channels=1):
    wave = 0.4 * torch.sin(2 * math.pi * 440 * torch.arange(int(rate * seconds)) / rate)
    return Clip(wave.expand(channels, -1).clone(), rate)


def roll():
    return NoteTable(
        onset=np.array([0.0]),
        offset=np.array([0.5]),
        pitch=np.array([69]),
        velocity=np.array([90]),
        program=np.array([0]),
        is_drum=np.array([False]),
    )


PAGE = Page(
    title="Tones <script>alert(1)</script>",
    lead="What this is. And why.",
    measures=[
        Measure(
            name="F1",
            value=0.9123,
            floor=Bound(name="chance", value=0.1),
            ceiling=Bound(name="original", value=1.0),
            goal="at least 0.85",
            passed=True,
            meaning="Most notes are there.",
        ),
        Measure(name="Grid", value=math.nan, passed=False, goal="above 0.5", meaning="No beat was found."),
        Measure(name="Level", value=-18, unit="dB", meaning="As loud as speech."),
    ],
    groups=[
        PlayerGroup(
            title="Tones",
            players=[Player(name="A", clip=tone(), notes=roll()), Player(name="B", clip=tone(44100, 2.0, 2))],
        )
    ],
    curves=[Curve(title="Loss", lines=[Line(name="train", steps=[1, 2], values=[2.0, 1.0])])],
    rough=["Only tones."],
    commands=[Command(text="Again", command='python demo.py seed="0" && echo done')],
)


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found, self.text = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def tags():
    return Tags(render_page(PAGE))


def test_everything_it_needs_is_inside(tags):
    for _, attributes in tags.found:
        for name in ("src", "href", "poster", "srcset", "data"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
    assert "url(" not in "".join(tags.text)
    (policy,) = (meta["content"] for meta in tags.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'")


def test_sound_plays_as_it_was_given(tags):
    for audio, clip in zip(tags.all("audio"), [tone(), tone(32000, 2.0)], strict=True):
        kind, content = audio["src"].split(",", 1)
        assert kind == "data:audio/mpeg;base64"
        wave, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
        assert rate == clip.rate
        assert len(wave) == clip.wave.shape[1]
        assert np.corrcoef(wave, clip.wave[0])[0, 1] > 0.99


def test_everything_has_words_for_those_who_do_not_see_it(tags):
    images, sounds = tags.all("img"), tags.all("audio")
    assert len(images) == 3  # two spectrograms and a roll
    assert all(image["alt"] for image in images)
    assert [sound["aria-label"] for sound in sounds] == ["Tones: A", "Tones: B"]
    assert tags.all("html") == [{"lang": "en"}]
    for anchor in tags.all("a"):
        assert any(attributes.get("id") == anchor["href"][1:] for _, attributes in tags.found)


def test_values_stand_beside_their_bounds_with_a_mark(tags):
    text = " ".join("".join(tags.text).split())
    for words in (
        "0.912",
        "0.1chance",
        "1original",
        "✓ met",
        "✗ missed",
        "-18 dB",
        "no goal",
        "Most notes are there.",
    ):
        assert words in text
    assert [tag["style"] for tag in tags.all("i") if "style" in tag] == ["width:90.3%"]


def test_words_from_outside_stay_words(tags):
    assert len(tags.all("script")) == 1
    assert "Tones <script>alert(1)</script>" in "".join(tags.text)
    assert 'python demo.py seed="0" && echo done' in tags.text


def test_empty_parts_are_left_out():
    tags = Tags(render_page(Page(title="Bare", lead="Nothing yet.")))
    assert not tags.all("h2")
    assert not tags.all("a")


def test_a_page_that_is_too_large_is_refused_and_nothing_is_written(tmp_path, monkeypatch):
    path = tmp_path / "out" / "report.html"
    size = write_page(path, PAGE)
    assert size == path.stat().st_size
    monkeypatch.setattr(page_module, "LARGEST", size - 1)
    with pytest.raises(DiscoError, match="fewer or shorter clips"):
        write_page(tmp_path / "other.html", PAGE)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("wave", [torch.zeros(1, 0), torch.full((1, 8), math.nan)], ids=["empty", "nan"])
def test_what_cannot_sound_is_refused(wave):
    with pytest.raises(DiscoError):
        mp3(Clip(wave, 16000))


def test_a_long_clip_stays_small():
    rate, seconds = 32000, 20
    clip = Clip(0.1 * torch.randn(1, rate * seconds, generator=torch.Generator().manual_seed(0)), rate)
    assert len(mp3(clip)) < 12_000 * seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9123, "0.912"),
        (1.0, "1"),
        (15384.0, "15,384"),
        (2e-5, "2.0e-05"),
        (0, "0"),
        (math.inf, "–"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text
